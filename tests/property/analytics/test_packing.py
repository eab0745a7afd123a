"""Packed sketches and roll-ups of them."""

import math

from hypothesis import given
from hypothesis import strategies as st

from lukhas.analytics.levels import LEVELS, cover
from lukhas.analytics.packing import pack, unpacked
from lukhas.analytics.rolling import rolled_points
from lukhas.telemetry.histograms import RELATIVE_ERROR, LatencySketch

durations = st.lists(st.integers(1, 10**12), max_size=40)


def sketch_of(values_ns: list[int]) -> LatencySketch:
    sketch = LatencySketch()
    sketch.add_many(values_ns)
    return sketch


@given(durations)
def test_packing_loses_nothing(values_ns: list[int]) -> None:
    """What is unpacked is what was packed."""
    assert unpacked([pack(sketch_of(values_ns))]) == sketch_of(values_ns)


@given(durations, st.lists(st.floats(0, 1), max_size=5))
def test_several_quantiles_are_those_one_by_one(values_ns: list[int], qs: list[float]) -> None:
    """And each is the middle of the bucket that holds the value of its rank."""
    sketch = sketch_of(values_ns)
    assert sketch.quantiles_ns(qs) == [sketch.quantile_ns(q) for q in qs]
    for q, quantile_ns in zip(qs, sketch.quantiles_ns(qs), strict=True):
        if not values_ns:
            assert quantile_ns is None
            continue
        exact_ns = sorted(values_ns)[max(1, math.ceil(q * len(values_ns))) - 1]
        assert quantile_ns is not None
        assert abs(quantile_ns - exact_ns) <= RELATIVE_ERROR * exact_ns


@given(st.lists(st.lists(durations, max_size=5), max_size=5))
def test_roll_ups_of_roll_ups_are_roll_ups_of_what_was_recorded(
    minutes: list[list[list[int]]],
) -> None:
    """Seconds into minutes into an hour gives the sketch of all values, and its quantiles."""
    rolled = []
    everything = []
    for seconds in minutes:
        rows = [(1, 7, pack(sketch_of(values_ns))) for values_ns in seconds if values_ns]
        everything += [value for values_ns in seconds for value in values_ns]
        for number, figures in rolled_points(rows).items():
            rolled.append((number, figures.bytes_out, pack(figures.latency)))
    hour = rolled_points(rolled)
    assert (hour[1].latency if hour else LatencySketch()) == sketch_of(everything)
    for q in (0.5, 0.95, 0.99):
        quantile_ns = hour[1].latency.quantile_ns(q) if hour else None
        if quantile_ns is not None:
            exact_ns = sorted(everything)[max(1, -(-int(q * 100) * len(everything) // 100)) - 1]
            assert abs(quantile_ns - exact_ns) <= 2 * RELATIVE_ERROR * exact_ns + 1


@given(st.integers(0, 400_000), st.integers(0, 400_000), st.integers(0, 400_000))
def test_a_window_is_covered_once(from_s: int, length_s: int, done: int) -> None:
    """Each second of a window is in exactly one piece, whole rows, none that is not made yet."""
    done_s = {level: done - done % level for level in LEVELS[1:]}
    to_s = from_s + length_s
    pieces = list(cover(from_s, to_s, done_s=done_s, levels=tuple(reversed(LEVELS))))
    at_s = from_s
    for piece in pieces:
        assert piece.from_s == at_s < piece.to_s
        assert piece.from_s % piece.level == piece.to_s % piece.level == 0
        assert piece.level == 1 or piece.to_s <= done_s[piece.level]
        at_s = piece.to_s
    assert at_s == to_s
