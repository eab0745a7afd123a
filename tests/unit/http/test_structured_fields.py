"""Bare items of structured fields."""

import pytest

from lukhas.http.structured_fields import sf_integer, sf_string, sf_token


@pytest.mark.parametrize(
    ("text", "item"),
    [("", b'""'), ("per minute", b'"per minute"'), ('a"b\\c', b'"a\\"b\\\\c"'), (" ~", b'" ~"')],
)
def test_string(text: str, item: bytes) -> None:
    """Quotes and backslashes are escaped (RFC 9651 section 4.1.6)."""
    assert sf_string(text) == item


@pytest.mark.parametrize("text", ["\n", "a\x7f", "é", "\x1f", "a\n"])
def test_string_refuses_what_is_not_printable_ascii(text: str) -> None:
    """Control and non-ASCII characters have no form as a string."""
    with pytest.raises(ValueError, match="printable ASCII"):
        sf_string(text)


@pytest.mark.parametrize("text", ["hit", "*", "a:b/c", "Lukhas", "x!#$%&'*+-.^_`|~0"])
def test_token(text: str) -> None:
    """Tokens go out as they are (RFC 9651 section 4.1.7)."""
    assert sf_token(text) == text.encode()


@pytest.mark.parametrize("text", ["", "1a", "a b", "a\n", "é", "a,b", ":a", '"a"'])
def test_token_refuses_other_text(text: str) -> None:
    """The first character is a letter or `*`; no spaces, commas or quotes."""
    with pytest.raises(ValueError, match="token"):
        sf_token(text)


@pytest.mark.parametrize("number", [0, -1, 42, 999_999_999_999_999, -999_999_999_999_999])
def test_integer(number: int) -> None:
    """Up to 15 digits with a sign (RFC 9651 section 4.1.4)."""
    assert sf_integer(number) == str(number).encode()


@pytest.mark.parametrize("number", [10**15, -(10**15)])
def test_integer_refuses_16_digits(number: int) -> None:
    """Beyond 15 digits there is no form."""
    with pytest.raises(ValueError, match="15 digits"):
        sf_integer(number)
