"""Sums of blocks, and which of them are kept."""

import pytest

from lukhas.analytics import block_sums
from lukhas.analytics.block_sums import BlockSums, Grouping
from lukhas.analytics.levels import FIVE_MINUTES_S, HOUR_S, MINUTE_S
from lukhas.analytics.packing import pack_block, points_of
from lukhas.analytics.questions import Question
from lukhas.analytics.series_book import SeriesBook
from lukhas.telemetry.histograms import LatencySketch
from lukhas.telemetry.series import SeriesFigures, SeriesLabels

TIERS = ("free", "premium")


def labels(number: int) -> SeriesLabels:
    tier = TIERS[number % 2]
    return SeriesLabels(f"/{number}", "GET", "2xx", tier, "none", "main", "hit", "passed")


def figures(number: int) -> SeriesFigures:
    sketch = LatencySketch()
    sketch.add_many([1000 * (number + 1 + each) for each in range(number + 1)])
    return SeriesFigures(sketch, number)


def book(series: int) -> SeriesBook:
    made = SeriesBook()
    for number in range(series):
        made.number(labels(number))
    return made


def by_tier(**only: str) -> Question:
    picked = {name: frozenset((value,)) for name, value in only.items()}
    return Question(from_s=0, to_s=HOUR_S, group_by=("tier",), only=picked)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The blocks that were read."""
    contents: list[bytes] = []

    def noted(content: bytes) -> object:
        contents.append(content)
        return points_of(content)

    monkeypatch.setattr("lukhas.analytics.block_sums.points_of", noted)
    return contents


BLOCK = pack_block({number + 1: figures(number) for number in range(20)})


def test_sums_are_those_of_the_series() -> None:
    """Requests, bytes and durations of each group, and only of the series that count."""
    sums = BlockSums().of(HOUR_S, 0, BLOCK, Grouping(book(20), by_tier()))
    assert set(sums) == {("free",), ("premium",)}
    for parity, tier in enumerate(TIERS):
        latency = LatencySketch()
        for number in range(parity, 20, 2):
            latency.merge(figures(number).latency)
        found = sums[(tier,)]
        assert found.requests == found.hits == latency.count
        assert found.bytes_out == sum(range(parity, 20, 2))
        assert found.latency == latency
    some = BlockSums().of(HOUR_S, 0, BLOCK, Grouping(book(20), by_tier(route="/3")))
    assert some[("premium",)].latency == figures(3).latency
    assert set(some) == {("premium",)}


def test_what_does_not_change_is_read_once(read: list[bytes]) -> None:
    """For each question; blocks of seconds and minutes are read each time."""
    sums = BlockSums()
    for level in (FIVE_MINUTES_S, HOUR_S):
        for question in (by_tier(), by_tier(route="/1")):
            first = sums.of(level, 0, BLOCK, Grouping(book(20), question))
            assert sums.of(level, 0, b"", Grouping(book(20), question)) is first
    assert len(read) == 4
    for _ in range(2):
        sums.of(MINUTE_S, 0, BLOCK, Grouping(book(20), by_tier()))
    assert len(read) == 6


def test_a_block_with_an_unknown_series_is_read_again(read: list[bytes]) -> None:
    """Another process has given the number; the series counts as soon as it is known here."""
    sums = BlockSums()
    some = sums.of(HOUR_S, 0, BLOCK, Grouping(book(10), by_tier()))
    every = sums.of(HOUR_S, 0, BLOCK, Grouping(book(20), by_tier()))
    assert sum(each.requests for each in some.values()) == sum(range(1, 11))
    assert sum(each.requests for each in every.values()) == sum(range(1, 21))
    assert len(read) == 2


def test_only_so_many_are_kept(read: list[bytes]) -> None:
    """The oldest go first; what is too large alone is not kept."""
    sums, grouping = BlockSums(most=6), Grouping(book(20), by_tier())
    for start_s in (0, HOUR_S, 2 * HOUR_S, 2 * HOUR_S, HOUR_S):
        sums.of(HOUR_S, start_s, BLOCK, grouping)
    assert len(read) == 3
    sums.of(HOUR_S, 0, BLOCK, grouping)
    assert len(read) == 4
    small = BlockSums(most=2)
    for _ in range(2):
        small.of(HOUR_S, 0, BLOCK, grouping)
    assert len(read) == 6


def test_two_who_read_the_same_keep_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both get an answer; the room is taken once."""
    sums, grouping = BlockSums(most=6), Grouping(book(20), by_tier())
    summed = block_sums._summed

    def meanwhile(content: bytes, asked: Grouping) -> block_sums.Sums:
        monkeypatch.setattr(block_sums, "_summed", summed)
        sums.of(HOUR_S, 0, content, asked)
        return summed(content, asked)

    monkeypatch.setattr(block_sums, "_summed", meanwhile)
    found = sums.of(HOUR_S, 0, BLOCK, grouping)
    kept = sums.of(HOUR_S, 0, BLOCK, grouping)
    assert kept is not found
    assert kept[("free",)].latency == found[("free",)].latency
    sums.of(HOUR_S, HOUR_S, BLOCK, grouping)
    assert sums.of(HOUR_S, 0, b"", grouping) is kept
