"""Packed sketches and roll-ups of them."""

import math

from hypothesis import given
from hypothesis import strategies as st

from lukhas.analytics.levels import LEVELS, cover
from lukhas.analytics.packing import pack, pack_block, points_of, unpacked
from lukhas.analytics.rolling import rolled_blocks
from lukhas.telemetry.histograms import RELATIVE_ERROR, LatencySketch
from lukhas.telemetry.series import SeriesFigures

durations = st.lists(st.integers(1, 10**12), max_size=40)


def sketch_of(values_ns: list[int]) -> LatencySketch:
    sketch = LatencySketch()
    sketch.add_many(values_ns)
    return sketch


@given(durations)
def test_packing_loses_nothing(values_ns: list[int]) -> None:
    """What is unpacked is what was packed."""
    assert unpacked([pack(sketch_of(values_ns))]) == sketch_of(values_ns)


@given(st.dictionaries(st.integers(1, 20_000), st.tuples(durations, st.integers(0, 2**40))))
def test_a_block_holds_each_series(figures: dict[int, tuple[list[int], int]]) -> None:
    """In the order of their numbers, with requests, bytes and durations."""
    sums = {
        number: SeriesFigures(sketch_of(values_ns), bytes_out)
        for number, (values_ns, bytes_out) in figures.items()
    }
    found = list(points_of(pack_block(sums)))
    assert [point[0] for point in found] == sorted(sums)
    for number, requests, bytes_out, packed in found:
        values_ns, sent = figures[number]
        assert (requests, bytes_out) == (len(values_ns), sent)
        assert unpacked([packed]) == sketch_of(values_ns)


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
        blocks = [
            pack_block({7: SeriesFigures(sketch_of(values_ns), 1)})
            for values_ns in seconds
            if values_ns
        ]
        everything += [value for values_ns in seconds for value in values_ns]
        rolled.append(pack_block(rolled_blocks(blocks)))
    hour = rolled_blocks(rolled)
    assert (hour[7].latency if hour else LatencySketch()) == sketch_of(everything)
    assert sum(figures.bytes_out for figures in hour.values()) == sum(
        1 for seconds in minutes for values_ns in seconds if values_ns
    )
    for q in (0.5, 0.95, 0.99):
        quantile_ns = hour[7].latency.quantile_ns(q) if hour else None
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
