"""Peak EWMA: quick to believe that a target is slow, slow to believe that it is quick."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lukhas.policy.balancing.loads import DECAY_NS, Load
from lukhas.units import MILLISECOND_NS, SECOND_NS

T0 = 1_750_000_000 * SECOND_NS


def answered(load: Load, latency_ms: int, at_ns: int) -> None:
    load.began()
    load.answered(latency_ms * MILLISECOND_NS, at_ns)


def test_a_peak_counts_at_once() -> None:
    """One slow answer is enough."""
    load = Load()
    answered(load, 10, T0)
    answered(load, 500, T0 + 1)
    assert load.latency_ns == 500 * MILLISECOND_NS


def test_a_quick_answer_counts_by_and_by() -> None:
    """After the time of decay the old average counts for 1/e."""
    load = Load()
    answered(load, 100, T0)
    answered(load, 10, T0 + 1)
    assert load.latency_ns == pytest.approx(100 * MILLISECOND_NS, rel=0.01)
    answered(load, 10, T0 + DECAY_NS)
    assert load.latency_ns == pytest.approx((10 + 90 * 0.3679) * MILLISECOND_NS, rel=0.01)


def test_what_is_not_known_is_tried_once_at_a_time() -> None:
    """An idle new target costs nothing; with a request under way it costs more than any known."""
    new, known = Load(), Load()
    answered(known, 30, T0)
    assert new.cost(T0) == 0
    new.began()
    assert new.cost(T0) > known.cost(T0)


def test_cost_grows_with_what_is_in_flight_and_fades_with_time() -> None:
    """A target that was slow long ago is tried again."""
    load = Load()
    answered(load, 10, T0)
    idle = load.cost(T0)
    load.began()
    assert load.cost(T0) == pytest.approx(2 * idle)
    load.ended()
    assert load.cost(T0 + 20 * DECAY_NS) < idle / 1000


@given(st.lists(st.tuples(st.integers(1, 10_000), st.integers(0, 60_000)), min_size=1))
def test_the_average_stays_between_the_samples(samples: list[tuple[int, int]]) -> None:
    """And what has begun and ended leaves nothing in flight, also if a clock steps back."""
    load, now_ns = Load(), T0
    for latency_ms, gap_ms in samples:
        now_ns += (gap_ms - 1000) * MILLISECOND_NS
        answered(load, latency_ms, now_ns)
    latencies = [latency_ms * MILLISECOND_NS for latency_ms, _gap in samples]
    assert min(latencies) * 0.999 <= load.latency_ns <= max(latencies)
    assert load.in_flight == 0
