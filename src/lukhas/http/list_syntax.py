"""Splitting of list and parameter syntax that may hold quoted strings (RFC 9110 section 5.6)."""

import re

__all__ = ("split_quoted", "unquote")

# A quoted string, or else the separator. An unterminated string runs to the end and leaves group 1
# empty: the pattern always matches, so it never backtracks.
_COMMA = re.compile(rb'"(?:[^"\\]+|\\.)*(?:(")|\\?\Z)|,', re.DOTALL)
_SEMICOLON = re.compile(rb'"(?:[^"\\]+|\\.)*(?:(")|\\?\Z)|;', re.DOTALL)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)


def split_quoted(value: bytes, separator: bytes) -> list[bytes]:
    """Splits at a separator, but not inside quoted strings (RFC 9110 section 5.6.4).

    After a quote that nobody closes, the rest is split as if no quote were there: a directive
    behind it, such as `no-store`, must not be hidden by it. Takes linear time.

    Args:
        value: a field value.
        separator: `b","` or `b";"`.

    Returns:
        The pieces in order, white space and quotes kept, empty ones included.

    Raises:
        ValueError: the separator is neither of the two.
    """
    if separator == b",":
        pattern = _COMMA
    elif separator == b";":
        pattern = _SEMICOLON
    else:
        raise ValueError(f"separator must be b',' or b';', not {separator!r}")
    if b'"' not in value:
        return value.split(separator)
    pieces: list[bytes] = []
    start = 0
    for match in pattern.finditer(value):
        if match.group() == separator:
            pieces.append(value[start : match.start()])
            start = match.end()
        elif match.group(1) is None:
            break
    else:
        pieces.append(value[start:])
        return pieces
    head, *rest = value[match.start() :].split(separator)
    pieces.append(value[start : match.start()] + head)
    pieces.extend(rest)
    return pieces


def unquote(text: bytes) -> bytes:
    """The content of a quoted string, its escapes resolved; any other text as it is."""
    if len(text) < 2 or text[:1] != b'"' or text[-1:] != b'"':
        return text
    return _ESCAPE.sub(rb"\1", text[1:-1])
