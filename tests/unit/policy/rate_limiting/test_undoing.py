"""The state before a charge."""

import pytest

from lukhas.policy.rate_limiting.counting import counting_of
from lukhas.policy.rate_limiting.limits import Kind, Limit
from lukhas.policy.rate_limiting.periods import Period
from lukhas.policy.rate_limiting.undoing import uncharged
from lukhas.units import DAY_NS, MINUTE_NS, SECOND_NS

NOW_NS = 20_250 * DAY_NS
LIMITS = {
    Kind.STRICT: Limit("l", 5, MINUTE_NS),
    Kind.EXACT: Limit("l", 5, MINUTE_NS, Kind.EXACT),
    Kind.GCRA: Limit("l", 5, MINUTE_NS, Kind.GCRA, 5),
    Kind.QUOTA: Limit("l", 5, DAY_NS, Kind.QUOTA, 0, Period.DAY),
    Kind.CONCURRENCY: Limit("l", 5, MINUTE_NS, Kind.CONCURRENCY),
}


@pytest.mark.parametrize("kind", list(Kind))
def test_the_last_charge_is_taken_back_whatever_the_clock_does(kind: Kind) -> None:
    """Also where time went back between two charges."""
    counting = counting_of(kind, [LIMITS[kind]])
    for later_ns in (0, 3 * SECOND_NS, -3 * SECOND_NS):
        state = counting.new_state(NOW_NS)
        assert counting.take(state, NOW_NS, 2) is not None
        now_ns = NOW_NS + later_ns
        assert counting.fits(state, now_ns, 1)
        left = counting.figures(state, now_ns)[0]
        assert counting.take(state, now_ns, 1) is not None
        before = uncharged(counting, bytes(state), now_ns=now_ns, cost=1)
        assert counting.figures(before, now_ns)[0] == left


def test_what_cost_nothing_is_as_it_was() -> None:
    """The very state is given back."""
    counting = counting_of(Kind.STRICT, [LIMITS[Kind.STRICT]])
    state = bytes(counting.new_state(NOW_NS))
    assert uncharged(counting, state, now_ns=NOW_NS, cost=0) is state
