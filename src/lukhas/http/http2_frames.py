"""Frames of HTTP/2 as bytes, and the fields of a request in them (RFC 9113)."""

import re
import struct
from enum import IntEnum

from lukhas.http.headers import HOP_BY_HOP, HeaderPairs

__all__ = (
    "PREFACE",
    "ErrorCode",
    "FrameType",
    "Http2Error",
    "RequestFields",
    "StreamError",
    "data_frames",
    "frame",
    "goaway",
    "header_frames",
    "request_fields",
    "rst_stream",
    "settings_frame",
    "window_update",
)

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_PART_BYTES = 16_384
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
# Controls but for the tab; what surrounds a value is no part of it (RFC 9113 section 8.2.1).
_BAD_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]|^[ \t]|[ \t]$")
_CONNECTION_SPECIFIC = (HOP_BY_HOP - {b"te"}) | {b"http2-settings"}
_PSEUDO = frozenset((b":method", b":scheme", b":authority", b":path"))


class FrameType(IntEnum):
    """Types of frames (RFC 9113 section 6)."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class ErrorCode(IntEnum):
    """Error codes (RFC 9113 section 7)."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    ENHANCE_YOUR_CALM = 11


class Http2Error(Exception):
    """The connection cannot go on.

    Attributes:
        code: what it is ended with.
    """

    def __init__(self, code: ErrorCode, what: str) -> None:
        self.code = code
        super().__init__(what)


class StreamError(Exception):
    """One stream cannot go on; the connection can.

    Attributes:
        code: what it is reset with.
    """

    def __init__(self, code: ErrorCode, what: str) -> None:
        self.code = code
        super().__init__(what)


class RequestFields:
    """A request as its pseudo-header fields say.

    Attributes:
        method: the method.
        scheme: the scheme.
        path: the path with the query.
        fields: the other fields, with `host` made of the authority in front.
    """

    __slots__ = ("fields", "method", "path", "scheme")

    def __init__(self, method: bytes, scheme: bytes, path: bytes, fields: HeaderPairs) -> None:
        self.method = method
        self.scheme = scheme
        self.path = path
        self.fields = fields

    def check_scheme(self, scheme: bytes) -> None:
        """Lets only the scheme pass that the connection is of.

        Raises:
            StreamError: the request names another.
        """
        if self.scheme.lower() != scheme:
            raise _broken("the scheme of another connection")


def request_fields(decoded: HeaderPairs) -> RequestFields:
    """The request that a header block holds (RFC 9113 sections 8.2 and 8.3.1).

    Raises:
        StreamError: it is malformed.
    """
    pseudo: dict[bytes, bytes] = {}
    at = 0
    for name, value in decoded:
        if name[:1] != b":":
            break
        if name in pseudo or name not in _PSEUDO or _BAD_VALUE.search(value):
            raise _broken("a pseudo-header field that is unknown, repeated or wrong")
        pseudo[name] = value
        at += 1
    fields: HeaderPairs = []
    cookies: list[bytes] = []
    hosts: list[bytes] = []
    for name, value in decoded[at:]:
        _check_field(name, value)
        if name == b"cookie":
            cookies.append(value)
        elif name == b"host":
            hosts.append(value)
        else:
            fields.append((name, value))
    if cookies:
        # Only HTTP/2 may send it in several (RFC 9113 section 8.2.3).
        fields.append((b"cookie", b"; ".join(cookies)))
    if len(hosts) > 1:
        raise _broken("two Host fields")
    return _request(pseudo, hosts[0] if hosts else None, fields)


def _check_field(name: bytes, value: bytes) -> None:
    if not _NAME.fullmatch(name):
        raise _broken("a field name that cannot be, or a pseudo-header field that is late")
    if _BAD_VALUE.search(value):
        raise _broken("a field value that cannot be")
    if name in _CONNECTION_SPECIFIC or (name == b"te" and value != b"trailers"):
        raise _broken("a field about the connection")


def _request(pseudo: dict[bytes, bytes], host: bytes | None, fields: HeaderPairs) -> RequestFields:
    method, scheme = pseudo.get(b":method"), pseudo.get(b":scheme")
    path, authority = pseudo.get(b":path"), pseudo.get(b":authority")
    if not method or not scheme or not path:
        raise _broken("no method, scheme or path")
    if path[:1] != b"/" and path != b"*":
        raise _broken("a path that is none")
    if authority is None:
        authority = host
    if not authority:
        raise _broken("no authority")
    if host is not None and host != authority:
        raise _broken("an authority and another Host")
    return RequestFields(method, scheme, path, [(b"host", authority), *fields])


def _broken(what: str) -> StreamError:
    return StreamError(ErrorCode.PROTOCOL_ERROR, what)


def frame(kind: FrameType, flags: int, stream: int, payload: bytes | memoryview = b"") -> bytes:
    """One frame."""
    return struct.pack("!HBBBI", len(payload) >> 8, len(payload) & 0xFF, kind, flags, stream) + (
        payload
    )


def header_frames(stream: int, block: bytes, *, end_stream: bool) -> bytes:
    """A header block in as many frames as it takes."""
    end = 0x1 if end_stream else 0
    if len(block) <= _PART_BYTES:
        return frame(FrameType.HEADERS, end | 0x4, stream, block)
    parts = [block[at : at + _PART_BYTES] for at in range(0, len(block), _PART_BYTES)]
    frames = [frame(FrameType.HEADERS, end, stream, parts[0])]
    frames += [frame(FrameType.CONTINUATION, 0, stream, part) for part in parts[1:-1]]
    frames.append(frame(FrameType.CONTINUATION, 0x4, stream, parts[-1]))
    return b"".join(frames)


def data_frames(stream: int, data: bytes | memoryview, *, end_stream: bool) -> bytes:
    """Data in as many frames as it takes."""
    frames = []
    for at in range(0, len(data) or 1, _PART_BYTES):
        part = data[at : at + _PART_BYTES]
        last = end_stream and at + _PART_BYTES >= len(data)
        frames.append(frame(FrameType.DATA, 0x1 if last else 0, stream, part))
    return b"".join(frames)


def settings_frame(values: dict[int, int]) -> bytes:
    """The settings of this end."""
    payload = b"".join(struct.pack("!HI", key, value) for key, value in values.items())
    return frame(FrameType.SETTINGS, 0, 0, payload)


def rst_stream(stream: int, code: ErrorCode) -> bytes:
    """The end of one stream."""
    return frame(FrameType.RST_STREAM, 0, stream, struct.pack("!I", code))


def goaway(last_stream: int, code: ErrorCode) -> bytes:
    """The end of the connection, with the last stream that was, or may have been, worked on."""
    return frame(FrameType.GOAWAY, 0, 0, struct.pack("!II", last_stream, code))


def window_update(stream: int, increment: int) -> bytes:
    """Room for more data."""
    return frame(FrameType.WINDOW_UPDATE, 0, stream, struct.pack("!I", increment))
