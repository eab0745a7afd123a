"""Which counters the settings ask for."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lukhas.config.settings import Settings
from lukhas.errors import StoreError
from lukhas.hub.counters import HubCounters
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.plans import LimitPlan, plan_for
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.storage.guarded_counters import GuardedCounters
from lukhas.storage.memory_counters import MemoryCounters
from lukhas.storage.node_counters import COUNTERS_FILE
from lukhas.telemetry.health import PartHealth
from lukhas.units import DAY_NS

T0 = 20_250 * DAY_NS


def plan(text: str = "2/20s") -> LimitPlan:
    return plan_for(Tier.FREE, parse_limits(text, policy="free"), (), route="r")


def settings(folder: Path, **counters: object) -> Settings:
    return Settings.model_validate({"state_dir": folder, "counters": counters})


@pytest.fixture
async def on_node(tmp_path: Path) -> AsyncIterator[HubCounters]:
    counters = HubCounters(settings(tmp_path, store="node"), workers=2)
    await counters.open()
    yield counters
    await counters.close()


@pytest.mark.parametrize(
    ("store", "workers", "expected"),
    [
        ("auto", 1, "memory"),
        ("auto", 2, "node"),
        ("memory", 2, "memory"),
        ("node", 1, "node"),
    ],
)
async def test_where_it_is_counted(tmp_path: Path, store: str, workers: int, expected: str) -> None:
    """By itself on the node as soon as several processes have to agree."""
    counters = HubCounters(settings(tmp_path, store=store), workers=workers)
    assert isinstance(counters.store, MemoryCounters)
    await counters.open()
    found = counters.store
    assert isinstance(found, GuardedCounters if expected == "node" else MemoryCounters)
    assert counters.health() == PartHealth("counters", "ok", expected)
    assert (tmp_path / COUNTERS_FILE).exists() is (expected == "node")
    await counters.open()
    assert counters.store is found
    await counters.close()
    assert isinstance(counters.store, MemoryCounters)
    await counters.close()


async def test_counts_are_kept_on_the_node(tmp_path: Path, on_node: HubCounters) -> None:
    """Over the end of the hub; what is asked afterwards is counted in memory."""
    decision = on_node.decide(plan(), ("key:a",), T0, 1)
    assert on_node.decide(plan(), ("key:a",), T0, 1).allowed
    assert not on_node.decide(plan(), ("key:a",), T0, 1).allowed
    assert len(on_node) == 1
    await on_node.close()
    assert len(on_node) == 0
    assert on_node.decide(plan(), ("key:a",), T0, 1).allowed
    again = HubCounters(settings(tmp_path, store="node"), workers=2)
    await again.open()
    again.settle(decision, ("key:a",), T0, (-1,))
    allowed = [again.decide(plan(), ("key:a",), T0, 1, (1,)).allowed for _ in range(2)]
    await again.close()
    assert allowed == [True, False]


async def test_a_store_that_fails_is_degraded_and_shared_out(
    on_node: HubCounters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each process counts its part meanwhile, and health tells what is wrong."""
    node = on_node._node
    assert node is not None
    assert on_node.failures == 0

    def fail(*_given: object) -> None:
        raise StoreError("disk full")

    monkeypatch.setattr(type(node), "decide", fail)
    allowed = [on_node.decide(plan("4/20s"), ("key:a",), T0, 1).allowed for _ in range(4)]
    assert allowed == [True, True, False, False]
    assert on_node.failures == 4
    assert on_node.health() == PartHealth("counters", "degraded", "disk full")
    monkeypatch.undo()
    assert on_node.decide(plan("4/20s"), ("key:a",), T0, 1).allowed
    assert on_node.health().state == "ok"
    assert on_node.failures == 4


def test_too_many_subjects_are_told(tmp_path: Path) -> None:
    """Whoever looks at the health learns that some share a counter."""
    counters = HubCounters(settings(tmp_path, store="memory"), workers=1)
    counters._memory = MemoryCounters(max_states=1)
    counters._turn_to(counters._memory)
    for subject in ("a", "b", "c"):
        counters.decide(plan(), (subject,), T0, 1)
    assert (counters.shared, counters.failures) == (2, 0)
    expected = "too many subjects: 2 times one had to share a counter"
    assert counters.health() == PartHealth("counters", "degraded", expected)


async def test_the_size_of_a_store_that_fails_is_not_known(
    on_node: HubCounters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0, and no error to whoever asks for the metrics."""
    on_node.decide(plan(), ("key:a",), T0, 1)
    assert (len(on_node), on_node.shared) == (1, 0)

    def fail(_self: object) -> int:
        raise StoreError("gone")

    monkeypatch.setattr(GuardedCounters, "__len__", fail)
    assert len(on_node) == 0


@pytest.mark.parametrize(
    ("store", "workers", "expected"),
    [("auto", 1, True), ("auto", 2, False), ("memory", 2, True), ("node", 1, False)],
)
async def test_states_are_held_only_where_memory_is_wanted(
    tmp_path: Path, store: str, workers: int, *, expected: bool
) -> None:
    """Elsewhere memory stands in before the store is open and after, and must not be held on to."""
    counters, one = HubCounters(settings(tmp_path, store=store), workers=workers), plan("9/20s")
    counters.decide(one, ("key:a",), T0, 1)
    held = [counters.held(one, ("key:a",)) is not None]
    await counters.open()
    counters.decide(one, ("key:a",), T0, 1)
    held.append(counters.held(one, ("key:a",)) is not None)
    await counters.close()
    counters.decide(one, ("key:a",), T0, 1)
    held.append(counters.held(one, ("key:a",)) is not None)
    assert held == [expected] * 3


async def test_states_are_not_held_where_counters_are_across_the_network(tmp_path: Path) -> None:
    counters, one = HubCounters(settings(tmp_path, store="redis://x.test"), workers=1), plan()
    counters.decide(one, ("key:a",), T0, 1)
    assert counters.held(one, ("key:a",)) is None
