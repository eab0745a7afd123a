"""Counters of one process: what they keep, and for how long."""

import pytest

from lukhas.policy.rate_limiting.dimensions import Dimension
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.plans import LimitPlan, plan_for
from lukhas.policy.rate_limiting.policies import LimitPolicy
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.storage.memory_counters import MemoryCounters
from lukhas.units import DAY_NS, SECOND_NS

T0 = 20_250 * DAY_NS
IDLE_NS = T0 + 22 * SECOND_NS  # a window, its oldest bucket and the newest after a charge at T0


def plan(text: str = "1/20s", *, by: Dimension | None = None, route: str = "r") -> LimitPlan:
    more = LimitPolicy("p", parse_limits("9/20s", policy="p"), by=by or Dimension.CONSUMER)
    own = parse_limits(text, policy="free")
    return plan_for(Tier.FREE, own, (more,) if by else (), route=route)


def allowed(counters: MemoryCounters, one: LimitPlan, subject: str, now_ns: int = T0) -> bool:
    return counters.decide(one, (subject,), now_ns, 1).allowed


def test_a_state_for_each_subject_of_each_table() -> None:
    """Groups are counted for subjects of their own."""
    counters, both = MemoryCounters(), plan(by=Dimension.ADDRESS)
    counters.decide(both, ("key:a", "addr:1"), T0, 1)
    counters.decide(both, ("key:b", "addr:1"), T0, 1)
    assert len(counters) == 3
    decision = counters.decide(both, ("key:c", "addr:1"), T0, 1)
    assert decision.figures[::2] == (0, 6)


def test_there_is_a_subject_for_each_group() -> None:
    """One too few or too many is a mistake of the caller."""
    with pytest.raises(ValueError, match="zip"):
        MemoryCounters().decide(plan(by=Dimension.ADDRESS), ("key:a",), T0, 1)
    with pytest.raises(ValueError, match="zip"):
        MemoryCounters().decide(plan(), ("key:a", "addr:1"), T0, 1)


def test_plans_of_several_routes_share_the_counters() -> None:
    """Each has groups of its own that are alike; turn by turn they count on."""
    counters = MemoryCounters()
    plans = [plan("4/20s", route=route) for route in "abc"]
    decisions = [counters.decide(plans[number % 3], ("key:a",), T0, 1) for number in range(6)]
    assert [decision.figures[0] for decision in decisions] == [3, 2, 1, 0, 0, 0]
    assert len(counters) == 1


def test_other_limits_under_the_same_name_start_anew() -> None:
    """The settings changed: counts in other windows say nothing; the old states are gone."""
    counters = MemoryCounters()
    assert allowed(counters, plan("1/20s"), "key:a")
    assert allowed(counters, plan("1/20s"), "key:b")
    assert len(counters) == 2
    assert allowed(counters, plan("2/20s"), "key:a")
    assert len(counters) == 1
    assert allowed(counters, plan("2/20s"), "key:a")
    assert not allowed(counters, plan("2/20s"), "key:a")


def test_idle_states_are_dropped_two_for_each_new_one() -> None:
    """Enough to keep up with any rate of new subjects, and never a long stop."""
    counters, one = MemoryCounters(), plan()
    for number in range(10):
        allowed(counters, one, f"old-{number}")
    sizes = []
    for number in range(12):
        allowed(counters, one, f"new-{number}", IDLE_NS)
        sizes.append(len(counters))
    assert sizes == [9, 8, 7, 6, 5, 6, 7, 8, 9, 10, 11, 12]


@pytest.mark.parametrize(("now_ns", "kept"), [(IDLE_NS - 1, 2), (IDLE_NS, 1)])
def test_a_state_is_dropped_only_once_it_is_idle(now_ns: int, kept: int) -> None:
    """Dropping it any sooner would hand its owner a fresh quota."""
    counters, one = MemoryCounters(), plan()
    allowed(counters, one, "old")
    allowed(counters, one, "new", now_ns)
    assert len(counters) == kept


def test_states_that_still_count_are_looked_at_again_later() -> None:
    """One that was busy at the first look goes at a later one, those behind it are not skipped."""
    counters, one = MemoryCounters(), plan()
    for name in ("a", "b", "c"):
        allowed(counters, one, name)
    allowed(counters, one, "a", T0 + 21 * SECOND_NS)  # charged again, so busy for longer
    later_ns = IDLE_NS + SECOND_NS
    allowed(counters, one, "x", later_ns)  # looks at a and b
    assert len(counters) == 3
    allowed(counters, one, "y", later_ns)  # looks at c and a
    assert len(counters) == 3
    allowed(counters, one, "z", later_ns + 30 * SECOND_NS)  # looks at x and a, both idle
    assert len(counters) == 2


def test_a_refused_subject_without_counts_is_dropped_too() -> None:
    """States that only ever refused do not pile up."""
    counters, one = MemoryCounters(), plan("1/20s")
    for number in range(50):
        assert not counters.decide(one, (f"greedy-{number}",), T0, 2).allowed
    for number in range(60):
        allowed(counters, one, f"new-{number}", T0 + DAY_NS)
    assert len(counters) == 60
