"""lukhas.policy.caching.tags: rules R10 and R18, RFC 9875."""

import pytest

from lukhas.http.headers import Headers
from lukhas.policy.caching.tags import invalidated_groups, tags_of


def test_r18_rfc_9875_2_cache_groups_are_a_list_of_strings() -> None:
    """Case counts, lines are one list, parameters say nothing."""
    found = tags_of(Headers.of([("cache-groups", '"a", "B";x=1'), ("cache-groups", '"c d"')]))
    assert found == {"a", "B", "c d"}


@pytest.mark.parametrize("value", ["a, b", '"a", 1', '"a'])
def test_r18_rfc_9875_2_anything_else_is_no_group(value: str) -> None:
    """A field that is no list of strings is ignored as a whole."""
    assert tags_of(Headers.of([("cache-groups", value), ("surrogate-key", "k")])) == {"k"}


def test_r18_surrogate_keys_are_words() -> None:
    """Both fields fill one set."""
    found = tags_of(Headers.of([("surrogate-key", "one  two"), ("cache-groups", '"one"')]))
    assert found == {"one", "two"}
    assert tags_of(Headers([])) == frozenset()


def test_r18_rfc_9875_2_32_groups_of_32_characters_fit() -> None:
    """More than 128, or longer ones than 256 characters, are left out."""
    groups = ", ".join(f'"{number:032}"' for number in range(32))
    assert len(tags_of(Headers.of([("cache-groups", groups)]))) == 32
    flood = " ".join(str(number) for number in range(1000))
    assert len(tags_of(Headers.of([("surrogate-key", flood)]))) == 128
    assert tags_of(Headers.of([("surrogate-key", "x" * 257)])) == frozenset()


@pytest.mark.parametrize(
    ("method", "status", "expected"),
    [
        ("POST", 200, {"a"}),
        ("M-SEARCH", 303, {"a"}),
        ("GET", 200, set()),
        ("HEAD", 200, set()),
        ("POST", 404, set()),
        ("POST", 500, set()),
    ],
)
def test_r10_rfc_9875_3_only_unsafe_successes_invalidate_groups(
    method: str, status: int, expected: set[str]
) -> None:
    """Cache-Group-Invalidation must be ignored on safe methods."""
    response = Headers.of([("cache-group-invalidation", '"a"')])
    assert invalidated_groups(method, status, response) == expected


def test_r10_rfc_9875_3_a_malformed_field_invalidates_nothing() -> None:
    """As it is no list of strings."""
    response = Headers.of([("cache-group-invalidation", "a")])
    assert invalidated_groups("POST", 200, response) == frozenset()
    assert invalidated_groups("POST", 200, Headers([])) == frozenset()
