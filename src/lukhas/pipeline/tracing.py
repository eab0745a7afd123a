"""Finds out, when a request arrives, which trace it belongs to."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from lukhas.clock import Clock
from lukhas.http.client_address import TrustedProxies
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead
from lukhas.http.trace_context import (
    RANDOM,
    SAMPLED,
    TRACEPARENT,
    TRACESTATE,
    TraceContext,
    is_drawn,
    parse_trace_context,
    threshold_of,
)
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.intake import Intake
from lukhas.pipeline.request_trace import RequestTrace
from lukhas.policy.access.consumers import Consumer
from lukhas.units import SECOND_NS

__all__ = ("TracingIntake", "TracingRules", "named", "new_span_id", "trace_of")


def trace_of(exchange: Exchange) -> RequestTrace | None:
    """The trace of an exchange, if it is in one."""
    return getattr(exchange, "trace", None)


def named(exchange: Exchange | None) -> dict[str, str]:
    """What tells in a log which request an event is about: for `extra` of a logger."""
    if exchange is None:
        return {}
    names = {"request_id": exchange.request_id.decode("latin-1")}
    trace = trace_of(exchange)
    if trace is not None:
        names["trace_id"] = trace.trace_id.decode("ascii")
    return names


@dataclass(frozen=True, slots=True)
class TracingRules:
    """Which traces are taken up, and which begin here.

    Attributes:
        begins: whether a trace is begun for requests that bring none that is believed.
        trusted: whose trace is believed: that of peers in these networks; None for everybody's.
        ratio: of the traces that begin here, the share that is recorded.
        most_per_second: how many requests are recorded in a second: clients choose how many of
            theirs, and each costs more than others.
    """

    begins: bool = False
    trusted: TrustedProxies | None = None
    ratio: float = 0.0
    most_per_second: int = 100
    threshold: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "threshold", threshold_of(self.ratio))


class TracingIntake(Intake):
    """Makes exchanges that know the trace they belong to.

    Args:
        clock: see `Intake`.
        prefix: see `Intake`.
        rules: which traces.
        draw: gives a random number of so many bits.

    Attributes:
        skipped: requests of recorded traces that are not recorded here: there were too many.
    """

    def __init__(
        self, clock: Clock, prefix: str, rules: TracingRules, draw: Callable[[int], int]
    ) -> None:
        super().__init__(clock, prefix)
        self._rules = rules
        self._draw = draw
        self._second = -1
        self._left = 0
        self.skipped = 0

    def exchange(
        self,
        head: RequestHead,
        peer: str,
        *,
        body: AsyncIterator[bytes] | None = None,
        asserted: Consumer | None = None,
    ) -> Exchange:
        """See `Intake.exchange`."""
        exchange = super().exchange(head, peer, body=body, asserted=asserted)
        context = self._incoming(head.headers, peer)
        if context is None and self._rules.begins:
            context = self._begun()
        if context is not None:
            recorded = context.is_sampled and self._has_room(exchange.now_ns)
            exchange.trace = RequestTrace(context, new_span_id(self._draw), recorded=recorded)
        return exchange

    def _incoming(self, headers: Headers, peer: str) -> TraceContext | None:
        if TRACEPARENT not in headers.index():
            return None
        trusted = self._rules.trusted
        if trusted is not None and not trusted.holds(peer):
            return None
        return parse_trace_context(headers.get_all(TRACEPARENT), headers.get_all(TRACESTATE))

    def _has_room(self, now_ns: int) -> bool:
        second = now_ns // SECOND_NS
        if second != self._second:
            self._second, self._left = second, self._rules.most_per_second
        if self._left:
            self._left -= 1
            return True
        self.skipped += 1
        return False

    def _begun(self) -> TraceContext:
        # 0 stands for no trace; what is drawn once in 2 to the 128 is no reason to draw again.
        trace_id = b"%032x" % (self._draw(128) or 1)
        flags = RANDOM | (SAMPLED if is_drawn(trace_id, self._rules.threshold) else 0)
        return TraceContext(trace_id, b"", flags)


def new_span_id(draw: Callable[[int], int]) -> bytes:
    """A span id: 16 hexadecimal digits, not all 0."""
    return b"%016x" % (draw(64) or 1)
