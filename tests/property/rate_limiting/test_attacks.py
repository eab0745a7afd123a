"""Traffic made to get more than its due out of a limit, and what honest traffic gets."""

import pytest

from lukhas.policy.rate_limiting.limit_syntax import parse_limit
from lukhas.policy.rate_limiting.limits import Limit
from lukhas.units import MINUTE_NS, SECOND_NS
from tests.property.rate_limiting.exact_log import (
    NOW_NS,
    admitted_by,
    admitted_by_log,
    poisson,
    worst_window,
)

LIMIT = parse_limit("60/minute", policy="free")
EXACT = parse_limit("60/minute exact", policy="free")
ALIGNED_NS = NOW_NS // MINUTE_NS * MINUTE_NS


def boundary_attack(offset_ns: int) -> list[int]:
    """A full burst just before a minute ends, another just after."""
    edge_ns = ALIGNED_NS + 10 * MINUTE_NS + offset_ns
    return [edge_ns - 1 - number for number in range(100)][::-1] + [
        edge_ns + number for number in range(100)
    ]


def on_off_bursts(period_ns: int) -> list[int]:
    """A burst of the whole quota, silence, again."""
    return [
        ALIGNED_NS + burst * period_ns + number * 1000
        for burst in range(200)
        for number in range(60)
    ]


def late_burst_then_greedy(burst_at_ns: int) -> list[int]:
    """Nothing until late in a window, all of the quota at once, then as fast as possible."""
    start_ns = ALIGNED_NS + burst_at_ns
    greedy = range(start_ns, start_ns + 5 * MINUTE_NS, SECOND_NS // 20)
    return [start_ns] * 60 + list(greedy)


ATTACKS = {
    **{f"boundary+{offset}": boundary_attack(offset) for offset in (0, 1, 1_500_000_000)},
    **{
        f"bursts/{period_ms}": on_off_bursts(period_ms * 1_000_000)
        for period_ms in (1_000, 29_999, 30_000, 31_000, 57_000, 59_999, 60_000, 60_001)
    },
    **{
        f"late+{at_ms}": late_burst_then_greedy(at_ms * 1_000_000)
        for at_ms in (0, 2_999, 3_000, 55_000, 58_999, 59_999)
    },
}


@pytest.mark.parametrize("limit", [LIMIT, EXACT], ids=str)
@pytest.mark.parametrize("arrivals", ATTACKS.values(), ids=ATTACKS.keys())
def test_no_attack_gets_more_than_the_limit(arrivals: list[int], limit: Limit) -> None:
    """Worst admitted in any 60 s over the limit: 1.00, and the whole quota is really to be had."""
    admitted = admitted_by(arrivals, limit)
    # An exact window is half open: what came just one window ago has left it.
    open_ns = 1 if limit is EXACT else 0
    assert worst_window(admitted, limit.window_ns - open_ns) == limit.quota


@pytest.mark.parametrize("seed", range(8))
def test_twice_too_much_gets_95_per_cent_of_an_exact_log(seed: int) -> None:
    """At 2x overload by independent callers the price of constant memory is at most 5 per cent."""
    arrivals = poisson(seed, per_minute=120, minutes=60)
    admitted = admitted_by(arrivals, LIMIT)
    exact = admitted_by_log(arrivals, LIMIT)
    # Arrivals that fall on the last microsecond of a window are the only difference there can be.
    assert abs(len(admitted_by(arrivals, EXACT)) - len(exact)) <= 1
    assert worst_window(admitted, LIMIT.window_ns) <= LIMIT.quota
    assert worst_window(exact, LIMIT.window_ns) == LIMIT.quota
    assert 0.95 <= len(admitted) / len(exact) <= 1


@pytest.mark.parametrize("seed", range(3))
def test_half_the_limit_passes_untouched(seed: int) -> None:
    """Who stays well below the limit never notices it."""
    arrivals = poisson(seed, per_minute=20, minutes=60)
    for limit in (LIMIT, EXACT):
        assert len(admitted_by(arrivals, limit)) == len(arrivals)
