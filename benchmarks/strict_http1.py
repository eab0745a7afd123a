"""A second reading of HTTP/1.1 requests, strictly by RFC 9112, to compare the front server with.

It is written apart from the front server and the parser below that, for clarity and not for speed.
What it does not understand to the last byte it does not read, nor anything behind that.
"""

import re
from dataclasses import dataclass

__all__ = ("StrictRequest", "strict_requests")

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(rb"(%b) ([\x21-\x7e]+) HTTP/1\.([01])" % _TOKEN)
_FIELD = re.compile(
    rb"(%b):[ \t]*((?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)[ \t]*" % _TOKEN
)
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;[\t\x20-\x7e\x80-\xff]*)?")
_LENGTH = re.compile(rb"[0-9]{1,18}")


@dataclass(frozen=True)
class StrictRequest:
    """A request as it was sent.

    Attributes:
        method: the method.
        target: the request target.
        fields: names in lower case, and values without the space around them.
        body: the body, decoded.
        whole: whether all of it was there.
    """

    method: bytes
    target: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes
    whole: bool


def strict_requests(data: bytes) -> list[StrictRequest]:
    """The requests that a connection carries, up to what cannot be read, or the end.

    A head that is not whole is no request; a body that is not, or becomes unreadable, makes the
    last request one that is not whole.
    """
    found: list[StrictRequest] = []
    at = 0
    while True:
        # RFC 9112 section 2.2: empty lines before a request are passed over, and a line may end
        # with LF alone. Nowhere else do we take that.
        while data[at : at + 1] in {b"\r", b"\n"}:
            at += 1
        end = data.find(b"\r\n\r\n", at)
        if end < 0:
            return found
        head = _head(data[at:end])
        if head is None:
            return found
        method, target, version, fields = head
        named = _named(fields)
        body, at, whole = _body(data, end + 4, named)
        found.append(StrictRequest(method, target, fields, body, whole))
        listed = b",".join(named.get(b"connection", [])).lower().split(b",")
        options = {option.strip(b" \t") for option in listed}
        closes = b"close" in options or (version == b"0" and b"keep-alive" not in options)
        if not whole or closes:
            return found


def _head(text: bytes) -> tuple[bytes, bytes, bytes, tuple[tuple[bytes, bytes], ...]] | None:
    first, *lines = text.split(b"\r\n")
    start = _REQUEST_LINE.fullmatch(first)
    if start is None:
        return None
    fields = []
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            return None
        fields.append((field[1].lower(), field[2]))
    method, target, version = start.groups()
    named = _named(tuple(fields))
    if len(named.get(b"host", [])) != 1 or not _is_framed(named, version):
        return None
    return method, target, version, tuple(fields)


def _named(fields: tuple[tuple[bytes, bytes], ...]) -> dict[bytes, list[bytes]]:
    named: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        named.setdefault(name, []).append(value)
    return named


def _is_framed(named: dict[bytes, list[bytes]], version: bytes) -> bool:
    """Whether there is no doubt where the body ends (RFC 9112 section 6.3)."""
    codings, lengths = named.get(b"transfer-encoding", []), named.get(b"content-length", [])
    if codings:
        return version == b"1" and not lengths and [c.lower() for c in codings] == [b"chunked"]
    return not lengths or (len(lengths) == 1 and _LENGTH.fullmatch(lengths[0]) is not None)


def _body(data: bytes, at: int, named: dict[bytes, list[bytes]]) -> tuple[bytes, int, bool]:
    if b"transfer-encoding" in named:
        return _chunked(data, at)
    length = int(named[b"content-length"][0]) if b"content-length" in named else 0
    body = data[at : at + length]
    return body, at + length, len(body) == length


def _chunked(data: bytes, at: int) -> tuple[bytes, int, bool]:
    body = b""
    while True:
        end = data.find(b"\r\n", at)
        size = _SIZE.fullmatch(data[at:end]) if end >= 0 else None
        if size is None:
            return body, at, False
        count = int(size[1], 16)
        at = end + 2
        if not count:
            return body, *_trailers(data, at)
        piece = data[at : at + count]
        body += piece
        at += count
        if len(piece) < count or data[at : at + 2] != b"\r\n":
            return body, at, False
        at += 2


def _trailers(data: bytes, at: int) -> tuple[int, bool]:
    while True:
        end = data.find(b"\r\n", at)
        if end < 0:
            return at, False
        if end == at:
            return end + 2, True
        field = _FIELD.fullmatch(data[at:end])
        # A trailer that would change the framing is one that somebody wants to be misread.
        if field is None or field[1].lower() in {b"content-length", b"transfer-encoding"}:
            return at, False
        at = end + 2
