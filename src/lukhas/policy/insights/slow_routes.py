"""Routes that are slow, beside the others or beside what they were before."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lukhas.policy.insights.confidence import above
from lukhas.policy.insights.places import route_setting, route_title
from lukhas.policy.insights.records import Change, Insight, figure

__all__ = ("RouteLatency", "SlowRules", "slow_routes")


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteLatency:
    """How long the API took for the requests of a route; answers of the cache do not count.

    Attributes:
        route: the template.
        name: the name of the route in the settings; empty if it has none.
        requests: how many.
        total_s: their durations together.
        p50_ms: quantile.
        p95_ms: quantile.
        p99_ms: quantile.
        usual_p95_ms: the 95th percentile of all other routes in the window; None if there is none.
        slower_than_usual: how many of its requests took longer than `usual_p95_ms`.
        before_requests: in the window before.
        before_p95_ms: likewise; None if there were no requests.
        slower_than_before: how many of its requests took longer than `before_p95_ms`.
    """

    route: str
    name: str
    requests: int
    total_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    usual_p95_ms: float | None
    slower_than_usual: int
    before_requests: int
    before_p95_ms: float | None
    slower_than_before: int


@dataclass(frozen=True, slots=True)
class SlowRules:
    """From when on something is slow.

    Attributes:
        least_requests: fewer say nothing.
        least_ms: nothing faster is called slow.
        factor: how many times as slow as all others.
        slowed_factor: how many times as slow as before.
        least_confidence: what is less sure is not told.
    """

    least_requests: int = 100
    least_ms: float = 200.0
    factor: float = 3.0
    slowed_factor: float = 1.5
    least_confidence: float = 0.95


def slow_routes(routes: Sequence[RouteLatency], rules: SlowRules) -> list[Insight]:
    """A finding for each route that is slow; that it became slow goes before that it is."""
    found = [_slowed(route, rules) or _slow(route, rules) for route in routes]
    return [each for each in found if each is not None]


def _slowed(route: RouteLatency, rules: SlowRules) -> Insight | None:
    before_ms = route.before_p95_ms
    least = rules.least_requests
    if before_ms is None or route.requests < least or route.before_requests < least:
        return None
    if route.p95_ms < max(rules.least_ms, rules.slowed_factor * before_ms):
        return None
    # One in twenty was slower than that before, by what a 95th percentile is.
    confidence = above(route.slower_than_before, route.requests, 0.05)
    if confidence < rules.least_confidence:
        return None
    return Insight(
        kind="slowed-route",
        about=route.route,
        title=f"{route_title(route.route)} became slower: p95 {before_ms:.0f} ms before, "
        f"{route.p95_ms:.0f} ms now",
        evidence=(
            figure("p95 now", route.p95_ms, "ms"),
            figure("p95 in the window before", before_ms, "ms"),
            figure("requests now", route.requests, "requests"),
            figure("requests before", route.before_requests, "requests"),
            figure(
                "share slower than the p95 before",
                route.slower_than_before / route.requests,
                "ratio",
            ),
        ),
        impact=f"{route.slower_than_before} requests took longer than nineteen of twenty did "
        "before.",
        confidence=confidence,
        proposal="Look at what changed in the API since then: a release, data that grew, a service "
        "behind it. Until then a time limit keeps clients from waiting.",
        weight=float(route.slower_than_before),
        changes=(_time_limit(route),),
        route=route.route,
    )


def _slow(route: RouteLatency, rules: SlowRules) -> Insight | None:
    usual_ms = route.usual_p95_ms
    if usual_ms is None or route.requests < rules.least_requests:
        return None
    if route.p95_ms < max(rules.least_ms, rules.factor * usual_ms):
        return None
    confidence = above(route.slower_than_usual, route.requests, 0.05)
    if confidence < rules.least_confidence:
        return None
    return Insight(
        kind="slow-route",
        about=route.route,
        title=f"{route_title(route.route)} is slow: p95 {route.p95_ms:.0f} ms, all other routes "
        f"{usual_ms:.0f} ms",
        evidence=(
            figure("p50", route.p50_ms, "ms"),
            figure("p95", route.p95_ms, "ms"),
            figure("p99", route.p99_ms, "ms"),
            figure("p95 of all other routes", usual_ms, "ms"),
            figure("requests", route.requests, "requests"),
            figure("time spent", route.total_s, "s"),
        ),
        impact=f"Clients waited {route.total_s:.0f} s for {route.requests} answers of the API.",
        confidence=confidence,
        proposal="Make it faster in the API, or cache it where its answers allow that. A time "
        "limit keeps its slowest requests from holding connections.",
        weight=float(route.slower_than_usual),
        changes=(_time_limit(route),),
        route=route.route,
    )


def _time_limit(route: RouteLatency) -> Change:
    """Twice the 99th percentile, in whole seconds: what hardly any request needs."""
    limit_s = max(1, math.ceil(2 * route.p99_ms / 1000))
    place = route_setting(route.name, "timeout_s", "upstream.timeout_s")
    return Change(place, str(limit_s))
