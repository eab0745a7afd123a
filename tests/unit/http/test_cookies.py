"""The Cookie field of a request."""

import pytest

from lukhas.http.cookies import cookie_value, without_cookie
from lukhas.http.headers import Headers


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"a=1; s=2; b=3", [(b"cookie", b"a=1; b=3")]),
        (b"s=2", []),
        (b"s=2; s=3;", []),
        (b"xs=1; s2=2; S=3", [(b"cookie", b"xs=1; s2=2; S=3")]),
        (b"s", []),
        (b"a=s=1;;b=2", [(b"cookie", b"a=s=1; b=2")]),
    ],
)
def test_only_the_named_cookie_is_dropped(
    value: bytes, expected: list[tuple[bytes, bytes]]
) -> None:
    """RFC 6265 section 4.2.1: pairs are separated by semicolons, and names are case-sensitive."""
    assert without_cookie([(b"cookie", value)], b"s") == expected


def test_other_fields_stay_in_their_order() -> None:
    """Each Cookie line is looked at by itself."""
    fields = [(b"a", b"s=1"), (b"cookie", b"s=1"), (b"b", b"2"), (b"cookie", b"c=1; s=1")]
    assert without_cookie(fields, b"s") == [(b"a", b"s=1"), (b"b", b"2"), (b"cookie", b"c=1")]


@pytest.mark.parametrize(
    ("name", "value"), [(b"a", b"1"), (b"s", b"x=y"), (b"late", b"2"), (b"A", b""), (b"none", b"")]
)
def test_the_value_of_a_cookie(name: bytes, value: bytes) -> None:
    """The first of its name in any Cookie line; case counts."""
    headers = Headers([(b"cookie", b"a=1; s=x=y; a=3"), (b"b", b"c=1"), (b"cookie", b"late=2")])
    assert cookie_value(headers, name) == value
