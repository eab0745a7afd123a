"""Counters whose states are charged by who holds them, next to counters that are always asked."""

from hypothesis import given, settings
from hypothesis import strategies as st

from lukhas.policy.rate_limiting.held_ring import HeldRing
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.plans import LimitPlan, plan_for
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.storage.memory_counters import MemoryCounters
from lukhas.units import DAY_NS, SECOND_NS

_T0 = 20_250 * DAY_NS
_LIMITS = (
    "4/20s",
    "4/20s",
    "9/20s; 30/60s; 90/3600s",
    "4/60s",
    "3/20s exact",
    "5/20s burst 3",
)
_SUBJECTS = ("key:a", "key:b", "key:c")


def _plans() -> list[LimitPlan]:
    """Plans whose states are in one table where they are of the same kind."""
    return [
        plan_for(Tier.FREE, parse_limits(text, policy="free"), (), route=str(number))
        for number, text in enumerate(_LIMITS)
    ]


def _states(counters: MemoryCounters) -> dict[tuple[str, str], bytes]:
    return {
        (name, subject): bytes(state)
        for name, table in counters._tables.items()
        for shard in table.shards
        for subject, state in shard.items()
    }


_asks = st.tuples(
    st.booleans(),
    st.integers(0, len(_LIMITS) - 1),
    st.sampled_from(_SUBJECTS),
    st.sampled_from((0, 0, 1, SECOND_NS // 3, SECOND_NS, 7 * SECOND_NS, 90 * SECOND_NS, DAY_NS)),
    st.sampled_from((1, 1, 1, 3)),
)


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 4), st.lists(_asks, min_size=1, max_size=60))
def test_who_holds_states_and_who_asks_are_told_the_same(
    most: int, asks: list[tuple[bool, int, str, int, int]]
) -> None:
    """In any order, over changes of limits, with states that are let go, and shared ones."""
    counters, asked = MemoryCounters(max_states=most), MemoryCounters(max_states=most)
    plans = _plans()
    kept: dict[tuple[int, str], HeldRing] = {}
    now_ns = _T0
    for holds, number, subject, step_ns, cost in asks:
        now_ns += step_ns
        plan = plans[number]
        expected = asked.decide(plan, (subject,), now_ns, cost)
        told = None
        if holds and (number, subject) in kept:
            told = kept[number, subject].charge(now_ns, cost)
        if told is not None:
            assert expected.allowed
            left = kept[number, subject].left(told[0], told[1])
            assert left == expected.left[0]
            assert told[2:] == (expected.figures, plan.is_near(expected.figures))
        else:
            decision = counters.decide(plan, (subject,), now_ns, cost)
            assert (decision.allowed, decision.figures) == (expected.allowed, expected.figures)
            held = counters.held(plan, (subject,))
            if held is not None:
                kept[number, subject] = held
        assert len(counters) == len(asked)
    assert _states(counters) == _states(asked)
