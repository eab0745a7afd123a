"""Spans: what one service did for a trace, from when to when."""

from typing import Literal, NamedTuple

__all__ = ("Attribute", "Span", "SpanKind")

SpanKind = Literal["server", "client", "internal"]
Attribute = tuple[str, str | int | float | bool]


class Span(NamedTuple):
    """One span.

    Attributes:
        trace_id: 32 hexadecimal digits.
        span_id: 16 of them.
        parent_id: the span around it; empty for the first of a trace.
        is_parent_remote: whether that one is of another service.
        state: what `tracestate` said.
        trace_flags: those of the trace.
        name: of few different ones.
        kind: a request of a client, a call to an upstream, or something in between.
        began_ns: Unix time.
        ended_ns: Unix time.
        attributes: by the semantic conventions for HTTP.
        failed: whether it ended in an error.
    """

    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    is_parent_remote: bool
    state: bytes
    trace_flags: int
    name: str
    kind: SpanKind
    began_ns: int
    ended_ns: int
    attributes: tuple[Attribute, ...]
    failed: bool
