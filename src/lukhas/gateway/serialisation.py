"""Responses as HTTP/1.1 bytes."""

from dataclasses import replace
from enum import Enum
from typing import Final, cast

from lukhas.http.headers import HeaderPairs
from lukhas.http.messages import Response
from lukhas.http.status import status_line
from lukhas.pipeline.known_ways import RepeatedHit

__all__ = (
    "Framing",
    "framing_of",
    "ready_response",
    "repeated_response",
    "response_head",
    "through_taps",
)


class Framing(Enum):
    """How the end of a response body is told (RFC 9112 section 6.3)."""

    NONE = "none"
    LENGTH = "length"
    CHUNKED = "chunked"
    CLOSE = "close"


_CHUNKED: Final = Framing.CHUNKED
_LENGTH: Final = Framing.LENGTH


def framing_of(response: Response, *, is_head: bool, version: str) -> Framing:
    """How this response is framed for a client of this version, asking with HEAD or not."""
    status = response.status
    if is_head or status < 200 or status in {204, 304}:
        return Framing.NONE
    if isinstance(response.body, bytes) or b"content-length" in response.headers.index():
        return _LENGTH
    return _CHUNKED if version == "1.1" else Framing.CLOSE


def ready_response(ready_head: bytes, added: HeaderPairs, body: bytes) -> bytes:
    """A response whose head is there already, but for what is added to it."""
    # Joins of joins: a third of what formatting each field costs.
    lines = [b": ".join(field) for field in added]
    lines += (b"", b"")
    return b"".join((ready_head, b"\r\n".join(lines), body))


def repeated_response(repeated: RepeatedHit) -> bytes:
    """The response to a request that is like one before."""
    known, entry, request_id, figures = repeated
    told = entry.told_fields
    if known.told is not told:
        known.told = told
        known.told_lines = b"".join([b"%b: %b\r\n" % pair for pair in told])
    limits = known.limit_lines
    return b"%bx-request-id: %b\r\n%b%b\r\n%b" % (
        entry.ready_head,
        request_id,
        limits and limits % figures,
        known.told_lines,
        entry.body,
    )


def through_taps(response: Response, body: bytes) -> tuple[Response, bytes]:
    """A whole body as its taps let it pass, and the response that has it.

    The response is a copy, since others may share what was given. A tap that changes the length is
    put there by a stage that takes Content-Length away.
    """
    for tap in response.taps or ():
        body = tap.feed(body, last=True)
    return replace(response, body=body, taps=None), body


def response_head(
    response: Response, added: HeaderPairs, framing: Framing, *, close: bool, date: bytes
) -> list[bytes]:
    """The head of a response in pieces, without its last empty line.

    Args:
        response: the response; `ready_head` is used where it is there.
        added: further fields.
        framing: how the body ends.
        close: whether the connection ends with this response.
        date: the value of Date if the response has none.
    """
    index = response.headers.index()
    lines = [b": ".join(field) for field in added]
    if response.ready_head is not None:
        first = response.ready_head
    else:
        first = status_line(response.status)
        lines = [b": ".join(field) for field in response.headers.raw] + lines
    if b"date" not in index:
        lines.append(b"date: " + date)
    if framing is _CHUNKED:
        lines.append(b"transfer-encoding: chunked")
    elif framing is _LENGTH and b"content-length" not in index:
        lines.append(b"content-length: %d" % len(cast("bytes", response.body)))
    if close:
        lines.append(b"connection: close")
    lines.append(b"")
    return [first, b"\r\n".join(lines)]
