"""Bare items of structured fields, written (RFC 9651 section 4.1)."""

import re

__all__ = ("sf_integer", "sf_string", "sf_token")

_MAX_INTEGER = 999_999_999_999_999

_is_printable_ascii = re.compile(r"[ -~]*").fullmatch
_is_token = re.compile(r"[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*").fullmatch


def sf_string(text: str) -> bytes:
    """A string in quotes (RFC 9651 section 4.1.6).

    Raises:
        ValueError: the text holds something else than printable ASCII.
    """
    if _is_printable_ascii(text) is None:
        raise ValueError("a structured-field string holds only printable ASCII")
    return b'"%b"' % text.replace("\\", "\\\\").replace('"', '\\"').encode("ascii")


def sf_token(text: str) -> bytes:
    """A token (RFC 9651 section 4.1.7).

    Raises:
        ValueError: the text is not a letter or `*`, then token characters, `:` or `/`.
    """
    if _is_token(text) is None:
        raise ValueError(f"{text!r} is not a structured-field token")
    return text.encode("ascii")


def sf_integer(number: int) -> bytes:
    """An integer (RFC 9651 section 4.1.4).

    Raises:
        ValueError: it has more than 15 digits.
    """
    if not -_MAX_INTEGER <= number <= _MAX_INTEGER:
        raise ValueError(f"{number} has more than the 15 digits of a structured-field integer")
    return b"%d" % number
