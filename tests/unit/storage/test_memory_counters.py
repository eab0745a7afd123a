"""Counters of one process: what they keep, and for how long."""

from itertools import count, islice

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


def test_other_limits_under_the_same_name_take_over_what_was_counted() -> None:
    """The settings changed: each subject keeps its count, when it comes again."""
    counters = MemoryCounters()
    for subject in ("key:a", "key:b"):
        assert allowed(counters, plan("1/20s"), subject)
    decision = counters.decide(plan("2/20s"), ("key:a",), T0, 1)
    assert decision.allowed
    assert decision.figures[0] == 0
    assert len(counters) == 2
    assert not allowed(counters, plan("2/20s"), "key:a")
    assert not allowed(counters, plan("1/20s"), "key:b")
    assert not allowed(counters, plan("1/20s; 2/60s"), "key:b")


@pytest.mark.parametrize("texts", [("2/20s", "5/20s"), ("2/20s exact", "5/20s exact")])
def test_several_changes_of_limits_in_a_row_lose_nothing(texts: tuple[str, str]) -> None:
    """Also those of subjects that did not come in between."""
    counters = MemoryCounters()
    before = plan(texts[0])
    assert [allowed(counters, before, "key:a") for _ in range(3)] == [True, True, False]
    for number in range(5):
        assert allowed(counters, plan(texts[number % 2]), f"key:{number}")
    assert not allowed(counters, before, "key:a")
    assert counters.decide(plan(texts[1]), ("key:a",), T0, 1).figures[0] == 2


def test_the_fast_way_takes_no_state_of_other_limits() -> None:
    """One plan after another, where the last table was of the same group."""
    counters, low, high = MemoryCounters(), plan("1/20s"), plan("3/60s")
    assert allowed(counters, low, "key:a")
    assert allowed(counters, high, "key:b")
    assert allowed(counters, high, "key:b")
    # Counted as 1 of 3: the state is that of the other limits until now.
    assert [allowed(counters, high, "key:a") for _ in range(3)] == [True, True, False]
    assert [allowed(counters, high, "key:b") for _ in range(2)] == [True, False]


def in_one_shard(prefix: str, count: int) -> list[str]:
    """Subjects that are kept beside each other."""
    names = (f"{prefix}-{number}" for number in range(count * 2000))
    return [name for name in names if hash(name) % 64 == 7][:count]


def test_idle_states_are_dropped_two_for_each_new_one() -> None:
    """Enough to keep up with any rate of new subjects, and never a long stop."""
    counters, one = MemoryCounters(), plan()
    for name in in_one_shard("old", 10):
        allowed(counters, one, name)
    sizes = []
    for name in in_one_shard("new", 12):
        allowed(counters, one, name, IDLE_NS)
        sizes.append(len(counters))
    assert sizes == [9, 8, 7, 6, 5, 6, 7, 8, 9, 10, 11, 12]


@pytest.mark.parametrize(("now_ns", "kept"), [(IDLE_NS - 1, 2), (IDLE_NS, 1)])
def test_a_state_is_dropped_only_once_it_is_idle(now_ns: int, kept: int) -> None:
    """Dropping it any sooner would hand its owner a fresh quota."""
    counters, one = MemoryCounters(), plan()
    old, new = in_one_shard("one", 2)
    allowed(counters, one, old)
    allowed(counters, one, new, now_ns)
    assert len(counters) == kept


def test_states_that_still_count_are_looked_at_again_later() -> None:
    """One that was busy at the first look goes at a later one, those behind it are not skipped."""
    counters, one = MemoryCounters(), plan()
    a, b, c, x, y, z = in_one_shard("one", 6)
    for name in (a, b, c):
        allowed(counters, one, name)
    allowed(counters, one, a, T0 + 21 * SECOND_NS)  # charged again, so busy for longer
    later_ns = IDLE_NS + SECOND_NS
    allowed(counters, one, x, later_ns)  # looks at a and b
    assert len(counters) == 3
    allowed(counters, one, y, later_ns)  # looks at c and a
    assert len(counters) == 3
    allowed(counters, one, z, later_ns + 30 * SECOND_NS)  # looks at x and a, both idle
    assert len(counters) == 2


@pytest.mark.parametrize(
    ("short", "long", "idle_s"),
    [("9/20s", "9/60s", 66), ("9/20s exact", "9/60s exact", 60)],
)
@pytest.mark.parametrize("turned", [False, True])
def test_states_of_several_limits_are_idle_by_their_own(
    short: str, long: str, idle_s: int, *, turned: bool
) -> None:
    """The limits that asked last say nothing about the states of the others."""
    counters = MemoryCounters()
    old, new, last = in_one_shard("one", 3)
    allowed(counters, plan(long), old)
    allowed(counters, plan(short), new)
    asking = plan(long if turned else short)
    allowed(counters, asking, last, T0 + (idle_s - 1) * SECOND_NS)
    # Nobody can tell exact logs apart, so each lasts as long as by any of the limits.
    assert len(counters) == (3 if "exact" in short else 2)
    still = MemoryCounters()
    allowed(still, plan(long), old)
    allowed(still, plan(short), new)
    allowed(still, asking, last, T0 + idle_s * SECOND_NS)
    assert len(still) == 1


def test_a_refused_subject_without_counts_is_dropped_too() -> None:
    """States that only ever refused do not pile up."""
    counters, one = MemoryCounters(), plan("1/20s")
    for name in in_one_shard("greedy", 50):
        assert not counters.decide(one, (name,), T0, 2).allowed
    for name in in_one_shard("new", 60):
        allowed(counters, one, name, T0 + DAY_NS)
    assert len(counters) == 60


def test_new_subjects_share_states_when_all_places_are_taken() -> None:
    """Memory stays bounded, and nobody who is counted is forgotten."""
    counters, one = MemoryCounters(max_states=2), plan("2/20s")
    assert allowed(counters, one, "key:a")
    assert allowed(counters, one, "key:b")
    assert counters.shared == 0
    names = list(islice((name for name in map("n{}".format, count()) if hash(name) % 1024 == 5), 3))
    assert [allowed(counters, one, name) for name in names] == [True, True, False]
    assert counters.shared == 3
    assert len(counters) == 2
    assert [allowed(counters, one, "key:a") for _ in range(2)] == [True, False]


def test_who_leaves_a_shared_state_takes_along_what_it_says() -> None:
    """When a place gets free; else who was refused there would begin anew."""
    counters, one = MemoryCounters(max_states=1), plan("2/20s")
    old = in_one_shard("old", 1)[0]
    mine = in_one_shard("mine", 1)[0]
    allowed(counters, one, old)
    late_ns = IDLE_NS - SECOND_NS
    assert [allowed(counters, one, mine, late_ns) for _ in range(3)] == [True, True, False]
    assert not allowed(counters, one, mine, IDLE_NS)
    assert (len(counters), counters.shared) == (1, 3)
    assert allowed(counters, one, mine, IDLE_NS + 30 * SECOND_NS)


def test_shared_states_outlive_a_change_of_limits() -> None:
    """They are taken over like all others, in their place and out of it."""
    counters = MemoryCounters(max_states=1)
    old, mine = in_one_shard("one", 2)
    allowed(counters, plan("2/20s"), old)
    late_ns = IDLE_NS - SECOND_NS
    assert [allowed(counters, plan("2/20s"), mine, late_ns) for _ in range(3)] == [
        True,
        True,
        False,
    ]
    assert not allowed(counters, plan("2/60s"), mine, late_ns)
    assert not allowed(counters, plan("2/20s; 3/60s"), mine, IDLE_NS)


def test_a_settled_request_counts_what_it_cost() -> None:
    """In the state of its subject, whichever way it was decided."""
    counters, one = MemoryCounters(), plan("5/20s")
    for _ in range(2):
        decision = counters.decide(one, ("key:a",), T0, 1)
    counters.settle(decision, ("key:a",), T0, (-1,))
    assert counters.decide(one, ("key:a",), T0, 1).figures[0] == 3
    counters.settle(decision, ("key:a",), T0, (3,))
    assert not allowed(counters, one, "key:a")
