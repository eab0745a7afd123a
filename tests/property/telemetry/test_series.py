"""Figures for the history add up the same in any order."""

import copy

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from lukhas.telemetry.histograms import LatencySketch
from lukhas.telemetry.leaders import Leaders, Tally
from lukhas.telemetry.series import HistoryDelta, SeriesFigures, SeriesLabels
from lukhas.telemetry.uniques import EXACT_UP_TO, RELATIVE_ERROR, Uniques

LABELS = [
    SeriesLabels(route, "GET", status, "free", "none", "main", "miss", "passed")
    for route in ("/a", "/b")
    for status in ("2xx", "5xx")
]


def sketch_of(values_ns: list[int]) -> LatencySketch:
    sketch = LatencySketch()
    sketch.add_many(values_ns)
    return sketch


figures = st.builds(
    SeriesFigures,
    st.lists(st.integers(0, 10**12), max_size=20).map(sketch_of),
    st.integers(0, 10**6),
)
tallies = st.builds(Tally, st.integers(1, 100), st.integers(0, 9), st.integers(0, 9))
leaders = st.builds(Leaders, st.dictionaries(st.sampled_from("abcdef"), tallies))
uniques = st.builds(Uniques, st.sets(st.integers(0, 2**64 - 1), max_size=600))
deltas = st.builds(
    HistoryDelta,
    st.dictionaries(st.sampled_from(LABELS), figures),
    leaders,
    leaders,
    uniques,
    st.integers(0, 9),
)


def joined(*parts: HistoryDelta) -> HistoryDelta:
    together = HistoryDelta()
    for part in parts:
        together.merge(copy.deepcopy(part))
    return together


@given(deltas, deltas, deltas)
def test_merging_is_associative_and_commutative(
    a: HistoryDelta, b: HistoryDelta, c: HistoryDelta
) -> None:
    """Whatever is added to what first, the sum is the same, to the last bucket and register."""
    assert joined(joined(a, b), c) == joined(a, joined(b, c)) == joined(c, b, a)


@given(deltas)
def test_nothing_is_lost_on_the_way(delta: HistoryDelta) -> None:
    """What is decoded is what was encoded."""
    sent = msgspec.msgpack.encode(delta)
    assert msgspec.msgpack.decode(sent, type=HistoryDelta) == delta


@given(st.lists(st.dictionaries(st.integers(0, 9999).map(str), tallies, max_size=50), max_size=5))
def test_the_sum_over_leaders_and_the_rest_is_exact(parts: list[dict[str, Tally]]) -> None:
    """Letting small keys go loses no request, and no key is counted too high."""
    together = Leaders({str(key): Tally(2) for key in range(1990)})
    expected = 1990 * 2
    for part in parts:
        expected += sum(tally.requests for tally in part.values())
        together.merge(Leaders(copy.deepcopy(part)))
    assert together.total().requests == expected
    assert len(together.tallies) <= 2000


@given(st.integers(0, 5), st.integers(1, 5))
def test_uniques_are_within_their_bound(seed: int, parts: int) -> None:
    """Exact while there are few; then within four standard errors; however they were split."""
    for number in (EXACT_UP_TO, 5000):
        keys = [f"{seed}-{each}" for each in range(number)]
        whole = Uniques()
        whole.add_keys(keys)
        together = Uniques()
        for part in range(parts):
            one = Uniques()
            one.add_keys(keys[part::parts])
            together.merge(one)
        assert together == whole
        allowed = 0 if number <= EXACT_UP_TO else 4 * RELATIVE_ERROR * number
        assert abs(whole.count() - number) <= allowed
