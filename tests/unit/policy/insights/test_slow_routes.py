"""Slow routes, and routes that became slower."""

from dataclasses import replace

import pytest

from lukhas.policy.insights.confidence import certainty
from lukhas.policy.insights.records import Change, Evidence
from lukhas.policy.insights.slow_routes import RouteLatency, SlowRules, slow_routes

# Three times as slow as the others (p95 600 against 200 ms); 150 of its 1000 requests, and not 50,
# took longer than the others' p95.
SLOW = RouteLatency(
    route="/reports",
    name="reports",
    requests=1000,
    total_s=180.0,
    p50_ms=120.0,
    p95_ms=600.0,
    p99_ms=1600.0,
    usual_p95_ms=200.0,
    slower_than_usual=150,
    before_requests=900,
    before_p95_ms=590.0,
    slower_than_before=55,
)
# Half as slow again as before (p95 450 against 300 ms).
SLOWED = replace(
    SLOW, p95_ms=450.0, before_p95_ms=300.0, slower_than_before=120, usual_p95_ms=400.0
)


def test_a_route_three_times_as_slow_as_all_others_is_told() -> None:
    """With its figures, and a time limit of twice its p99 in whole seconds: 3.2 becomes 4."""
    (found,) = slow_routes([SLOW], SlowRules())
    assert found.id == "slow-route:/reports"
    assert found.title == "/reports is slow: p95 600 ms, all other routes 200 ms"
    assert Evidence("p95 of all other routes", 200, "ms") in found.evidence
    assert Evidence("time spent", 180, "s") in found.evidence
    assert found.changes == (Change("routes[reports].timeout_s", "4"),)
    assert found.route == "/reports"
    # (0.15 - 0.05) / sqrt(0.05 * 0.95 / 1000) is 14.5: as sure as anything is.
    assert found.confidence == 0.999
    assert found.impact == "Clients waited 180 s for 1000 answers of the API."


@pytest.mark.parametrize(
    "route",
    [
        replace(SLOW, p95_ms=599.0),
        replace(SLOW, requests=99),
        replace(SLOW, usual_p95_ms=None),
        replace(SLOW, slower_than_usual=59),
        replace(SLOW, p95_ms=199.0, usual_p95_ms=20.0),
    ],
    ids=["not three times", "few", "the only route", "by chance", "fast all the same"],
)
def test_near_it_nothing_is_told(route: RouteLatency) -> None:
    """59 of 1000 slower than what 50 are: 1.31 standard errors, 90 % and not 95 %."""
    assert slow_routes([route], SlowRules()) == []


def test_a_route_that_became_half_as_slow_again_is_told() -> None:
    """And not that it is slow beside others, which it may have been for ever."""
    (found,) = slow_routes([replace(SLOWED, usual_p95_ms=100.0, name="")], SlowRules())
    assert found.id == "slowed-route:/reports"
    assert found.title == "/reports became slower: p95 300 ms before, 450 ms now"
    assert Evidence("share slower than the p95 before", 0.12, "ratio") in found.evidence
    assert found.changes[0].setting == "upstream.timeout_s"
    assert found.weight == 120


@pytest.mark.parametrize(
    "route",
    [
        replace(SLOWED, p95_ms=449.0),
        replace(SLOWED, before_requests=99),
        replace(SLOWED, before_p95_ms=None),
        replace(SLOWED, slower_than_before=59),
        replace(SLOWED, p95_ms=190.0, before_p95_ms=20.0),
    ],
    ids=["not half again", "few before", "new", "by chance", "fast all the same"],
)
def test_near_it_no_change_is_told(route: RouteLatency) -> None:
    """What is compared must be comparable."""
    assert slow_routes([route], SlowRules()) == []


def test_certainty_of_a_narrow_case_is_by_hand() -> None:
    """62 of 1000 against 5 %: 0.012 / 0.00689 is 1.74."""
    (found,) = slow_routes([replace(SLOW, slower_than_usual=62)], SlowRules())
    assert found.confidence == pytest.approx(certainty(1.7412), abs=1e-4)
