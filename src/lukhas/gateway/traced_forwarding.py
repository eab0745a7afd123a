"""Forwarding that tells upstreams which trace a request belongs to."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from lukhas.clock import Clock
from lukhas.config.targets import TargetAddress
from lukhas.errors import UpstreamError
from lukhas.gateway.body_stream import StreamedBody
from lukhas.gateway.forwarding import Forwarding
from lukhas.gateway.upstream_lane import UpstreamLane
from lukhas.gateway.upstream_pool import UpstreamPool
from lukhas.http.messages import Response
from lukhas.http.trace_context import TRACEPARENT, TRACESTATE
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.request_trace import UpstreamCall
from lukhas.pipeline.tracing import new_span_id, trace_of

__all__ = ("CallTracing", "TracedForwarding")

_MOST_CALLS = 16


@dataclass(frozen=True, slots=True)
class CallTracing:
    """What tracing calls to upstreams needs.

    Attributes:
        clock: what calls are timed by.
        draw: gives a random number of so many bits.
    """

    clock: Clock
    draw: Callable[[int], int]


class TracedForwarding(Forwarding):
    """Forwards exchanges to one server, each try as a span of its own.

    What the client said of a trace is dropped, believed or not. An exchange that is in no trace
    (see `TracingIntake`; requests of the background are in none) goes out without.

    Args:
        pool: see `Forwarding`.
        tracing: what is needed for it.
        upstream: the name of the upstream.
        address: the server.
        prefix: see `Forwarding`.
        host: see `Forwarding`.
        body_bytes: see `Forwarding`.
        on_error: see `Forwarding`.
        lane: see `Forwarding`.
    """

    _dropped = Forwarding._dropped | {TRACEPARENT, TRACESTATE}

    def __init__(
        self,
        pool: UpstreamPool,
        tracing: CallTracing,
        *,
        upstream: str,
        address: TargetAddress,
        prefix: bytes = b"",
        host: bytes | None = None,
        body_bytes: int = 0,
        on_error: Callable[[UpstreamError], None] | None = None,
        lane: UpstreamLane | None = None,
    ) -> None:
        super().__init__(
            pool, prefix=prefix, host=host, body_bytes=body_bytes, on_error=on_error, lane=lane
        )
        self._now_ns = tracing.clock.now_ns
        self._draw = tracing.draw
        self._upstream = upstream
        self._server = (address.socket_path or address.host, address.port)

    def __call__(self, exchange: Exchange) -> Coroutine[Any, Any, Response]:
        """See `Forwarding`."""
        trace = trace_of(exchange)
        if trace is None:
            return super().__call__(exchange)
        # The head is written before anything is waited for, so no other try comes in between.
        trace.next_parent_id = span_id = new_span_id(self._draw)
        if trace.calls is None or len(trace.calls) >= _MOST_CALLS:
            return super().__call__(exchange)
        host, port = self._server
        call = UpstreamCall(span_id, self._upstream, self._now_ns(), host, port, failure="aborted")
        trace.calls.append(call)
        return self._recorded(super().__call__(exchange), call)

    async def _recorded(
        self, forwarded: Coroutine[Any, Any, Response], call: UpstreamCall
    ) -> Response:
        try:
            response = await forwarded
        except UpstreamError as error:
            call.failure = error.kind
            raise
        finally:
            call.ended_ns = self._now_ns()
        call.status, call.failure = response.status, ""
        return response

    def _head(self, exchange: Exchange, payload: bytes | StreamedBody | None) -> bytes:
        head = super()._head(exchange, payload)
        trace = trace_of(exchange)
        return head if trace is None else b"%b%b\r\n" % (head[:-2], trace.fields())
