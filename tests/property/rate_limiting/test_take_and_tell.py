"""One step of a strict ring that charges and tells, against the steps that it stands for."""

from operator import lt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lukhas.policy.rate_limiting.limits import Limit
from lukhas.policy.rate_limiting.plans import plan_for
from lukhas.policy.rate_limiting.strict_ring import StrictRing
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.units import DAY_NS, MINUTE_NS, SECOND_NS
from tests.property.rate_limiting.exact_log import NOW_NS
from tests.property.rate_limiting.test_strict_ring import costs, limit_sets, steps

# The usual case: three windows whose buckets are whole seconds, with room for many requests.
_USUAL = (
    Limit("m", 60, MINUTE_NS),
    Limit("h", 1000, 60 * MINUTE_NS),
    Limit("d", 10_000, DAY_NS),
)


@st.composite
def _asked(draw: st.DrawFn) -> tuple[tuple[Limit, ...], list[tuple[str, int, int]]]:
    limits = draw(st.one_of(st.just(_USUAL), limit_sets()))
    whats = st.sampled_from(("take", "take", "take", "take", "settle", "other"))
    few = st.one_of(st.just(0), steps(limits))
    asked = draw(st.lists(st.tuples(whats, few, costs), min_size=1, max_size=60))
    return limits, asked


@settings(max_examples=300, deadline=None)
@given(_asked(), st.integers(0, DAY_NS))
def test_it_does_and_tells_what_take_and_figures_do(
    asked: tuple[tuple[Limit, ...], list[tuple[str, int, int]]], offset_ns: int
) -> None:
    """Time stands still, goes on, jumps or goes back; others of the same limits come in between."""
    limits, steps_taken = asked
    now_ns = NOW_NS + offset_ns
    # Rings of their own, since a ring remembers the moments that it was asked about.
    ring, plain = StrictRing(limits), StrictRing(limits)
    plan = plan_for(Tier.FREE, limits, (), route="r")
    state, expected = ring.new_state(now_ns), plain.new_state(now_ns)
    other, likewise = state.copy(), expected.copy()
    charged_ns = now_ns
    for what, step_ns, cost in steps_taken:
        now_ns = max(0, now_ns + step_ns)
        if what == "other":
            assert ring.take(other, now_ns, cost) == plain.take(likewise, now_ns, cost)
        elif what == "settle":
            for each, one in ((ring, state), (plain, expected)):
                each.settle(one, at_ns=charged_ns, now_ns=now_ns, change=1 - cost)
        else:
            told = ring.take_and_tell(state, now_ns, cost)
            taken = plain.take(expected, now_ns, cost)
            if taken is None:
                assert told is None
            else:
                figures = plain.figures(taken, now_ns)
                assert told == (taken, figures, plan.is_near(figures))
                assert told[2] is any(map(lt, figures[::2], plan.near))
                charged_ns = now_ns
        assert state == expected


@given(limit_sets(), costs, st.integers(0, DAY_NS))
def test_what_does_not_fit_charges_nothing(
    limits: tuple[Limit, ...], cost: int, offset_ns: int
) -> None:
    now_ns = NOW_NS + offset_ns
    ring = StrictRing(limits)
    state = ring.new_state(now_ns)
    told = ring.take_and_tell(state, now_ns, cost)
    # Until so much is asked for that it does not fit.
    while told is not None:
        before = ring.used(state, now_ns)
        cost *= 2
        told = ring.take_and_tell(state, now_ns, cost)
        if told is None:
            assert ring.used(state, now_ns) == before
            assert not ring.fits(state, now_ns, cost)
    assert ring.take_and_tell(state, now_ns, 1 << 20) is None


@pytest.mark.parametrize("limits", [_USUAL, _USUAL[:1]])
def test_a_state_that_was_let_go_is_charged_by_nobody(limits: tuple[Limit, ...]) -> None:
    state = bytearray()
    assert StrictRing(limits).take_and_tell(state, NOW_NS, 1) is None
    assert state == bytearray()


@pytest.mark.parametrize("number", range(3))
def test_each_of_three_limits_may_be_near_its_end(number: int) -> None:
    """A limit is near its end when less than a fifth is left of it."""
    limits = tuple(
        Limit(limit.name, 10 if index == number else 1000, limit.window_ns)
        for index, limit in enumerate(_USUAL)
    )
    ring = StrictRing(limits)
    state = ring.new_state(NOW_NS)
    told = [ring.take_and_tell(state, NOW_NS + SECOND_NS // 10, 1) for _ in range(11)]
    assert [each and each[2] for each in told] == [False] * 8 + [True] * 2 + [None]
