"""States of the counters in memory that somebody holds to charge them without asking."""

import pytest

from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.costs import parse_cost
from lukhas.policy.rate_limiting.dimensions import Dimension
from lukhas.policy.rate_limiting.held_ring import HeldRing
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.plans import LimitPlan, plan_for
from lukhas.policy.rate_limiting.policies import LimitPolicy
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.storage.memory_counters import MemoryCounters
from tests.unit.storage.test_memory_counters import IDLE_NS, T0, in_one_shard, plan


def _held(counters: MemoryCounters, one: LimitPlan, subject: str) -> HeldRing:
    held = counters.held(one, (subject,))
    assert held is not None
    return held


def test_holders_and_askers_count_together() -> None:
    """Whoever charges, the next one finds it counted."""
    counters, one = MemoryCounters(), plan("10/20s")
    counters.decide(one, ("key:a",), T0, 1)
    held = _held(counters, one, "key:a")
    left = []
    for cost in (1, 2, 1):
        told = held.charge(T0, cost)
        assert told is not None
        left.append((told[2][0], told[3]))
        left.append((counters.decide(one, ("key:a",), T0, 1).figures[0], False))
    assert left == [(8, False), (7, False), (5, False), (4, False), (3, False), (2, False)]
    assert held.charge(T0, 3) is None
    told = held.charge(T0, 1)
    # Less than a fifth is left.
    assert told is not None
    assert told[2:] == ((1, 21), True)
    assert counters.decide(one, ("key:a",), T0, 1).allowed
    assert not counters.decide(one, ("key:a",), T0, 1).allowed
    assert held.charge(T0, 1) is None


def test_a_state_that_is_forgotten_is_charged_by_nobody() -> None:
    """Or its subject would be counted twice once it comes again."""
    counters, one = MemoryCounters(), plan("9/20s")
    old, new = in_one_shard("one", 2)
    counters.decide(one, (old,), T0, 1)
    held = _held(counters, one, old)
    counters.decide(one, (new,), IDLE_NS, 1)
    assert not held._state
    assert held.charge(IDLE_NS, 1) is None
    assert counters.held(one, (old,)) is None
    assert counters.decide(one, (old,), IDLE_NS, 1).figures[0] == 8
    assert _held(counters, one, old)._state is not held._state


@pytest.mark.parametrize("text", ["20/20s", "9/60s", "9/20s; 90/60s"])
def test_a_state_that_other_limits_take_over_is_charged_by_nobody(text: str) -> None:
    """What was counted is theirs from then on."""
    counters, before, after = MemoryCounters(), plan("9/20s"), plan(text)
    counters.decide(before, ("key:a",), T0, 1)
    held = _held(counters, before, "key:a")
    # Until the subject comes again, the other limits do not hold its state.
    assert counters.held(after, ("key:a",)) is None
    counters.decide(after, ("key:b",), T0, 1)
    told = held.charge(T0, 1)
    assert told is not None
    assert told[2][0] == 7
    counters.decide(after, ("key:a",), T0, 1)
    assert not held._state
    assert held.charge(T0, 1) is None
    assert counters.held(before, ("key:a",)) is None
    quota = parse_limits(text, policy="free")[0].quota
    held = _held(counters, after, "key:a")
    told = held.charge(T0, 1)
    assert told is not None
    assert told[2][0] == quota - 4


def test_the_same_limits_made_anew_go_on_with_the_state() -> None:
    counters, before, after = MemoryCounters(), plan("9/20s"), plan("9/20s", route="s")
    counters.decide(before, ("key:a",), T0, 1)
    held = _held(counters, before, "key:a")
    counters.decide(after, ("key:a",), T0, 1)
    assert _held(counters, after, "key:a")._state is held._state


@pytest.mark.parametrize("text", ["9/20s exact", "9/20s burst 3", "9/calendar day", "9 concurrent"])
def test_only_states_of_strict_limits_are_held(text: str) -> None:
    counters, one = MemoryCounters(), plan(text)
    counters.decide(one, ("key:a",), T0, 1)
    assert counters.held(one, ("key:a",)) is None


def test_plans_of_several_groups_are_asked_each_time() -> None:
    """Not all groups may have room for what one of them has."""
    counters, both = MemoryCounters(), plan("9/20s", by=Dimension.ADDRESS)
    counters.decide(both, ("key:a", "addr:1"), T0, 1)
    assert counters.held(both, ("key:a", "addr:1")) is None


def test_limits_in_shadow_mode_are_asked_each_time() -> None:
    """They refuse nobody, which is more than a charge can tell."""
    shadow = LimitPolicy("p", parse_limits("9/20s", policy="p"), mode=Mode.SHADOW)
    counters, one = MemoryCounters(), plan_for(Tier.FREE, (), (shadow,), route="r")
    counters.decide(one, ("key:a",), T0, 1)
    assert counters.held(one, ("key:a",)) is None


def test_shared_states_are_held_by_nobody() -> None:
    """A subject may get a state of its own at any time."""
    counters, one = MemoryCounters(max_states=1), plan("9/20s")
    old, mine = in_one_shard("one", 2)
    counters.decide(one, (old,), T0, 1)
    counters.decide(one, (mine,), T0, 1)
    assert counters.shared == 1
    assert counters.held(one, (mine,)) is None
    assert counters.held(one, (old,)) is not None


def test_what_was_never_counted_is_not_held() -> None:
    """No state is made for who only might come."""
    counters, one = MemoryCounters(), plan("9/20s")
    assert counters.held(one, ("key:a",)) is None
    counters.decide(one, ("key:b",), T0, 1)
    assert counters.held(one, ("key:a",)) is None
    assert len(counters) == 1


def test_what_is_settled_is_asked_each_time() -> None:
    """What is given back changes more of a state than a charge does."""
    limits = parse_limits("9/20s", policy="p")
    policy = LimitPolicy("p", limits, cost=parse_cost("response-kib"))
    counters, one = MemoryCounters(), plan_for(Tier.FREE, (), (policy,), route="r")
    counters.decide(one, ("key:a",), T0, 1)
    assert counters.held(one, ("key:a",)) is None
