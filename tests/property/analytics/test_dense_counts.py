"""Sketches whose buckets are one number, beside those that have them one by one."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zstandard import ZstdDecompressor

from lukhas.analytics.dense_counts import DENSE_MARK, DenseCounts, pack_dense
from lukhas.analytics.figures import Figures
from lukhas.analytics.packing import pack
from lukhas.telemetry.histograms import RELATIVE_ERROR, LatencySketch

# Each begins with as many neighbouring buckets as make a sketch dense.
busy = st.builds(
    lambda start_ns, more: [start_ns * (100 + step) // 100 for step in range(60)] + more,
    st.integers(10**3, 10**9),
    st.lists(st.integers(10**3, 2 * 10**9), max_size=30),
)
quiet = st.lists(st.integers(1, 10**12), max_size=5)
ranks = st.lists(st.floats(0, 1), min_size=1, max_size=4)


def sketch_of(values_ns: list[int]) -> LatencySketch:
    sketch = LatencySketch()
    sketch.add_many(values_ns)
    return sketch


def packed(sketch: LatencySketch) -> bytes:
    return pack_dense(sketch) or pack(sketch)


@given(busy)
def test_packing_loses_nothing(values_ns: list[int]) -> None:
    """What is unpacked is what was packed, or it is not packed so at all."""
    content = pack_dense(sketch_of(values_ns))
    if content is not None:
        assert content[0] == DENSE_MARK
        assert DenseCounts(content, ZstdDecompressor()).sketch() == sketch_of(values_ns)


@given(st.lists(st.one_of(busy, quiet), max_size=6), ranks)
def test_sums_are_those_of_all_values(parts: list[list[int]], qs: list[float]) -> None:
    """Whatever form each part has, in any order, with quantiles asked before and after."""
    values_ns = [value for part in parts for value in part]
    figures, halves = Figures(), [Figures(), Figures()]
    for number, part in enumerate(parts):
        figures.add_packed(packed(sketch_of(part)))
        halves[number % 2].add_packed(packed(sketch_of(part)))
    expected = sketch_of(values_ns)
    assert figures.quantiles_ms(qs) == [
        None if value is None else value / 1e6 for value in expected.quantiles_ns(qs)
    ]
    mean_ms = None if not values_ns else expected.total_ns / expected.count / 1e6
    assert figures.mean_ms == mean_ms
    together = Figures()
    for half in halves:
        together.merge(half)
    assert together.mean_ms == mean_ms
    assert together.latency == expected == figures.latency
    for half in halves:
        half.merge(half)
        assert half.latency.count % 2 == 0


@given(busy, busy)
def test_a_merge_leaves_the_other_as_it_was(one: list[int], other: list[int]) -> None:
    """Sums grow, what was added does not."""
    source, total = Figures(), Figures()
    source.add_packed(packed(sketch_of(one)))
    total.merge(source)
    total.add_packed(packed(sketch_of(other)))
    assert source.latency == sketch_of(one)
    assert total.latency == sketch_of(one + other)


def test_more_values_than_fit_a_field_are_added_all_the_same() -> None:
    """Counts of 32 bits never run into each other: then the sum goes on bucket by bucket."""
    sketch = sketch_of([1000 * (100 + step) for step in range(60)])
    for index in sketch.buckets:
        sketch.buckets[index] = 1 << 25
    sketch.count = len(sketch.buckets) << 25
    assert sketch.count < 1 << 32
    content = pack_dense(sketch)
    assert content is not None
    figures = Figures()
    for _ in range(200):
        figures.add_packed(content)
    assert figures.latency.count == 200 * sketch.count
    assert set(figures.latency.buckets.values()) == {200 << 25}
    assert figures.quantile_ms(0.5) == sketch.quantile_ns(0.5) / 1e6  # type: ignore[operator]
    sketch.count = 1 << 32
    assert pack_dense(sketch) is None


@given(st.lists(st.one_of(busy, quiet), max_size=12))
def test_many_packed_ones_are_added_at_once(parts: list[list[int]]) -> None:
    """The sum is the same as that of one after the other."""
    figures = Figures()
    figures.add_all_packed([pack(sketch_of(part)) for part in parts])
    values_ns = [value for part in parts for value in part]
    assert figures.latency == sketch_of(values_ns)


@pytest.mark.parametrize("buckets", [{1: 3}, {20_000: 3}, {8200: 1 << 32}])
def test_what_has_no_room_is_added_bucket_by_bucket(buckets: dict[int, int]) -> None:
    """Buckets that no duration falls into, and more values than a field can count."""
    odd = LatencySketch(buckets, sum(buckets.values()), 30, 10, 10)
    usual = sketch_of([1000, 2000])
    figures = Figures()
    figures.add_all_packed([pack(usual), pack(odd), pack(usual), pack(usual)])
    assert figures.latency.count == 6 + odd.count
    assert figures.latency.total_ns == 3 * 3000 + 30
    ((bucket, number),) = buckets.items()
    assert figures.latency.buckets[bucket] == number


def test_few_or_scattered_values_are_not_dense() -> None:
    """Then the form with gaps is the smaller one."""
    assert pack_dense(sketch_of([1_000_000, 1_100_000])) is None
    assert pack_dense(sketch_of([2**power for power in range(35)])) is None
    assert pack_dense(LatencySketch()) is None


def test_a_machine_that_keeps_the_leading_byte_first_turns_the_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is stored has the last byte first; here it looks turned, since this one does so too."""
    content = pack_dense(sketch_of([1000 * (100 + step) for step in range(60)]))
    assert content is not None
    dense = DenseCounts(content, ZstdDecompressor())
    counts = dense._counts()
    monkeypatch.setattr(sys, "byteorder", {"little": "big", "big": "little"}[sys.byteorder])
    turned = dense._counts()
    turned.byteswap()
    assert turned == counts


@given(busy, st.floats(0, 1))
def test_the_error_stays_within_its_bound(values_ns: list[int], q: float) -> None:
    """A quantile of dense counts is within the bound of the value of its rank."""
    content = pack_dense(sketch_of(values_ns))
    if content is None:
        return
    (quantile_ns,) = DenseCounts(content, ZstdDecompressor()).quantiles_ns((q,))
    rank = max(1, -(-int(q * 2**53) * len(values_ns) // 2**53))
    near = sorted(values_ns)[max(rank - 2, 0) : rank + 1]
    assert quantile_ns is not None
    assert any(abs(quantile_ns - value) <= RELATIVE_ERROR * value for value in near)
