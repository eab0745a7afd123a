"""lukhas.policy.caching.variants."""

import pytest

from lukhas.http.headers import Headers
from lukhas.policy.caching.variants import (
    matches,
    selecting_names,
    selecting_values,
    vary_names,
)


def same(name: bytes, first: list[bytes], second: list[bytes]) -> bool:
    names = (name,)
    values = selecting_values(names, Headers([(name, line) for line in first]))
    return matches(names, values, Headers([(name, line) for line in second]))


def test_names_of_all_lines_are_merged() -> None:
    """RFC 9110 section 12.5.5: a list over several lines, case-insensitive."""
    headers = Headers.of([("vary", "Foo, bar"), ("vary", "BAR,,x")])
    assert vary_names(headers) == (b"bar", b"foo", b"x")
    assert vary_names(Headers.of([("vary", "X-Kind,\tFOX")])) == (b"fox", b"x-kind")
    assert vary_names(Headers([])) == ()


@pytest.mark.parametrize("lines", [["*"], ["foo, *"], ["foo", " *"]])
def test_star_anywhere_matches_nothing(lines: list[str]) -> None:
    """RFC 9111 section 4.1."""
    assert vary_names(Headers.of([("vary", line) for line in lines])) is None


@pytest.mark.parametrize(
    ("coding", "vary", "names"),
    [
        ("gzip", None, (b"accept-encoding",)),
        ("BR", "X-Kind, a", (b"a", b"accept-encoding", b"x-kind")),
        ("gzip", "Accept-Encoding, x", (b"accept-encoding", b"x")),
        ("Identity ", None, ()),
        ("", "x", (b"x",)),
        (None, None, ()),
    ],
)
def test_a_coding_is_selected_by_what_is_accepted(
    coding: str | None, vary: str | None, names: tuple[bytes, ...]
) -> None:
    """RFC 9110 section 12.5.3: nobody gets a coding unasked because an origin forgot Vary."""
    fields = {"content-encoding": coding, "vary": vary}
    headers = Headers.of([(name, value) for name, value in fields.items() if value is not None])
    assert selecting_names(headers) == names


def test_absent_is_not_empty() -> None:
    """An absent field only matches an absent one (RFC 9111 section 4.1)."""
    assert not same(b"foo", [], [b""])
    assert not same(b"foo", [b""], [])
    assert same(b"foo", [], [])


def test_lines_and_white_space_are_normalised() -> None:
    """RFC 9111 section 4.1: as far as the syntax allows."""
    assert same(b"foo", [b"1, 2"], [b"1 ,2"])
    assert same(b"foo", [b"1, 2"], [b"1", b"2"])
    assert not same(b"foo", [b"1, 2"], [b"2, 1"])
    assert not same(b"foo", [b"a"], [b"A"])
    assert not same(b"foo", [b"aX"], [b"a"])
    assert same(b"foo", [b"a,\tb"], [b"a,b"])
    assert not same(b"foo", [b'"a, b"'], [b'"a,b"'])


def test_languages_and_codings_have_no_order() -> None:
    """Weights tell preference, order and case do not."""
    assert same(b"accept-language", [b"en, DE;q=0.5"], [b"de;q=0.5,EN"])
    assert same(b"accept-encoding", [b"gzip, br"], [b"br, gzip"])
    assert not same(b"accept-language", [b"en"], [b"de"])


def test_single_values_are_compared_as_they_are() -> None:
    """A comma in User-Agent or Cookie separates nothing, and two lines are not one."""
    assert not same(b"user-agent", [b"a, b"], [b"a,b"])
    assert not same(b"cookie", [b"a=1,b=2"], [b"a=1", b"b=2"])
    assert same(b"cookie", [b"a=1"], [b"a=1"])


def test_without_names_everything_matches() -> None:
    """A response without Vary answers any request."""
    assert matches((), (), Headers.of([("accept", "x")]))
