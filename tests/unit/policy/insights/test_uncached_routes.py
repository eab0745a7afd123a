"""Routes that a lifetime would help, and the hit ratio that is promised."""

from dataclasses import replace
from random import Random

import pytest

from lukhas.policy.insights.confidence import share_at_least
from lukhas.policy.insights.records import Change, Evidence
from lukhas.policy.insights.uncached_routes import (
    RouteRepeats,
    UncachedRules,
    predicted_hit_ratio,
    uncached_routes,
)

# 1000 requests; kept for a minute they would take 400 fetches, for 5 minutes 250, for an hour 200.
REPEATED = RouteRepeats(
    route="/catalog",
    name="",
    requests=1000,
    fetches=((60, 400), (300, 250), (3600, 200)),
    all_requests=1500,
    mean_ms=50.0,
)


def test_the_shortest_lifetime_that_is_nearly_as_good_is_proposed() -> None:
    """The best is 0.8 at an hour; four fifths of it are 0.64, so 0.6 will not do and 0.75 will."""
    (found,) = uncached_routes([REPEATED], UncachedRules())
    assert found.id == "uncached-route:/catalog"
    assert found.title == (
        "/catalog could be cached: 75% of 1000 requests asked for what was answered within 300 s"
        " before"
    )
    assert Evidence("predicted hit ratio at 60 s, at least", 0.6, "ratio") in found.evidence
    assert found.changes == (Change("cache.default_ttl_s", "300", "null"),)
    # 750 requests of 50 ms each.
    assert found.impact == (
        "At least 750 requests less for the API, and 38 s less waiting for clients."
    )
    assert found.weight == 750
    assert found.confidence == pytest.approx(share_at_least(750, 1000) / 0.75)


def test_a_route_of_the_settings_is_set_there() -> None:
    """By its name."""
    (found,) = uncached_routes([replace(REPEATED, name="catalog")], UncachedRules())
    assert found.changes[0].setting == "routes[catalog].cache_ttl_s"


@pytest.mark.parametrize(
    "route",
    [
        replace(REPEATED, requests=199, fetches=((60, 10),)),
        replace(REPEATED, fetches=((60, 900), (300, 800), (3600, 701))),
        replace(REPEATED, fetches=((60, 1000), (300, 1000), (3600, 1100))),
        replace(REPEATED, fetches=()),
    ],
    ids=["few", "three of ten", "never the same", "unknown"],
)
def test_near_it_nothing_is_told(route: RouteRepeats) -> None:
    """Where the cache would answer less than three of ten, or too little is known."""
    assert uncached_routes([route], UncachedRules()) == []


def test_nothing_asked_for_is_nothing_predicted() -> None:
    """And more fetches than requests are no negative ratio."""
    assert predicted_hit_ratio(0, 0) == 0
    assert predicted_hit_ratio(10, 12) == 0


@pytest.mark.parametrize("seed", range(5))
def test_a_cache_does_at_least_what_is_predicted(seed: int) -> None:
    """Different addresses in each stretch, added up, against a real lifetime."""
    drawn = Random(seed)
    lifetime_s = 60
    now = 0.0
    requests, hits = 0, 0
    until: dict[int, float] = {}
    stretches: set[tuple[int, int]] = set()
    for _ in range(3000):
        now += drawn.expovariate(2)
        address = int(drawn.paretovariate(0.9))
        requests += 1
        stretches.add((int(now) // lifetime_s, address))
        if now < until.get(address, 0.0):
            hits += 1
        else:
            until[address] = now + lifetime_s
    predicted = predicted_hit_ratio(requests, len(stretches))
    assert 0.3 < predicted <= hits / requests
    # And not so far below that it would be of no use.
    assert hits / requests - predicted < 0.15
