"""What a strict ring tells of three windows: the same as three rings of one window each."""

import random

import pytest

from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.strict_ring import StrictRing
from lukhas.units import SECOND_NS

_START_NS = 1_764_000_000 * SECOND_NS


@pytest.mark.parametrize(
    "text",
    [
        "100000/minute; 200000/hour; 300000/day",
        # Buckets of 1 s, 4.5 s and 3 min: not all are whole seconds.
        "100000/20 seconds; 200000/90 seconds; 300000/hour",
    ],
)
@pytest.mark.parametrize("seed", range(5))
def test_three_windows_tell_what_each_would_alone(text: str, seed: int) -> None:
    """Whether idle, pending or booked, on a whole second or not, at any moment after a charge."""
    draw = random.Random(seed)
    limits = parse_limits(text, policy="x")
    rings = [StrictRing(limits), *(StrictRing([limit]) for limit in limits)]
    now_ns = _START_NS + draw.randrange(10**12)
    states = [ring.new_state(now_ns) for ring in rings]
    for _ in range(500):
        now_ns += round(draw.expovariate(1) * draw.choice((10**8, 10**9, 2 * 10**10, 10**13)))
        if draw.random() < 0.1:
            now_ns += -now_ns % SECOND_NS
        for ring, state in zip(rings, states, strict=True):
            assert ring.take(state, now_ns, 1) is not None
        later_ns = now_ns + draw.choice((0, 1, SECOND_NS // 2))
        told = [ring.figures(state, later_ns) for ring, state in zip(rings, states, strict=True)]
        assert told[0] == told[1] + told[2] + told[3]
