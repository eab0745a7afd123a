"""The spans of a request."""

from itertools import count

import pytest

from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead
from lukhas.http.trace_context import TraceContext
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.request_spans import span_report
from lukhas.pipeline.request_trace import RequestTrace, StageStay, UpstreamCall
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.routing.routes import RouteMatch, RouteRule
from lukhas.telemetry.spans import Span
from tests.unit.pipeline.stages.test_observe import decision

TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"


def exchange(
    method: str = "GET", *, flags: int = 1, query: bytes = b"", host: bytes = b"api.test"
) -> Exchange:
    head = RequestHead(method, "https", host, b"/items/7", query, Headers([]))
    made = Exchange(head, "192.0.2.1", 1000, b"id-1")
    made.trace = RequestTrace(TraceContext(TRACE, b"00f067aa0ba902b7", flags, b"a=1"), b"5" * 16)
    return made


def spans_of(one: Exchange, status: int = 200, took_ns: int = 50) -> list[Span]:
    """The spans of a request; what is drawn is 1, 2, 3 ..."""
    numbers = count(1)
    found: list[Span] = []
    report = span_report(
        found.extend, parameters=frozenset(("page",)), draw=lambda _bits: next(numbers)
    )
    report(one, status, 7, took_ns)
    return found


def test_a_request_has_a_server_span() -> None:
    """From its arrival to its end, below the span of who asks."""
    one = exchange(query=b"page=2&name=ann&token=s3cret")
    one.route = RouteMatch(RouteRule("items", "/items/{id}", CachePolicy()))
    one.consumer = Consumer("key:a", Tier.BASIC)
    one.cache_result = "miss"
    (span,) = spans_of(one)
    assert (span.trace_id, span.span_id, span.parent_id) == (TRACE, b"5" * 16, b"00f067aa0ba902b7")
    assert span.is_parent_remote
    assert (span.state, span.trace_flags) == (b"a=1", 1)
    assert (span.name, span.kind) == ("GET /items/{id}", "server")
    assert (span.began_ns, span.ended_ns, span.failed) == (1000, 1050, False)
    assert dict(span.attributes) == {
        "http.request.method": "GET",
        "url.scheme": "https",
        "url.path": "/items/7",
        "url.query": "page=2&name=***&token=***",
        "http.route": "/items/{id}",
        "http.response.status_code": 200,
        "http.response.body.size": 7,
        "server.address": "api.test",
        "client.address": "192.0.2.1",
        "network.protocol.version": "1.1",
        "lukhas.request_id": "id-1",
        "lukhas.upstream": "default",
        "lukhas.cache": "miss",
        "lukhas.tier": "basic",
    }


def test_a_server_error_is_a_failure_of_the_request() -> None:
    """A mistake of the client is not (semantic conventions for HTTP)."""
    (failed,) = spans_of(exchange(), 503)
    assert failed.failed
    assert dict(failed.attributes)["error.type"] == "503"
    (refused,) = spans_of(exchange(), 404)
    assert not refused.failed


def test_a_refusal_names_its_policy() -> None:
    """What limited it is the first question."""
    one = exchange()
    one.limit = decision(refuses="tier-free")
    (span,) = spans_of(one, 429)
    assert dict(span.attributes)["lukhas.limited_by"] == "tier-free"
    one.limit = decision(shadow="x")
    (span,) = spans_of(one)
    assert "lukhas.limited_by" not in dict(span.attributes)


def test_names_are_few() -> None:
    """Clients choose method and path; neither gets into a name."""
    one = exchange("BREW")
    one.route = RouteMatch(RouteRule("default", "*", CachePolicy()))
    (span,) = spans_of(one)
    found = dict(span.attributes)
    assert span.name == "HTTP"
    assert found["http.request.method"] == "_OTHER"
    assert found["http.request.method_original"] == "BREW"
    assert "http.route" not in found


@pytest.mark.parametrize(
    ("host", "address", "port"),
    [(b"api.test:8443", "api.test", 8443), (b"[::1]:80", "[::1]", 80), (b"[::1]", "[::1]", None)],
)
def test_host_and_port_are_told_apart(host: bytes, address: str, port: int | None) -> None:
    """As attributes of their own."""
    (span,) = spans_of(exchange(host=host))
    found = dict(span.attributes)
    assert (found["server.address"], found.get("server.port")) == (address, port)


def test_the_version_of_http_is_told() -> None:
    """In the form of the semantic conventions."""
    for protocol, shown in (("HTTP/1.0", "1.0"), ("HTTP/2.0", "2")):
        one = exchange()
        one.protocol = protocol
        (span,) = spans_of(one)
        assert dict(span.attributes)["network.protocol.version"] == shown


def test_what_is_not_recorded_has_no_spans() -> None:
    """Neither what is in no trace."""
    assert spans_of(exchange(flags=0)) == []
    head = RequestHead("GET", "http", b"a", b"/", b"", Headers([]))
    assert spans_of(Exchange(head, "", 1, b"i")) == []


def test_stages_and_calls_lie_in_each_other_as_their_times_do() -> None:
    """A gate beside the next one, a call in the handler, the handler in the cache."""
    one = exchange()
    one.times = [
        StageStay("route", 2, 1000, 1002),
        StageStay("limit", 3, 1002, 1005),
        StageStay("handler", 10, 1010, 1040),
        StageStay("cache", 8, 1005, 1045),
    ]
    assert one.trace.calls is not None
    one.trace.calls += [
        UpstreamCall(b"a" * 16, "shop", 1010, "127.0.0.1", 9000, 1020, 503),
        UpstreamCall(b"b" * 16, "shop", 1021, "/run/api.sock", 0, 1040, 0, "timeout"),
        UpstreamCall(b"c" * 16, "shop", 1041, "127.0.0.1", 9000),
    ]
    server, *spans = spans_of(one)
    by_name = {span.name: span for span in spans if span.kind == "internal"}
    calls = [span for span in spans if span.kind == "client"]
    assert by_name["route"].parent_id == by_name["limit"].parent_id == server.span_id
    assert by_name["cache"].parent_id == server.span_id
    assert by_name["handler"].parent_id == by_name["cache"].span_id
    assert [call.parent_id for call in calls] == [by_name["handler"].span_id] * 2
    assert dict(by_name["cache"].attributes) == {"lukhas.stage.own_ns": 8}
    assert (by_name["cache"].began_ns, by_name["cache"].ended_ns) == (1005, 1045)
    assert not any(span.is_parent_remote for span in spans)
    first, second = calls
    assert (first.span_id, first.name, first.failed) == (b"a" * 16, "GET", True)
    assert dict(first.attributes) == {
        "http.request.method": "GET",
        "server.address": "127.0.0.1",
        "lukhas.upstream": "shop",
        "server.port": 9000,
        "http.response.status_code": 503,
        "error.type": "503",
    }
    assert dict(second.attributes) == {
        "http.request.method": "GET",
        "server.address": "/run/api.sock",
        "lukhas.upstream": "shop",
        "http.request.resend_count": 1,
        "error.type": "timeout",
    }


def test_a_call_that_went_well_has_no_error() -> None:
    """Where stages were not timed, it lies in the request."""
    one = exchange("BREW")
    assert one.trace.calls is not None
    one.trace.calls.append(UpstreamCall(b"a" * 16, "shop", 1010, "h", 80, 1020, 200))
    server, call = spans_of(one)
    assert (call.parent_id, call.failed, call.name) == (server.span_id, False, "HTTP")
    assert "error.type" not in dict(call.attributes)
