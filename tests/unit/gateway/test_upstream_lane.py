"""Whose requests are in the lane of an upstream."""

import pytest

from lukhas.config.upstreams import UpstreamSettings
from lukhas.gateway.upstream_lane import lane_of
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead
from lukhas.pipeline.exchange import Exchange
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.routing.routes import RouteMatch, RouteRule


def test_there_is_none_unless_it_is_set() -> None:
    """Then nothing is asked of any request."""
    assert lane_of(UpstreamSettings()) is None


@pytest.mark.parametrize(
    ("tier", "route", "is_in"),
    [
        (None, None, False),
        (Tier.FREE, "items", False),
        (Tier.PREMIUM, None, True),
        (None, "checkout", True),
    ],
)
def test_by_tier_or_by_route(tier: Tier | None, route: str | None, *, is_in: bool) -> None:
    """Who is not known, and a request that matches no route, are in it by the other alone."""
    lane = {"tiers": ["premium"], "routes": ["checkout"]}
    found = lane_of(UpstreamSettings.model_validate({"balancing": {"priority_lane": lane}}))
    assert found is not None
    head = RequestHead("GET", "http", b"a.example", b"/", b"", Headers([]))
    exchange = Exchange(head, "192.0.2.1", 0, b"id")
    if tier is not None:
        exchange.consumer = Consumer("key:1", tier)
    if route is not None:
        exchange.route = RouteMatch(RouteRule(route, "*", CachePolicy()))
    assert found.holds(exchange) is is_in
