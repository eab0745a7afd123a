"""Routes whose answers say nothing about caching, and are asked for again and again.

The prediction needs no guess about the popularity of addresses. A cache that keeps answers for T
fetches an address at most once in each stretch of T seconds in which it is asked for: two fetches
are at least T apart, so no two lie in one stretch. The number of different addresses in each
stretch, added up, is therefore never less than the number of fetches, and the ratio never too high
for a cache that is large enough and keeps an answer once it has it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lukhas.policy.insights.confidence import share_at_least
from lukhas.policy.insights.places import route_setting, route_title
from lukhas.policy.insights.records import Change, Insight, figure

__all__ = ("RouteRepeats", "UncachedRules", "predicted_hit_ratio", "uncached_routes")


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRepeats:
    """Requests of a route that a lifetime would have let the cache answer.

    Only those count whose answer has status 200, says nothing about caching, sets no cookie, and
    was given to a request without credentials.

    Attributes:
        route: the template.
        name: the name of the route in the settings; empty if it has none.
        requests: how many there were.
        fetches: for each lifetime in seconds, how many fetches it would take at most.
        all_requests: all requests of the route, of whatever kind.
        mean_ms: how long the API took for each on average.
    """

    route: str
    name: str
    requests: int
    fetches: tuple[tuple[int, int], ...]
    all_requests: int
    mean_ms: float


@dataclass(frozen=True, slots=True)
class UncachedRules:
    """From when on it is worth telling.

    Attributes:
        least_requests: fewer say nothing.
        least_ratio: what the cache would have to answer of them.
        near_best: the shortest lifetime is proposed that reaches this part of the best ratio.
    """

    least_requests: int = 200
    least_ratio: float = 0.3
    near_best: float = 0.8


def predicted_hit_ratio(requests: int, fetches: int) -> float:
    """The part that a cache would answer, at least."""
    return max(0.0, 1 - fetches / requests) if requests else 0.0


def uncached_routes(routes: Sequence[RouteRepeats], rules: UncachedRules) -> list[Insight]:
    """A finding for each route that a lifetime would help."""
    found = [_uncached(route, rules) for route in routes]
    return [each for each in found if each is not None]


def _uncached(route: RouteRepeats, rules: UncachedRules) -> Insight | None:
    if route.requests < rules.least_requests or not route.fetches:
        return None
    ratios = [(ttl_s, predicted_hit_ratio(route.requests, most)) for ttl_s, most in route.fetches]
    best = max(ratio for _, ratio in ratios)
    if best < rules.least_ratio:
        return None
    ttl_s, ratio = next(pair for pair in ratios if pair[1] >= rules.near_best * best)
    saved = round(ratio * route.requests)
    return Insight(
        kind="uncached-route",
        about=route.route,
        title=f"{route_title(route.route)} could be cached: {ratio:.0%} of {route.requests} "
        f"requests asked for what was answered within {ttl_s} s before",
        evidence=(
            figure("requests that could have been answered", route.requests, "requests"),
            figure("requests of the route", route.all_requests, "requests"),
            *(
                figure(f"predicted hit ratio at {each} s, at least", value, "ratio")
                for each, value in ratios
            ),
            figure("mean time of the API", route.mean_ms, "ms"),
        ),
        impact=f"At least {saved} requests less for the API, and {saved * route.mean_ms / 1000:.0f}"
        " s less waiting for clients.",
        # What is left of the ratio at the lower end of its interval.
        confidence=share_at_least(saved, route.requests) / ratio,
        proposal=f"Let the API say how long its answers hold, or keep them {ttl_s} s here. Clients "
        f"may then see answers that are up to {ttl_s} s old; only do it where that is fine. The "
        "prediction assumes a cache with room for all of them, and that addresses are asked for "
        "as they were.",
        weight=float(saved),
        changes=(
            Change(
                route_setting(route.name, "cache_ttl_s", "cache.default_ttl_s"), str(ttl_s), "null"
            ),
        ),
        route=route.route,
    )
