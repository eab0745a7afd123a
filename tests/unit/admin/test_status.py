"""The live figures."""

from collections.abc import Callable

import pytest

from lukhas.admin.state import AdminState
from lukhas.admin.status import health_of, status_of
from lukhas.telemetry.health import PartHealth
from lukhas.telemetry.prometheus import NodeFigures
from lukhas.telemetry.recorder import Recorder
from lukhas.units import MILLISECOND_NS, SECOND_NS
from tests.samples import sampled
from tests.unit.admin.conftest import ManualClock

Report = Callable[..., None]


def traffic() -> Recorder:
    """Six requests on two routes: 3 hits, 1 miss, 2 bypasses, 1 server error."""
    recorder = Recorder()
    for route, status, tier, cache in (
        ("/a", 200, "free", "hit"),
        ("/a", 200, "free", "stale"),
        ("/a", 200, "basic", "revalidated"),
        ("/a", 200, "basic", "miss"),
        ("/b", 200, "premium", "bypass"),
        ("/b", 502, "", "bypass"),
    ):
        recorder.record(sampled(route, "GET", status, tier, cache, 10, 20 * MILLISECOND_NS))
    recorder.limited("tiers", "free", "enforce")
    recorder.limited("tiers", "unheard-of", "enforce")
    recorder.limited("burst", "free", "shadow")
    recorder.shed("free", "enforce")
    recorder.shed("free", "shadow")
    recorder.shed("basic", "shadow")
    recorder.near_limit("tiers", "free")
    recorder.near_limit("tiers", "none")
    return recorder


def test_before_any_report_there_is_nothing_to_say(state: AdminState, clock: ManualClock) -> None:
    """No figure is made up: shares and quantiles are None, not 0."""
    status = status_of(state, clock.time_ns)
    assert status.traffic.requests_total == 0
    assert status.traffic.requests_per_s == 0
    assert status.traffic.error_share is None
    assert status.traffic.hit_ratio is None
    assert status.traffic.latency.p99_ms is None
    assert status.traffic.cache_entries is None
    assert status.routes == []
    assert not status.health.ready
    assert status.health.status == "failed"


def test_figures_of_a_known_traffic(state: AdminState, clock: ManualClock, report: Report) -> None:
    """Shares, rates and latencies are those of what was recorded."""
    recorder = traffic()
    recorder.watch("connections_open", lambda: 4)
    recorder.in_flight = 3
    report(recorder)
    report(recorder)
    figures = status_of(state, clock.time_ns).traffic
    assert figures.requests_total == figures.requests_1m == 6
    assert figures.requests_by_second == [6, 0]
    assert figures.requests_per_s == 3
    assert figures.error_share == pytest.approx(1 / 6)
    assert figures.hit_ratio == 0.75
    assert figures.latency.p50_ms == pytest.approx(20, rel=0.012)
    assert (figures.limited_1m, figures.limited_total, figures.shadow_limited_1m) == (2, 2, 1)
    assert (figures.shed_1m, figures.shed_total, figures.shadow_shed_1m) == (1, 1, 2)
    assert figures.near_limit_1m == 2
    assert (figures.in_flight, figures.connections_open) == (3, 4)


def test_tiers_are_all_shown(state: AdminState, clock: ManualClock, report: Report) -> None:
    """Known ones even without traffic; requests before identification under none."""
    report(traffic())
    tiers = {tier.tier: tier for tier in status_of(state, clock.time_ns).tiers}
    assert list(tiers) == ["free", "basic", "premium", "enterprise", "internal", "none"]
    assert tiers["free"].requests_1m == 2
    assert tiers["free"].share == pytest.approx(1 / 3)
    assert (tiers["free"].shed_1m, tiers["basic"].shed_1m) == (1, 0)
    assert (tiers["free"].limited_1m, tiers["free"].near_limit_1m) == (1, 1)
    assert tiers["none"].near_limit_1m == 1
    assert tiers["internal"].share == 0


def test_routes_come_busiest_first(state: AdminState, clock: ManualClock, report: Report) -> None:
    """Each with its own shares."""
    report(traffic())
    first, second = status_of(state, clock.time_ns).routes
    assert (first.route, first.requests_1m, first.hit_ratio, first.error_share) == (
        "/a",
        4,
        0.75,
        0,
    )
    assert (second.route, second.hit_ratio, second.error_share) == ("/b", None, 0.5)
    assert first.requests_per_s == 4


def test_figures_age_out_after_a_minute(
    state: AdminState, clock: ManualClock, report: Report
) -> None:
    """The totals stay."""
    report(traffic())
    clock.time_ns += 61 * SECOND_NS
    status = status_of(state, clock.time_ns)
    assert status.traffic.requests_1m == 0
    assert status.traffic.requests_total == 6
    assert status.workers == []


def test_health_is_that_of_workers_and_of_the_admin_process(
    state: AdminState, clock: ManualClock, report: Report
) -> None:
    """The worst part decides."""
    state.own_parts = lambda: [PartHealth("database", "degraded", "slow")]
    report(Recorder(), PartHealth("cache", "ok"))
    health = health_of(state, clock.time_ns)
    assert health.status == "degraded"
    assert health.ready
    assert [(part.name, part.state) for part in health.parts] == [
        ("workers", "ok"),
        ("cache", "ok"),
        ("database", "degraded"),
    ]


def test_fewer_workers_than_wanted_are_degraded(
    state: AdminState, clock: ManualClock, report: Report
) -> None:
    """The node serves, with less than its promise."""
    state.node = lambda: NodeFigures(2)
    report()
    health = health_of(state, clock.time_ns)
    assert (health.status, health.ready) == ("degraded", True)
    assert health.parts[0].detail == "1 of 2 alive"
