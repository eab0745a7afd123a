"""What a lifetime would do, by route and hour: counted, written, read again."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lukhas.analytics.history import History
from lukhas.analytics.repeats import RepeatBook, RepeatSums
from lukhas.errors import StoreError
from lukhas.storage.sql import Database, open_database
from lukhas.telemetry.repeats import RouteTally
from lukhas.telemetry.series import HistoryDelta
from lukhas.units import SECOND_NS

HOUR_S = 1_700_006_400


class ManualClock:
    def __init__(self) -> None:
        self.time_s = HOUR_S

    def now_ns(self) -> int:
        return self.time_s * SECOND_NS


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_database(tmp_path)
    yield opened
    await opened.close()


def tally(*addresses: int, requests: int = 0, unseen: int = 0) -> dict[str, RouteTally]:
    return {"/a": RouteTally(requests or len(addresses), set(addresses), unseen)}


async def read(history: History, from_s: int, to_s: int) -> dict[str, RepeatSums]:
    async with history.database.reading() as connection:
        return await history.repeats.read(connection, from_s, to_s)


async def opened(database: Database, clock: ManualClock) -> History:
    history = History(database, clock)
    await history.load()
    return history


async def test_each_stretch_counts_its_different_addresses(
    database: Database, clock: ManualClock
) -> None:
    """Two in the first minute, one of them again in the second, both again after five."""
    history = await opened(database, clock)
    for second, addresses in ((0, (1, 2)), (30, (1, 2)), (60, (1,)), (300, (1, 2))):
        await history.write(HOUR_S + second, HistoryDelta(repeats=tally(*addresses)))
    found = await read(history, HOUR_S, HOUR_S + 3600)
    assert found == {"/a": RepeatSums(7, {60: 2 + 1 + 2, 300: 2 + 2, 3600: 2})}


async def test_what_was_not_looked_at_counts_as_different(
    database: Database, clock: ManualClock
) -> None:
    """Too many fetches rather than too few."""
    history = await opened(database, clock)
    await history.write(HOUR_S, HistoryDelta(repeats=tally(1, requests=9, unseen=5)))
    found = await read(history, HOUR_S, HOUR_S + 60)
    assert found["/a"] == RepeatSums(9, {60: 6, 300: 6, 3600: 6})


async def test_hours_are_added_up_and_each_counts_once(
    database: Database, clock: ManualClock
) -> None:
    """Whether an hour is over, is about to be written, or is under way."""
    history = await opened(database, clock)
    for hour in range(3):
        for second in (0, 70):
            time_s = HOUR_S + hour * 3600 + second
            await history.write(time_s, HistoryDelta(repeats=tally(1)))
            found = await read(history, HOUR_S, time_s + 1)
            count = 2 * hour + (second > 0) + 1
            assert found["/a"] == RepeatSums(count, {60: count, 300: hour + 1, 3600: hour + 1})
    assert (await read(history, HOUR_S, HOUR_S + 3600))["/a"].requests == 2
    assert (await read(history, HOUR_S + 7200, HOUR_S + 7201))["/a"].requests == 2
    assert await read(history, HOUR_S - 7200, HOUR_S - 3600) == {}


async def test_a_restart_within_the_hour_loses_nothing(
    database: Database, clock: ManualClock
) -> None:
    """Requests are all there; the addresses of the hour are counted anew, which is too many."""
    history = await opened(database, clock)
    async with history.running():
        history.keep(HistoryDelta(repeats=tally(1, 2)))
        await history.flush()
        clock.time_s += 10
        history.keep(HistoryDelta(repeats=tally(1)))
    clock.time_s += 10
    again = await opened(database, clock)
    await again.write(clock.time_s, HistoryDelta(repeats=tally(1)))
    found = await read(again, HOUR_S, HOUR_S + 3600)
    assert found["/a"] == RepeatSums(4, {60: 3, 300: 3, 3600: 3})


async def test_a_failed_transaction_counts_nothing_twice(
    database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits in memory like everything else."""
    history = await opened(database, clock)

    async def failing(*_: object, **__: object) -> None:
        raise StoreError("full")

    history.keep(HistoryDelta(repeats=tally(1)))
    with monkeypatch.context() as broken:
        broken.setattr(RepeatBook, "save", failing)
        assert not await history.flush()
    assert await read(history, HOUR_S, HOUR_S + 60) == {}
    assert await history.flush()
    assert (await read(history, HOUR_S, HOUR_S + 60))["/a"].requests == 1


async def test_old_hours_are_forgotten(database: Database, clock: ManualClock) -> None:
    """With the rows of hours: by default after 90 days."""
    history = await opened(database, clock)
    await history.write(HOUR_S, HistoryDelta(repeats=tally(1)))
    later_s = HOUR_S + 91 * 86_400
    for second in (0, 60):
        await history.write(later_s + second, HistoryDelta(repeats=tally(1)))
    await history.write(later_s + 3600, HistoryDelta(repeats=tally(1)))
    await history.write(later_s + 3660, HistoryDelta(repeats=tally(1)))
    found = await read(history, 0, later_s + 7200)
    assert found["/a"].requests == 4
