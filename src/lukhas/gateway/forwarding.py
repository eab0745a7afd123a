"""The gateway's handler: sends a request on to its upstream and brings the response back."""

from collections.abc import Callable, Coroutine
from typing import Any, cast

from lukhas.errors import UpstreamBusyError, UpstreamError, UpstreamProtocolError
from lukhas.gateway.body_stream import RequestBody, StreamedBody
from lukhas.gateway.direct_call import DirectCall, ServerTally
from lukhas.gateway.upstream_connection import UpstreamConnection
from lukhas.gateway.upstream_lane import UpstreamLane
from lukhas.gateway.upstream_pool import UpstreamPool
from lukhas.http.headers import HOP_BY_HOP, connection_options
from lukhas.http.messages import RequestHead, Response
from lukhas.http.rerouting import ADDRESS_FIELDS, REROUTING_FIELDS
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.refusals import refusal

__all__ = ("Forwarding",)

_IDEMPOTENT = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"))
# What may not be sent twice goes only over a connection that is very likely still open.
_FRESH_S = 0.5

# Fields that name another host, address, scheme, path or method than the request has. They are
# in no cache key, so an origin that believed them could be made to poison the cache.
_UNKEYED = REROUTING_FIELDS | ADDRESS_FIELDS
_DROPPED = (
    HOP_BY_HOP
    | _UNKEYED
    | {b"host", b"content-length", b"expect", b"x-request-id", b"trailer", b"http2-settings"}
)


class Forwarding:
    """Forwards exchanges to one server.

    Every request is written anew: nothing of the client's framing is passed on, only what was
    understood. What the client said about proxies before us is dropped unless it is one we trust.

    Args:
        pool: the connections.
        prefix: put before each path.
        host: the Host that the server is asked with; that of the client if None.
        body_bytes: size of a request body where the route sets none; 0 for no limit.
        on_error: told of each failure of the upstream.
        lane: tells whose requests go first in the wait for a connection; None for nobody's.

    Attributes:
        tally: what came of them.
    """

    _dropped = _DROPPED

    def __init__(
        self,
        pool: UpstreamPool,
        *,
        prefix: bytes = b"",
        host: bytes | None = None,
        body_bytes: int = 0,
        on_error: Callable[[UpstreamError], None] | None = None,
        lane: UpstreamLane | None = None,
    ) -> None:
        self._pool = pool
        self._take_idle = pool.take_idle
        self._prefix = prefix
        self._host = host
        # What heads for this server have in common that others have not.
        self._origin = prefix if host is None else b"%b %b" % (host, prefix)
        self._body_bytes = body_bytes
        self._on_error = on_error
        self._lane = lane
        self.tally = ServerTally()

    def __call__(self, exchange: Exchange) -> Coroutine[Any, Any, Response]:
        """See `Handler`.

        Where nothing has to be waited for, the request is sent at once: what is given then is a
        `DirectCall`.

        Raises:
            UpstreamError: the upstream could not answer.
            BodyAbortedError: the client's body did not arrive.
        """
        # The front server and the stages make no other kind of body.
        body: Any = exchange.body
        if body is not None and isinstance(body, RequestBody):
            limit = self._limit_of(exchange)
            if limit < max(body.length or 0, body.received):
                return _too_large(exchange, limit)
            if body.complete:
                # Taken once; whoever sends the exchange again finds it there.
                whole: Any = body.take_all()
                exchange.body = body = whole
        head = self._head(exchange, body)
        if body is None and exchange.head.method in _IDEMPOTENT:
            connection = self._take_idle()
        else:
            connection = self._at_hand(exchange)
        if connection is None:
            return self._carried(exchange, head)
        return connection.begin(exchange, head, body, self)

    def _at_hand(self, exchange: Exchange) -> UpstreamConnection | None:
        if _is_repeatable(exchange):
            return self._take_idle()
        return self._pool.take_fresh(at_most_s=_FRESH_S)

    async def _carried(self, exchange: Exchange, head: bytes) -> Response:
        """Sends a request over the first connection that there is."""
        try:
            connection = self._at_hand(exchange) or await self._opened(exchange)
        except UpstreamError as error:
            self._failed(error)
            raise
        return await connection.begin(exchange, head, cast("Any", exchange.body), self)

    async def settled(self, call: DirectCall) -> Response:
        """What comes of a call; the request is sent again where that is safe.

        Raises:
            UpstreamError: the upstream could not answer.
            BodyAbortedError: the client's body did not arrive.
        """
        exchange = call.exchange
        try:
            response = None
            try:
                response = await call.outcome()
            except UpstreamProtocolError:
                # The upstream closed an idle connection just as we used it (RFC 9110 9.2.2).
                if not (_is_repeatable(exchange) and call.connection.was_stale()):
                    raise
            if response is None:
                connection = await self._opened(exchange)
                again = connection.begin(exchange, call.head, cast("Any", exchange.body), self)
                response = await again.outcome()
        except UpstreamError as error:
            self._failed(error)
            raise
        return response

    def _failed(self, error: UpstreamError) -> None:
        # That all our own connections are in use says nothing about the server.
        if not isinstance(error, UpstreamBusyError):
            self.tally.failures += 1
        if self._on_error is not None:
            self._on_error(error)

    def _opened(self, exchange: Exchange) -> Coroutine[Any, Any, UpstreamConnection]:
        is_prior = self._lane is not None and self._lane.holds(exchange)
        return self._pool.open(is_prior=is_prior)

    def head_of(self, exchange: Exchange) -> bytes:
        """The head of a request without a body as the upstream gets it."""
        return self._head(exchange, None)

    def _limit_of(self, exchange: Exchange) -> float:
        own = exchange.route.rule.body_bytes if exchange.route is not None else None
        return (self._body_bytes if own is None else own) or float("inf")

    def _head(self, exchange: Exchange, payload: bytes | StreamedBody | None) -> bytes:
        request = exchange.head
        peer = exchange.peer
        # The same request comes again and again, and heads are kept (see `KnownHeads`); mostly
        # from the same few peers.
        kept = request.forwarded
        if kept is None or kept[0] != self._origin or kept[1] != peer:
            kept = request.forwarded = self._kept(request, peer, kept)
        if exchange.client == peer:
            start = kept[3]
        else:
            start = _started(kept[2], self._forwarded_for(exchange))
        if payload is None:
            return start + exchange.request_id + b"\r\n\r\n"
        length = len(payload) if isinstance(payload, bytes) else payload.length
        framing = (
            b"transfer-encoding: chunked" if length is None else b"content-length: %d" % length
        )
        return b"%b%b\r\n%b\r\n\r\n" % (start, exchange.request_id, framing)

    def _kept(
        self, request: RequestHead, peer: str, before: tuple[bytes, str, bytes, bytes] | None
    ) -> tuple[bytes, str, bytes, bytes]:
        """For `RequestHead.forwarded`; `before` is what it was."""
        origin = self._origin
        own = self._own(request) if before is None or before[0] != origin else before[2]
        return (origin, peer, own, _started(own, peer.encode("ascii", "replace")))

    def _own(self, request: RequestHead) -> bytes:
        """The request line and the fields that depend on the request head alone."""
        headers = request.headers
        dropped = self._dropped
        if b"connection" in headers.index():
            dropped = dropped | connection_options(headers)
        target = self._prefix + request.path if request.path != b"*" else b"*"
        if request.query:
            target += b"?" + request.query
        method = request.method.encode("ascii")
        host = request.authority if self._host is None else self._host
        lines = [b"%b %b HTTP/1.1\r\nhost: %b\r\n" % (method, target, host)]
        for name, value in headers.raw:
            if name not in dropped:
                lines += (name, b": ", value, b"\r\n")
        lines.append(
            b"x-forwarded-host: %b\r\nx-forwarded-proto: %b\r\nvia: 1.1 lukhas\r\n"
            % (request.authority, request.scheme.encode("ascii"))
        )
        return b"".join(lines)

    def _forwarded_for(self, exchange: Exchange) -> bytes:
        peer = exchange.peer.encode("ascii", "replace")
        # The client differs from the peer only where the peer is trusted to have said so.
        said = exchange.head.headers.joined(b"x-forwarded-for")
        return b"%b, %b" % (said, peer) if said else peer


async def _too_large(exchange: Exchange, limit: float) -> Response:
    return refusal(
        exchange,
        status=413,
        slug="body-too-large",
        title="The request body is too large",
        detail=f"A request body here has at most {limit:.0f} bytes.",
    )


def _is_repeatable(exchange: Exchange) -> bool:
    """Whether a request may be sent again though it may have arrived."""
    body: Any = exchange.body
    return exchange.head.method in _IDEMPOTENT and (body is None or isinstance(body, bytes))


def _started(own: bytes, forwarded_for: bytes) -> bytes:
    """A head as far as it is the same for all requests with this head from this client."""
    return b"%bx-forwarded-for: %b\r\nx-request-id: " % (own, forwarded_for)
