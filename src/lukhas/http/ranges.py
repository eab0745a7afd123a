"""Byte ranges of requests and responses (RFC 9110 section 14)."""

import re
from dataclasses import dataclass

__all__ = ("ByteRange", "ContentRange", "parse_content_range", "parse_single_range")

# So many digits that no body is longer; int() would refuse thousands of them.
_match_range = re.compile(
    rb"bytes=[ \t]*([0-9]{0,19})-([0-9]{0,19})[ \t]*", re.IGNORECASE
).fullmatch
_match_content_range = re.compile(
    rb"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)", re.IGNORECASE
).fullmatch


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A range as asked for (RFC 9110 section 14.1.2).

    Attributes:
        first: the first byte; None for a suffix.
        last: the last byte, or the length of the suffix; None for all that follows `first`.
    """

    first: int | None
    last: int | None

    def within(self, length: int) -> tuple[int, int] | None:
        """Its first byte and the one behind its last in a body so long; None if there is none."""
        if self.first is None:
            start, end = max(0, length - (self.last or 0)), length
        else:
            start = self.first
            end = length if self.last is None else min(self.last + 1, length)
        return (start, end) if start < end else None


@dataclass(frozen=True, slots=True)
class ContentRange:
    """Which part a 206 brings (RFC 9110 section 14.4).

    Attributes:
        first: its first byte.
        last: its last byte.
        complete: the length of the whole; None where it is not told.
    """

    first: int
    last: int
    complete: int | None


def parse_single_range(value: bytes) -> ByteRange | None:
    """Reads a Range with one part in bytes; None for several parts, other units, or a mistake.

    A server may ignore Range (RFC 9110 section 14.2), so what is not understood asks for the whole.
    """
    match = _match_range(value)
    if match is None:
        return None
    first, last = match.groups()
    if not first:
        return ByteRange(None, int(last)) if last else None
    found = ByteRange(int(first), int(last) if last else None)
    return None if found.last is not None and found.last < int(first) else found


def parse_content_range(value: bytes) -> ContentRange | None:
    """Reads a Content-Range that names a part; None for a mistake or an unsatisfied range."""
    match = _match_content_range(value)
    if match is None:
        return None
    first, last = int(match.group(1)), int(match.group(2))
    complete = None if match.group(3) == b"*" else int(match.group(3))
    if last < first or (complete is not None and last >= complete):
        return None
    return ContentRange(first, last, complete)
