"""Splitting of lists that may hold quoted strings."""

import pytest

from lukhas.http.list_syntax import split_quoted, unquote


@pytest.mark.parametrize(
    ("value", "pieces"),
    [
        (b"", [b""]),
        (b"a", [b"a"]),
        (b"a, b,,c", [b"a", b" b", b"", b"c"]),
        (b'a="1,2",b', [b'a="1,2"', b"b"]),
        (b'"x,y"', [b'"x,y"']),
        (b'a="1\\",2",b', [b'a="1\\",2"', b"b"]),
        (b'a="\\\\",b', [b'a="\\\\"', b"b"]),
        (b'"a""b,c",d', [b'"a""b,c"', b"d"]),
        (b'a="1\n,2",b', [b'a="1\n,2"', b"b"]),
    ],
)
def test_commas_in_quotes_do_not_split(value: bytes, pieces: list[bytes]) -> None:
    """A comma splits unless it is inside a quoted string (RFC 9110 section 5.6.4)."""
    assert split_quoted(value, b",") == pieces


def test_semicolon_splits_and_comma_does_not() -> None:
    """With the other separator the comma is an ordinary byte."""
    assert split_quoted(b'a;b="1;2",x;c', b";") == [b"a", b'b="1;2",x', b"c"]


@pytest.mark.parametrize(
    ("value", "pieces"),
    [
        (b'a,x="b,no-store', [b"a", b'x="b', b"no-store"]),
        (b'a="1,2",x="b,c', [b'a="1,2"', b'x="b', b"c"]),
        (b'"', [b'"']),
        (b'",', [b'"', b""]),
        (b'"a\\', [b'"a\\']),
        (b'"a,b\\', [b'"a', b"b\\"]),
    ],
)
def test_unterminated_quote_hides_nothing(value: bytes, pieces: list[bytes]) -> None:
    """What comes after a quote that is never closed is still split."""
    assert split_quoted(value, b",") == pieces


def test_other_separators_are_refused() -> None:
    """Only the two separators of the grammar are known."""
    with pytest.raises(ValueError, match="separator"):
        split_quoted(b"a b", b" ")


@pytest.mark.parametrize(
    ("text", "content"),
    [
        (b'"a b"', b"a b"),
        (b'""', b""),
        (b'"a\\"b\\\\c\\d"', b'a"b\\cd'),
        (b"a", b"a"),
        (b'"', b'"'),
        (b'"a', b'"a'),
        (b'a"', b'a"'),
        (b"", b""),
    ],
)
def test_unquote_resolves_escapes(text: bytes, content: bytes) -> None:
    """A quoted string gives its content; anything else stays (RFC 9110 section 5.6.4)."""
    assert unquote(text) == content
