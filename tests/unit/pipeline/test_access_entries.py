"""What the access log is told of a request."""

from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead
from lukhas.http.trace_context import TraceContext
from lukhas.pipeline.access_entries import access_report
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.request_trace import RequestTrace
from lukhas.policy.access.consumers import Consumer, anonymous
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.routing.routes import RouteMatch, RouteRule
from lukhas.telemetry.access_lines import AccessEntry


def told(exchange: Exchange) -> AccessEntry:
    entries: list[AccessEntry] = []
    access_report(entries.append, ("referer", "x-shop"))(exchange, 200, 7, 55)
    (entry,) = entries
    return entry


def exchange() -> Exchange:
    fields = Headers([(b"x-shop", b"one"), (b"x-shop", b"two")])
    head = RequestHead("GET", "http", b"api.test", b"/items/7", b"a=1", fields)
    return Exchange(head, "192.0.2.1", 1000, b"id-1")


def test_all_that_is_known_is_told() -> None:
    """Route, consumer, trace; of a field the first line."""
    one = exchange()
    one.client = "198.51.100.7"
    one.consumer = Consumer("key:a", Tier.BASIC)
    one.route = RouteMatch(RouteRule("items", "/items/{id}", CachePolicy()))
    one.cache_result = "hit"
    one.trace = RequestTrace(TraceContext(b"4" * 32, b"", 0), b"5" * 16)
    one.protocol = "HTTP/2.0"
    assert told(one) == AccessEntry(
        1000, "198.51.100.7", "key:a", "basic", "GET", b"api.test", b"/items/7", b"a=1",
        "HTTP/2.0", 200, 7, 55, "/items/{id}", "hit", "default", b"id-1", b"4" * 32,
        (None, b"one"),
    )  # fmt: skip


def test_what_is_not_known_is_empty() -> None:
    """An anonymous consumer is its address, which is told already."""
    one = exchange()
    entry = told(one)
    assert (entry.consumer, entry.tier, entry.route, entry.trace_id) == ("", "", "", b"")
    assert entry.protocol == "HTTP/1.1"
    one.consumer = anonymous("192.0.2.1")
    entry = told(one)
    assert (entry.consumer, entry.tier) == ("", "free")
