"""What is kept of the origin's answers."""

import pytest

from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stages.cache_keeping import guard_unit
from lukhas.pipeline.stages.cache_question import Fetch
from lukhas.policy.caching.cache_status import Forward
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.caching.requests import cache_request
from lukhas.policy.routing.routes import RouteMatch, RouteRule


async def nobody(_exchange: Exchange) -> Response:
    raise AssertionError("nobody is asked")


@pytest.mark.parametrize(
    ("rule", "unit"),
    [
        (RouteRule("items", "/items/{id}", CachePolicy()), ("items", b"")),
        (RouteRule("rest", "*", CachePolicy()), ("rest", b"/items/7")),
        (None, ("", b"/items/7")),
    ],
)
def test_what_a_leak_puts_into_quarantine(rule: RouteRule | None, unit: tuple[str, bytes]) -> None:
    """A route whose template tells its paths apart; else, and without a route, the path alone."""
    head = RequestHead("GET", "http", b"a.example", b"/items/7", b"", Headers([]))
    exchange = Exchange(head, "192.0.2.1", 0, b"id")
    if rule is not None:
        exchange.route = RouteMatch(rule, ())
    policy = CachePolicy()
    request = cache_request(head, None, policy)
    fetch = Fetch(exchange, nobody, policy, request, Forward.URI_MISS, ticket=0, requested_ns=0)
    assert guard_unit(fetch) == unit
