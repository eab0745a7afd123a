"""Sketches as exponential histograms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lukhas.telemetry.exponential import FINEST_SCALE, exponential_of
from lukhas.telemetry.histograms import RELATIVE_ERROR, LatencySketch
from lukhas.units import SECOND_NS

_DURATIONS = st.lists(st.integers(1, 10**13), min_size=1, max_size=50)


def sketch_of(values: list[int]) -> LatencySketch:
    sketch = LatencySketch()
    sketch.add_many(values)
    return sketch


def test_buckets_are_powers_of_a_base() -> None:
    """One second is at the limit between the buckets -1 and 0."""
    found = exponential_of(sketch_of([SECOND_NS * 9 // 10, SECOND_NS * 102 // 100]))
    assert found.scale == FINEST_SCALE
    assert found.counts == {-3: 1, 0: 1}
    assert exponential_of(LatencySketch(), most_buckets=2).counts == {}


def test_both_sides_of_a_second_are_never_joined() -> None:
    """So one bucket alone cannot be asked for."""
    found = exponential_of(sketch_of([1, 10**13]), most_buckets=2)
    assert set(found.counts) == {-1, 0}
    with pytest.raises(ValueError, match="at least two"):
        exponential_of(LatencySketch(), most_buckets=1)


@given(_DURATIONS)
def test_every_value_is_near_its_bucket(values: list[int]) -> None:
    """At most the error of the sketch outside of it."""
    for value in values:
        found = exponential_of(sketch_of([value]))
        ((index, number),) = found.counts.items()
        base = 2.0 ** (2.0**-found.scale)
        assert number == 1
        low, high = base**index * SECOND_NS, base ** (index + 1) * SECOND_NS
        slack = 1 + RELATIVE_ERROR + 1e-9
        assert low / slack <= value <= high * slack


@given(_DURATIONS, st.integers(2, 200))
def test_no_value_is_lost_however_few_buckets(values: list[int], most: int) -> None:
    """A bucket of a smaller scale holds two of the next one."""
    sketch = sketch_of(values)
    found = exponential_of(sketch, most_buckets=most)
    assert sum(found.counts.values()) == len(values)
    assert max(found.counts) - min(found.counts) < most
    finest = exponential_of(sketch)
    shift = FINEST_SCALE - found.scale
    joined: dict[int, int] = {}
    for index, number in finest.counts.items():
        joined[index >> shift] = joined.get(index >> shift, 0) + number
    assert joined == found.counts
    if shift:
        wider = max(finest.counts) >> (shift - 1), min(finest.counts) >> (shift - 1)
        assert wider[0] - wider[1] + 1 > most


@given(_DURATIONS, _DURATIONS)
def test_what_is_merged_is_the_sum(one: list[int], other: list[int]) -> None:
    """Bucket by bucket: nothing depends on who counted."""
    together = exponential_of(sketch_of(one + other)).counts
    apart = [exponential_of(sketch_of(values)).counts for values in (one, other)]
    for index in together:
        assert together[index] == sum(counts.get(index, 0) for counts in apart)
