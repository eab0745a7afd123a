"""Latency sketches."""

import msgspec
import pytest

from lukhas.telemetry.histograms import LatencySketch


def test_an_empty_sketch_has_no_quantile() -> None:
    """No value, no figure; adding nothing and merging nothing changes nothing."""
    sketch = LatencySketch()
    sketch.add_many([])
    sketch.merge(LatencySketch())
    assert sketch.quantile_ns(0.5) is None
    assert sketch == LatencySketch()


def test_count_sum_and_extremes_are_exact() -> None:
    """They are kept beside the buckets."""
    sketch = LatencySketch()
    for value in (5_000, 3_000, 9_000):
        sketch.add(value)
    assert (sketch.count, sketch.total_ns, sketch.min_ns, sketch.max_ns) == (
        3,
        17_000,
        3_000,
        9_000,
    )


def test_a_single_value_is_its_own_quantile() -> None:
    """Estimates are clamped to what was seen."""
    sketch = LatencySketch()
    sketch.add(1_234_567)
    assert sketch.quantile_ns(0.99) == 1_234_567


def test_a_duration_below_one_nanosecond_counts_as_one() -> None:
    """Clocks that stand still or jump do not break the sketch."""
    sketch = LatencySketch()
    sketch.add_many([0, -5, 7])
    assert (sketch.count, sketch.total_ns, sketch.min_ns) == (3, 9, 1)


def test_cumulative_counts_rise_with_their_bounds() -> None:
    """Each bound counts everything at or below it."""
    sketch = LatencySketch()
    sketch.add_many([1_000, 2_000, 4_000, 8_000])
    assert sketch.cumulative([500, 1_500, 5_000, 5_001, 100_000]) == [0, 1, 3, 3, 4]


def test_a_copy_shares_nothing() -> None:
    """What is added to a copy stays out of the original."""
    sketch = LatencySketch()
    sketch.add(10)
    sketch.copy().add(20)
    assert sketch.count == 1
    assert sum(sketch.buckets.values()) == 1


def test_a_sketch_survives_the_wire() -> None:
    """It is sent as MessagePack."""
    sketch = LatencySketch()
    sketch.add_many([1_000, 1_000_000])
    wire = msgspec.msgpack.encode(sketch)
    assert msgspec.msgpack.decode(wire, type=LatencySketch) == sketch


def test_buckets_that_hold_too_little_give_the_largest_value() -> None:
    """A sketch from the wire may lie about its count; asking it still ends."""
    assert LatencySketch(buckets={}, count=2, min_ns=1, max_ns=9).quantile_ns(0.5) == 9


@pytest.mark.parametrize("q", [0.0, 1.0])
def test_the_outer_quantiles_lie_at_the_extremes(q: float) -> None:
    """Rank 1 and rank n are the smallest and the largest value."""
    sketch = LatencySketch()
    sketch.add_many([1_000, 2_000, 3_000])
    assert sketch.quantile_ns(q) == pytest.approx(1_000 if q == 0 else 3_000, rel=0.012)
