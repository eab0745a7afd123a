"""Parts of stored responses as answers to Range (RFC 9110 section 14, RFC 9111 section 3.3)."""

from dataclasses import dataclass

from lukhas.http.dates import parse_http_date
from lukhas.http.headers import Headers
from lukhas.http.ranges import ByteRange, parse_single_range

__all__ = ("Part", "part_of", "wanted_range")

_STRONG_AGE_S = 60


@dataclass(frozen=True, slots=True)
class Part:
    """What a range takes of a body.

    Attributes:
        start: its first byte.
        end: the byte behind its last one; not above `start` where no such part exists (416).
        complete: the length of the whole body.
    """

    start: int
    end: int
    complete: int

    @property
    def content_range(self) -> bytes:
        """The value of Content-Range."""
        if self.end <= self.start:
            return b"bytes */%d" % self.complete
        return b"bytes %d-%d/%d" % (self.start, self.end - 1, self.complete)


def wanted_range(request: Headers, stored: Headers, *, now_s: int) -> ByteRange | None:
    """The range to answer a GET with; None where the whole is the answer.

    That is so for several ranges, which a server need not serve, and where If-Range names another
    version than the stored one: the comparison is strong, so a weak entity tag, or a date that is
    not clearly older than the response, never fits (RFC 9110 sections 13.1.5, 8.8.2.2). And it is
    so where the stored response itself has a weak tag: its bytes may differ from time to time, as
    those of what is compressed here, and no client could put parts of it together (15.3.7.3).
    """
    lines = request.get_all(b"range")
    if len(lines) != 1 or (stored.get(b"etag") or b"").startswith(b"W/"):
        return None
    condition = request.get(b"if-range")
    if condition is not None and not _is_same(condition, stored, now_s=now_s):
        return None
    return parse_single_range(lines[0])


def _is_same(condition: bytes, stored: Headers, *, now_s: int) -> bool:
    if condition.startswith((b'"', b"W/")):
        return not condition.startswith(b"W/") and condition == stored.get(b"etag")
    modified, date = stored.get(b"last-modified"), stored.get(b"date")
    if modified is None or date is None or condition != modified:
        return False
    modified_s = parse_http_date(modified, now_s=now_s)
    date_s = parse_http_date(date, now_s=now_s)
    return modified_s is not None and date_s is not None and modified_s + _STRONG_AGE_S <= date_s


def part_of(wanted: ByteRange, length: int) -> Part:
    """The part that a range takes of a body of this length."""
    bounds = wanted.within(length)
    return Part(0, 0, length) if bounds is None else Part(*bounds, length)
