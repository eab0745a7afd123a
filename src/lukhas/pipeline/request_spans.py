"""Makes the spans of a request from what was noted on its exchange."""

from collections.abc import Callable, Iterator, Sequence, Set
from typing import Final

from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.request_trace import RequestTrace, StageStay, UpstreamCall
from lukhas.pipeline.stages.observe import Report
from lukhas.pipeline.tracing import new_span_id, trace_of
from lukhas.policy.explain.redaction import shown_query
from lukhas.telemetry.redaction import without_secrets
from lukhas.telemetry.spans import Attribute, Span

__all__ = ("span_report", "spans_of")

_METHODS: Final = frozenset(
    ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
)
_ANY_PATH: Final = "*"
_MOST_TEXT: Final = 1024


def span_report(
    take: Callable[[Sequence[Span]], None],
    *,
    parameters: Set[str],
    draw: Callable[[int], int],
) -> Report:
    """What is told of requests, and hands the spans of those on whose trace is recorded.

    Args:
        take: takes the spans; it must not block.
        parameters: query parameters whose values are shown; of others there is only the name.
        draw: gives a random number of so many bits.
    """

    def report(exchange: Exchange, status: int, body_bytes: int, took_ns: int) -> None:
        trace = trace_of(exchange)
        if trace is None or trace.calls is None:
            return
        ended_ns = exchange.now_ns + took_ns
        attributes = _server_attributes(exchange, status, body_bytes, parameters)
        server = Span(
            trace.trace_id,
            trace.span_id,
            trace.parent_id,
            bool(trace.parent_id),
            trace.state,
            trace.flags,
            _name(exchange),
            "server",
            exchange.now_ns,
            ended_ns,
            tuple(attributes),
            status >= 500,
        )
        take([server, *spans_of(exchange, trace, draw)])

    return report


def spans_of(exchange: Exchange, trace: RequestTrace, draw: Callable[[int], int]) -> Iterator[Span]:
    """The spans below that of the request: of its stages, where they were timed, and its calls.

    Which one lies in which is told by their times.
    """
    stays: list[StageStay] = getattr(exchange, "times", [])
    calls = [call for call in trace.calls or () if call.ended_ns]
    found: list[tuple[int, int, StageStay | UpstreamCall]] = [
        *((stay.began_ns, -stay.ended_ns, stay) for stay in stays),
        *((call.began_ns, -call.ended_ns, call) for call in calls),
    ]
    # Of two that began at the same time, the stage is around the call, and the longer outside.
    found.sort(key=lambda one: (one[0], one[1], isinstance(one[2], UpstreamCall)))
    around: list[tuple[int, bytes]] = []
    for began_ns, ended, one in found:
        while around and around[-1][0] < -ended:
            around.pop()
        parent_id = around[-1][1] if around else trace.span_id
        if isinstance(one, UpstreamCall):
            yield _call(exchange, trace, one, parent_id, calls.index(one))
            continue
        span_id = new_span_id(draw)
        around.append((-ended, span_id))
        yield Span(
            trace.trace_id,
            span_id,
            parent_id,
            False,
            trace.state,
            trace.flags,
            one.stage,
            "internal",
            began_ns,
            one.ended_ns,
            (("lukhas.stage.own_ns", one.took_ns),),
            False,
        )


def _call(
    exchange: Exchange, trace: RequestTrace, call: UpstreamCall, parent_id: bytes, index: int
) -> Span:
    method = _method(exchange)
    attributes: list[Attribute] = [
        ("http.request.method", method),
        ("server.address", call.host),
        ("lukhas.upstream", call.upstream),
    ]
    if call.port:
        attributes.append(("server.port", call.port))
    if index:
        attributes.append(("http.request.resend_count", index))
    if call.status:
        attributes.append(("http.response.status_code", call.status))
    failed = bool(call.failure) or call.status >= 400
    if failed:
        attributes.append(("error.type", call.failure or str(call.status)))
    return Span(
        trace.trace_id,
        call.span_id,
        parent_id,
        False,
        trace.state,
        trace.flags,
        method if method in _METHODS else "HTTP",
        "client",
        call.began_ns,
        call.ended_ns,
        tuple(attributes),
        failed,
    )


def _server_attributes(
    exchange: Exchange, status: int, body_bytes: int, parameters: Set[str]
) -> Iterator[Attribute]:
    head = exchange.head
    method = _method(exchange)
    yield "http.request.method", method
    if method not in _METHODS:
        yield "http.request.method_original", head.method[:32]
    yield "url.scheme", head.scheme
    yield "url.path", without_secrets(head.path.decode("latin-1"))[:_MOST_TEXT]
    if head.query:
        query = without_secrets(shown_query(head.query.decode("latin-1"), parameters))
        yield "url.query", query[:_MOST_TEXT]
    template = _template(exchange)
    if template:
        yield "http.route", template
    yield "http.response.status_code", status
    yield "http.response.body.size", body_bytes
    host, _, port = head.authority.decode("latin-1").rpartition(":")
    if host and port.isdigit():
        yield "server.address", host
        yield "server.port", int(port)
    else:
        yield "server.address", head.authority.decode("latin-1")
    yield "client.address", exchange.client
    protocol = getattr(exchange, "protocol", "HTTP/1.1").removeprefix("HTTP/")
    yield "network.protocol.version", "2" if protocol == "2.0" else protocol
    if status >= 500:
        yield "error.type", str(status)
    yield from _own_attributes(exchange)


def _own_attributes(exchange: Exchange) -> Iterator[Attribute]:
    yield "lukhas.request_id", exchange.request_id.decode("latin-1")
    yield "lukhas.upstream", exchange.upstream_name
    if exchange.cache_result:
        yield "lukhas.cache", exchange.cache_result
    if exchange.consumer is not None:
        yield "lukhas.tier", exchange.consumer.tier.value
    limit = exchange.limit
    if limit is not None and not limit.allowed:
        yield "lukhas.limited_by", limit.policy


def _method(exchange: Exchange) -> str:
    method = exchange.head.method
    return method if method in _METHODS else "_OTHER"


def _template(exchange: Exchange) -> str:
    route = exchange.route
    template = "" if route is None else route.rule.template
    return "" if template == _ANY_PATH else template


def _name(exchange: Exchange) -> str:
    """Of few different ones: the method, and the route if there is one."""
    method = _method(exchange)
    return f"{method if method in _METHODS else 'HTTP'} {_template(exchange)}".rstrip()
