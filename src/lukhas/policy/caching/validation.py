"""Conditional requests, of clients to us and of ours to the origin (RFC 9111 section 4.3)."""

import re

from lukhas.http.dates import format_http_date, parse_http_date
from lukhas.http.headers import HOP_BY_HOP, HeaderPairs, Headers
from lukhas.units import SECOND_NS

__all__ = (
    "confirms",
    "is_not_modified",
    "not_modified_fields",
    "revalidation_headers",
    "updated_fields",
)

_find_entity_tags = re.compile(rb'(?:W/)?"[^"]*"').findall

# A 304 says nothing about the content (RFC 9110 section 15.4.5).
_CONTENT_FIELDS = (
    b"content-encoding",
    b"content-language",
    b"content-length",
    b"content-range",
    b"content-type",
)
# RFC 9111 section 3.2: of the stored body these still say the truth, of the 304 they may not.
_NOT_UPDATED = HOP_BY_HOP | {b"content-encoding", b"content-length", b"content-range"}


def is_not_modified(status: int, stored: Headers, request: Headers, *, now_s: int) -> bool:
    """Whether the client's copy is the stored response, so that 304 is the answer to it.

    Weak comparison over all members of If-None-Match, or `*`; If-Modified-Since counts only
    without If-None-Match, and only against Last-Modified (RFC 9110 section 13.2.2).
    """
    if status != 200:
        return False
    conditions = request.joined(b"if-none-match")
    if conditions is not None:
        return _any_matches(conditions, stored.get(b"etag"))
    since = request.get(b"if-modified-since")
    modified = stored.get(b"last-modified")
    if since is None or modified is None:
        return False
    since_s = parse_http_date(since, now_s=now_s)
    modified_s = parse_http_date(modified, now_s=now_s)
    return since_s is not None and modified_s is not None and modified_s <= since_s


def _any_matches(conditions: bytes, etag: bytes | None) -> bool:
    if conditions.strip() == b"*":
        return True
    if etag is None:
        return False
    opaque = etag.removeprefix(b"W/")
    return any(tag.removeprefix(b"W/") == opaque for tag in _find_entity_tags(conditions))


def not_modified_fields(stored: Headers) -> Headers:
    """The fields of a 304 made from a stored response (RFC 9110 section 15.4.5)."""
    return stored.without(_CONTENT_FIELDS)


def revalidation_headers(request: Headers, stored: Headers) -> Headers | None:
    """The request with our own validators in place of the client's, or None if we have none."""
    conditions: HeaderPairs = []
    etag = stored.get(b"etag")
    if etag is not None:
        conditions.append((b"if-none-match", etag))
    modified = stored.get(b"last-modified")
    if modified is not None:
        conditions.append((b"if-modified-since", modified))
    if not conditions:
        return None
    kept = request.without((b"if-none-match", b"if-modified-since"))
    return Headers(kept.raw + conditions)


def confirms(not_modified: Headers, stored: Headers) -> bool:
    """Whether a 304 is about the stored response, and not about another one (section 4.3.4).

    An entity tag must be the stored one; a 304 without it confirms what we asked about.
    """
    etag = not_modified.get(b"etag")
    if etag is not None:
        ours = stored.get(b"etag")
        return ours is not None and ours.removeprefix(b"W/") == etag.removeprefix(b"W/")
    modified = not_modified.get(b"last-modified")
    if modified is not None and b"etag" not in stored:
        return modified == stored.get(b"last-modified")
    return True


def updated_fields(stored: Headers, not_modified: Headers, *, responded_ns: int) -> Headers:
    """The stored fields, updated by those of a 304 (RFC 9111 section 3.2).

    Without a Date of its own the 304 counts as made when it came: the old Date would make the
    entry look as old as before. A weak tag stays weak, though a 304 that compares weakly (RFC 9110
    section 13.1.2) may tell the strong one: nginx does so of what it compresses, whose bytes that
    tag does not name.
    """
    kept = _NOT_UPDATED
    if (stored.get(b"etag") or b"").startswith(b"W/"):
        kept |= {b"etag"}
    update = [pair for pair in not_modified.raw if pair[0] not in kept]
    if b"date" not in not_modified:
        update.append((b"date", format_http_date(responded_ns // SECOND_NS)))
    return stored.replaced(update)
