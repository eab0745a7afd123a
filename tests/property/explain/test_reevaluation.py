"""A record of a limit decision holds all that the decision depended on."""

from dataclasses import replace

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from lukhas.policy.explain.limit_facts import decided_again, facts_of_limits
from lukhas.policy.explain.records import LimitFacts
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.counting import counting_of
from lukhas.policy.rate_limiting.decisions import decide
from lukhas.policy.rate_limiting.dimensions import Dimension
from lukhas.policy.rate_limiting.plans import LimitGroup, LimitPlan
from lukhas.policy.rate_limiting.undoing import uncharged
from lukhas.units import DAY_NS
from tests.property.rate_limiting.exact_log import NOW_NS
from tests.property.rate_limiting.kinds import Used, arrivals, kinds, limit_sets, used_limits


@st.composite
def plans(draw: st.DrawFn) -> LimitPlan:
    """One to four groups of any kinds, enforced ones first."""
    modes = draw(st.lists(st.sampled_from((Mode.ENFORCE, Mode.SHADOW)), min_size=1, max_size=4))
    groups = []
    for index, mode in enumerate(sorted(modes, key=lambda mode: mode is Mode.SHADOW)):
        kind = draw(kinds)
        # Limits that apply together have names of their own; see `plan_for`.
        limits = [replace(limit, name=f"{index}-{limit.name}") for limit in draw(limit_sets(kind))]
        groups.append(
            LimitGroup(
                table=str(index),
                counting=counting_of(kind, limits),
                by=Dimension.CONSUMER,
                mode=mode,
                policies=tuple(f"p{index}" for _limit in limits),
            )
        )
    return LimitPlan(tuple(groups))


@given(plans(), st.integers(0, 400 * DAY_NS), arrivals, st.data())
def test_every_decision_comes_out_again(
    plan: LimitPlan, late_ns: int, coming: list[tuple[int, int]], data: st.DataObject
) -> None:
    """Whatever was counted before, in verdict and figures, through bytes and back."""
    now_ns = NOW_NS + late_ns
    states = [group.counting.new_state(now_ns) for group in plan.groups]
    zeroes = st.lists(st.integers(0, 3), min_size=len(states), max_size=len(states))
    for step_ns, cost in coming:
        now_ns += step_ns
        costs = tuple(data.draw(zeroes)) if data.draw(st.booleans()) else ()
        decision = decide(plan, states, now_ns, cost, costs)
        facts = facts_of_limits(decision)
        assert facts is not None
        read = msgspec.msgpack.decode(msgspec.msgpack.encode(facts), type=LimitFacts)
        again = decided_again(read)
        assert again.verdict() == decision.verdict()
        assert again.figures == decision.figures
        assert again.retry_after_s == decision.retry_after_s


@given(used_limits(), st.integers(1, 4))
def test_a_charge_undone_leaves_the_state_before(used: Used, cost: int) -> None:
    """What fits after that is just what fitted before; at no time less or more."""
    before = used.copy()
    before.counting.fits(before.state, used.now_ns, cost)
    if used.counting.take(used.state, used.now_ns, cost) is None:
        return
    state = uncharged(used.counting, bytes(used.state), now_ns=used.now_ns, cost=cost)
    undone = Used(used.counting, bytearray(state), used.now_ns)
    assert undone.room(used.now_ns) == before.room(used.now_ns)
