"""Latency sketches keep their promises for any values."""

import math

from hypothesis import given
from hypothesis import strategies as st

from lukhas.telemetry.histograms import RELATIVE_ERROR, DurationCounts, LatencySketch

durations = st.lists(st.integers(1, 10**13), min_size=1, max_size=200)


def sketch_of(values: list[int]) -> LatencySketch:
    sketch = LatencySketch()
    sketch.add_many(values)
    return sketch


@given(durations, st.floats(0, 1))
def test_a_quantile_is_within_the_promised_error(values: list[int], q: float) -> None:
    """The estimate is at most 1.2 % away from the value at rank ceil(q * n)."""
    exact = sorted(values)[max(1, math.ceil(q * len(values))) - 1]
    estimate = sketch_of(values).quantile_ns(q)
    assert estimate is not None
    assert RELATIVE_ERROR < 0.012
    assert abs(estimate - exact) <= RELATIVE_ERROR * exact


@given(st.lists(durations, min_size=1, max_size=6))
def test_a_merge_is_exact(parts: list[list[int]]) -> None:
    """The merge of sketches is the sketch of all values, in whatever order they are merged."""
    everything = sketch_of([value for part in parts for value in part])
    forward, backward = LatencySketch(), LatencySketch()
    for part in parts:
        forward.merge(sketch_of(part))
    for part in reversed(parts):
        backward.merge(sketch_of(part))
    assert forward == everything
    assert backward == everything


@given(st.lists(st.integers(0, 2**62), min_size=1, max_size=40), st.integers(1, 20))
def test_values_come_in_any_batches(values: list[int], times: int) -> None:
    """One by one, a few or many at once: buckets, sum and extremes are the same."""
    at_once, one_by_one = DurationCounts(), DurationCounts()
    at_once.add_many(values * times)
    for value in values:
        one_by_one.add_many([value] * times)
    single = LatencySketch()
    for value in values * times:
        single.add(value)
    assert at_once.sketch() == one_by_one.sketch() == single


@given(durations, st.integers(1, 10**13))
def test_a_cumulative_count_is_right_beside_the_error(values: list[int], bound: int) -> None:
    """Values clearly below a bound are counted, values clearly above it are not."""
    (counted,) = sketch_of(values).cumulative([bound])
    assert sum(value <= bound * (1 - 2 * RELATIVE_ERROR) for value in values) <= counted
    assert counted <= sum(value <= bound * (1 + 2 * RELATIVE_ERROR) for value in values)
