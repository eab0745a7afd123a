"""lukhas.http.targeted_cache_control: rule R4, RFC 9213."""

import pytest

from lukhas.http.cache_control import CacheControl
from lukhas.http.headers import Headers
from lukhas.http.targeted_cache_control import response_directives

TARGETS = (b"lukhas-cache-control", b"cdn-cache-control")


def directives(*pairs: tuple[str, str]) -> CacheControl:
    return response_directives(Headers.of(pairs), TARGETS)


def test_r4_rfc_9213_2_2_a_targeted_field_replaces_cache_control() -> None:
    """Even no-store there does not count then."""
    found = directives(("cache-control", "no-store"), ("cdn-cache-control", "max-age=60"))
    assert found == CacheControl(max_age=60, targeted=True)


def test_r4_rfc_9213_2_2_the_first_of_the_target_list_counts() -> None:
    """The field of the nearest cache goes first, wherever it stands in the response."""
    found = directives(("cdn-cache-control", "max-age=1"), ("lukhas-cache-control", "max-age=2"))
    assert found.max_age == 2


@pytest.mark.parametrize(
    "value",
    [
        "",
        "max-age=10000, &&&&&",
        'max-age="10000"',
        "max-age",
        "max-age=1.5",
        "MaX-aGe=3600",
        "max-age =100",
        "max-age= 100",
        "no-store=1",
        "private=1",
    ],
)
def test_r4_rfc_9213_2_2_an_invalid_field_is_ignored_whole(value: str) -> None:
    """As is an empty one: the next target, or Cache-Control, counts."""
    pairs = (("lukhas-cache-control", value), ("cache-control", "no-store"))
    assert directives(*pairs) == CacheControl(no_store=True)
    found = directives(*pairs, ("cdn-cache-control", "max-age=5"))
    assert found == CacheControl(max_age=5, targeted=True)


def test_r4_rfc_9213_2_1_directives_have_types() -> None:
    """Numbers are integers, flags booleans; unknown directives and parameters say nothing."""
    found = directives(
        (
            "cdn-cache-control",
            'foobar, max-age=99999999999;x=1, must-revalidate, public=?0, no-cache="a, b"',
        )
    )
    assert found == CacheControl(
        max_age=2**31,
        must_revalidate=True,
        no_cache_fields=frozenset((b"a", b"b")),
        targeted=True,
    )


def test_r4_negative_ages_are_stale() -> None:
    """An integer below 0 counts as 0."""
    assert directives(("cdn-cache-control", "max-age=-1, private, no-cache")) == CacheControl(
        max_age=0, private=True, no_cache=True, targeted=True
    )


def test_r4_without_a_target_cache_control_counts() -> None:
    """The usual response."""
    assert directives(("cache-control", "max-age=60")) == CacheControl(max_age=60)
