"""What the HTTP/2 connections of one worker share, and what each may cost."""

from lukhas.gateway.front_state import FrontState
from lukhas.http.headers import HOP_BY_HOP, HeaderPairs
from lukhas.http.hpack import encoded_field, encoded_status
from lukhas.http.http2_frames import RequestFields, request_fields
from lukhas.http.messages import RequestHead, Response

__all__ = ("FloodBudget", "Http2Shared")

_KEPT_HEADS = 1024
_KEPT_HEAD_BYTES = 2048
_KEPT_FIELDS = 4096
_KEPT_FIELD_BYTES = 256
_NOT_KEPT = frozenset((b"expect", b"content-length", b"x-request-id"))
_BODILESS = frozenset((204, 304))


class Http2Shared:
    """Shared by the connections of one worker.

    Args:
        state: what all connections share, of HTTP/1.1 too.
        max_streams: how many requests of one connection run at once.
    """

    def __init__(self, state: FrontState, max_streams: int) -> None:
        self.state = state
        self.max_streams = max_streams
        self._scheme = state.scheme.encode("ascii")
        # Both bounded: the same few come again and again.
        self._heads: dict[tuple[tuple[bytes, bytes], ...], RequestHead] = {}
        self._fields: dict[tuple[bytes, bytes], bytes] = {}

    def head(self, decoded: HeaderPairs) -> RequestHead:
        """The head of a request.

        Raises:
            StreamError: it is malformed by the rules of HTTP/2.
            MalformedRequestError: it is refused as it would be in HTTP/1.1.
        """
        key = tuple(decoded)
        known = self._heads.get(key)
        if known is not None:
            return known
        request = request_fields(decoded)
        head = self._read(request)
        size = sum(len(name) + len(value) for name, value in decoded)
        if size <= _KEPT_HEAD_BYTES and _NOT_KEPT.isdisjoint(head.headers.index()):
            if len(self._heads) >= _KEPT_HEADS:
                self._heads.clear()
            self._heads[key] = head
        return head

    def _read(self, request: RequestFields) -> RequestHead:
        request.check_scheme(self._scheme)
        return self.state.reader.read(request.method, request.path, "1.1", request.fields)

    def block(self, response: Response, added: HeaderPairs, *, length: int | None) -> bytes:
        """The header block of a response.

        Args:
            response: the response.
            added: further fields.
            length: the length of its body where that is known and may be told.
        """
        index = response.headers.index()
        parts = [encoded_status(response.status)]
        parts += [self._encoded(field) for field in response.headers.raw]
        parts += [encoded_field(name, value) for name, value in added]
        if b"date" not in index:
            parts.append(self._encoded((b"date", self.state.date)))
        if (
            length is not None
            and b"content-length" not in index
            and response.status not in _BODILESS
        ):
            parts.append(encoded_field(b"content-length", b"%d" % length))
        return b"".join(parts)

    def _encoded(self, field: tuple[bytes, bytes]) -> bytes:
        known = self._fields.get(field)
        if known is not None:
            return known
        name, value = field
        if name in HOP_BY_HOP:
            return b""
        encoded = encoded_field(name, value)
        if len(encoded) <= _KEPT_FIELD_BYTES:
            if len(self._fields) >= _KEPT_FIELDS:
                self._fields.clear()
            self._fields[field] = encoded
        return encoded


class FloodBudget:
    """What a connection may cost beside its requests.

    A leaky bucket: frames that make work and bring nothing fill it, time empties it. A client that
    opens and resets streams (CVE-2023-44487), or sends pings, settings or empty data without end,
    fills it; one that behaves never does.

    Args:
        now_s: the loop's time.
    """

    __slots__ = ("_level", "_seen_s")

    MOST = 1000.0
    LEAK_PER_S = 20.0

    def __init__(self, now_s: float) -> None:
        self._level = 0.0
        self._seen_s = now_s

    def spend(self, cost: float, now_s: float) -> bool:
        """Adds a cost; gives whether that was too much."""
        leaked = (now_s - self._seen_s) * self.LEAK_PER_S
        self._seen_s = now_s
        self._level = max(0.0, self._level - leaked) + cost
        return self._level > self.MOST
