"""The trace that one request belongs to, and where its time went."""

from dataclasses import dataclass
from typing import NamedTuple

from lukhas.http.trace_context import TraceContext, traceparent_of

__all__ = ("RequestTrace", "StageStay", "UpstreamCall")


class StageStay(NamedTuple):
    """A stage at work on a request.

    Attributes:
        stage: its name.
        took_ns: how long, without what lies inside it.
        began_ns: when it began (Unix time)...
        ended_ns: ...and when it ended, what lies inside it included.
    """

    stage: str
    took_ns: int
    began_ns: int
    ended_ns: int


@dataclass(slots=True)
class UpstreamCall:
    """One try at an upstream.

    Attributes:
        span_id: what the upstream sees as its parent.
        upstream: the name of the upstream.
        began_ns: when it began (Unix time).
        host: the server, as it is dialled.
        port: its port; 0 where it has none.
        ended_ns: when the head of the response was there, or the try had failed; 0 before that.
        status: of the response; 0 where there was none.
        failure: of which kind; empty if there was none.
    """

    span_id: bytes
    upstream: str
    began_ns: int
    host: str
    port: int
    ended_ns: int = 0
    status: int = 0
    failure: str = ""


class RequestTrace:
    """The trace of one request, and what becomes of it here.

    Args:
        context: who asks, in which trace.
        span_id: what stands for this request.
        recorded: whether it is recorded here; None if its trace decides.

    Attributes:
        trace_id: 32 hexadecimal digits.
        parent_id: the span of who asks; empty if the trace begins here.
        span_id: what stands for this request.
        flags: as passed on; see `lukhas.http.trace_context`.
        state: what `tracestate` is passed on as.
        next_parent_id: what an upstream that is asked now sees as its parent.
        calls: the tries at upstreams, where they are recorded; else None.
    """

    __slots__ = ("calls", "flags", "next_parent_id", "parent_id", "span_id", "state", "trace_id")

    def __init__(
        self, context: TraceContext, span_id: bytes, *, recorded: bool | None = None
    ) -> None:
        self.trace_id = context.trace_id
        self.parent_id = context.parent_id
        self.flags = context.flags
        self.state = context.state
        self.span_id = self.next_parent_id = span_id
        if recorded is None:
            recorded = context.is_sampled
        self.calls: list[UpstreamCall] | None = [] if recorded else None

    @property
    def is_sampled(self) -> bool:
        """Whether it is recorded."""
        return self.calls is not None

    def fields(self) -> bytes:
        """The fields that tell an upstream of it, as lines of a request head."""
        parent = traceparent_of(self.trace_id, self.next_parent_id, self.flags)
        if self.state:
            return b"traceparent: %b\r\ntracestate: %b\r\n" % (parent, self.state)
        return b"traceparent: %b\r\n" % parent
