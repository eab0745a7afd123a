"""Settings and figures of the moment as findings need them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lukhas.admin.insight_terms import (
    cache_figures,
    insight_terms,
    shared_limits,
    worker_ceiling,
)
from lukhas.admin.parent import Parent
from lukhas.admin.state import AdminState
from lukhas.config.runtime_limits import read_runtime_limits, write_runtime_limits
from lukhas.config.settings import Settings
from lukhas.hub.control_link import ParentStatus, WorkerStatus
from lukhas.hub.hub import Hub
from lukhas.policy.insights.shared_limits import SharedLimit
from lukhas.policy.insights.tier_limits import TierLimit
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.telemetry.recorder import Recorder
from lukhas.units import MIB
from tests.samples import sampled


def make_settings(state_dir: Path, **more: Any) -> Settings:
    return Settings.model_validate({"state_dir": state_dir, **more})


def test_tiers_are_those_in_effect(tmp_path: Path) -> None:
    """Also where they were changed while everything runs; only limits that have a window."""
    settings = make_settings(tmp_path, tiers={"basic": "9/minute; 5 concurrent"})
    changed = read_runtime_limits(tmp_path).with_tier(Tier.FREE, "7/minute")
    write_runtime_limits(tmp_path, changed)
    terms = insight_terms(settings)
    assert terms.tiers["free"].limits == (TierLimit("7/minute", 7, 60),)
    assert terms.tiers["basic"].limits == (TierLimit("9/minute", 9, 60),)
    assert terms.tiers["basic"].setting == "9/minute; 5 concurrent"
    assert (terms.tiers["internal"].limits, terms.tiers["internal"].setting) == ((), "")


def test_routes_and_cache_are_those_of_the_settings(tmp_path: Path) -> None:
    """A strategy gives what is not set; the gateway keeps entries on disk by default."""
    settings = make_settings(
        tmp_path,
        strategy="low-latency",
        cache={"size_bytes": "10MiB"},
        routes=[{"name": "orders", "path": "/orders/{id}"}],
    )
    terms = insight_terms(settings)
    assert terms.route_names == {"/orders/{id}": "orders"}
    assert (terms.cache_bytes, terms.stale_if_error_s) == (10 * MIB, 60)
    assert terms.disk_bytes == 256 * MIB
    assert insight_terms(make_settings(tmp_path, cache={"disk_bytes": 0})).disk_bytes == 0


def test_limits_that_all_share_are_ceilings(tmp_path: Path) -> None:
    """By upstream or route, enforced, for everybody; not those of each consumer."""
    settings = make_settings(
        tmp_path,
        routes=[{"name": "orders", "path": "/orders", "limits": "5/second"}],
        limits=[
            {"name": "all", "limits": "600/minute; 30000/hour", "by": "upstream"},
            {"name": "each", "limits": "50/second", "by": "route"},
            {"name": "orders-all", "limits": "3/second", "by": "route", "routes": ["orders"]},
            {"name": "each-consumer", "limits": "1/second"},
            {"name": "shadow", "limits": "1/second", "by": "upstream", "mode": "shadow"},
            {"name": "bytes", "limits": "1/second", "by": "upstream", "cost": "response-bytes"},
            {"name": "flight", "limits": "9 concurrent", "by": "upstream"},
        ],
    )
    assert shared_limits(settings) == [
        SharedLimit("all", 30_000 / 3600, frozenset(), is_by_route=False),
        SharedLimit("each", 50.0, frozenset(), is_by_route=True),
        SharedLimit("orders-all", 3.0, frozenset(("/orders",)), is_by_route=True),
    ]


def told(path: Path, *busy: float | None, most: int = 1) -> Parent:
    parent = Parent(path)
    workers = tuple(
        WorkerStatus(name=f"w{at}", pid=at, starts=1, busy=each) for at, each in enumerate(busy)
    )
    parent.status = ParentStatus(generation=1, workers_wanted=1, most=most, workers=workers)
    return parent


def test_workers_can_do_what_their_present_work_tells(
    state: AdminState, report: Callable[..., None], tmp_path: Path
) -> None:
    """20 requests a second at a fifth of a CPU: 80 at four fifths, and twice that with two."""
    recorder = Recorder()
    for _ in range(20):
        recorder.record(sampled("/a", "GET", 200, "free", "miss", 1, 1))
    report(recorder)
    ceiling = worker_ceiling(state, told(tmp_path, 0.2))
    assert ceiling is not None
    assert (round(ceiling.per_s, 6), ceiling.source) == (80, "1 workers, estimated")
    more = worker_ceiling(state, told(tmp_path, 0.2, None, most=2))
    assert more is not None
    assert round(more.per_s, 6) == 160


def test_workers_that_do_little_tell_nothing(
    state: AdminState, report: Callable[..., None], tmp_path: Path
) -> None:
    """Nor those of which nothing is known, nor those that serve nobody."""
    assert worker_ceiling(state, told(tmp_path, 0.5)) is None
    recorder = Recorder()
    recorder.record(sampled("/a", "GET", 200, "free", "miss", 1, 1))
    report(recorder)
    assert worker_ceiling(state, None) is None
    assert worker_ceiling(state, Parent(tmp_path)) is None
    assert worker_ceiling(state, told(tmp_path, None)) is None
    assert worker_ceiling(state, told(tmp_path, 0.09)) is None


def test_the_cache_is_what_the_workers_tell_of_it(
    state: AdminState, report: Callable[..., None]
) -> None:
    """A worker of a hub tells all of it; while none has, nothing is known."""
    assert cache_figures(state) is None
    report(Recorder())
    assert cache_figures(state) is None
    report(Hub(Settings()).recorder)
    found = cache_figures(state)
    assert found is not None
    assert (found.workers, found.entries, found.stored, found.evicted) == (1, 0, 0, 0)
    # It says that it was started at 1 ns.
    assert found.uptime_s == 1_000_001
