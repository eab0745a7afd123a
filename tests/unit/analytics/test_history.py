"""The history: written each second, rolled up, forgotten, and read again."""

from dataclasses import replace

import pytest
import sqlalchemy as sa

from lukhas.analytics.history import History
from lukhas.analytics.levels import Retention
from lukhas.analytics.questions import Question
from lukhas.analytics.reading import HistoryReader
from lukhas.analytics.tables import BLOCKS, ROUTES
from lukhas.errors import StoreError
from lukhas.storage.sql import Database
from lukhas.telemetry.recorder import Recorder
from lukhas.telemetry.series import HistoryDelta
from lukhas.units import MILLISECOND_NS, SECOND_NS
from tests.samples import sampled

NOON_S = 1_700_006_400 + 43_200


class ManualClock:
    def __init__(self) -> None:
        self.time_s = NOON_S

    def now_ns(self) -> int:
        return self.time_s * SECOND_NS


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def history(database: Database, clock: ManualClock) -> History:
    return await opened(database, clock)


async def opened(database: Database, clock: ManualClock) -> History:
    history = History(database, clock)
    await history.load()
    return history


def requests(route: str = "/a", *, number: int = 1, status: int = 200) -> HistoryDelta:
    recorder = Recorder()
    for each in range(number):
        verdict = "limited" if status == 429 else "passed"
        taken_ns = (each + 1) * MILLISECOND_NS
        recorder.record(
            sampled(
                route,
                "GET",
                status,
                "free",
                "miss",
                10,
                taken_ns,
                "t",
                "main",
                verdict,
                "key:1",
                b"x",
            )
        )
    return recorder.drain_history()


async def pass_time(history: History, clock: ManualClock, seconds: int, every_s: int = 1) -> None:
    for second in range(0, seconds, every_s):
        history.keep(requests("/a" if second % 2 else "/b", status=503 if second % 3 else 200))
        assert await history.flush()
        clock.time_s += every_s


@pytest.mark.parametrize("seconds", [5, 61, 200])
async def test_every_request_is_found_once(
    history: History, clock: ManualClock, seconds: int
) -> None:
    """Whatever is rolled up already, a window holds each of its requests once, in each grouping."""
    await pass_time(history, clock, seconds)
    reader = HistoryReader(history)
    for group_by in ((), ("route",), ("status", "tenant")):
        for step_s in (None, 1, 60, 90):
            window = Question(from_s=NOON_S, to_s=clock.time_s, step_s=step_s, group_by=group_by)
            answer = await reader.ask(window)
            assert sum(group.total.requests for group in answer.groups) == seconds
            assert sum(group.total.errors for group in answer.groups) == sum(
                1 for second in range(seconds) if second % 3
            )
            latencies = sum(group.total.latency.count for group in answer.groups)
            assert latencies == seconds
            steps = [figures for group in answer.groups for figures in group.steps.values()]
            assert sum(figures.requests for figures in steps) == seconds


async def test_a_filter_is_kept_by_rows_and_by_roll_ups(
    history: History, clock: ManualClock
) -> None:
    """Only what fits all filters counts."""
    await pass_time(history, clock, 130)
    reader = HistoryReader(history)
    window = Question(from_s=NOON_S, to_s=clock.time_s)
    even = await reader.ask(replace(window, only={"route": frozenset(("/b", "/c"))}))
    assert even.groups[0].total.requests == 65
    both = {"route": frozenset(("/b",)), "status": frozenset(("2xx",))}
    answer = await reader.ask(replace(window, only=both))
    assert answer.groups[0].total.requests == sum(1 for second in range(0, 130, 6))
    nothing = await reader.ask(replace(window, only={"tier": frozenset(("gold",))}))
    assert nothing.groups == []


async def test_it_goes_on_where_it_was(
    database: Database, clock: ManualClock, history: History
) -> None:
    """Whenever a process ended, the next one loses nothing and repeats nothing."""
    for _ in range(4):
        await pass_time(history, clock, 35)
        history = await opened(database, clock)
    await pass_time(history, clock, 1)
    answer = await HistoryReader(history).ask(Question(from_s=NOON_S, to_s=clock.time_s))
    assert answer.groups[0].total.requests == 141
    _, _, crowd = await HistoryReader(history).crowd(NOON_S, clock.time_s)
    assert crowd.consumers.total().requests == 141
    assert crowd.unique_consumers.count() == 1


async def test_seconds_and_minutes_are_forgotten_and_the_sums_stay(
    database: Database, clock: ManualClock
) -> None:
    """What is too old for a level is answered from the next one, in whole rows of it."""
    history = History(
        database, clock, retention=Retention(seconds_s=120, minutes_s=7200, hours_s=864_000)
    )
    await history.load()
    await pass_time(history, clock, 4 * 3600, every_s=60)
    reader = HistoryReader(history)
    long_ago = await reader.ask(Question(from_s=NOON_S + 30, to_s=NOON_S + 90, step_s=1))
    assert (long_ago.step_s, long_ago.from_s, long_ago.to_s) == (3600, NOON_S, NOON_S + 3600)
    assert long_ago.groups[0].total.requests == 60
    a_while = clock.time_s - 3600
    answer = await reader.ask(Question(from_s=a_while, to_s=a_while + 600, step_s=1))
    assert answer.step_s == 60
    assert answer.groups[0].total.requests == 10
    everything = await reader.ask(Question(from_s=NOON_S, to_s=clock.time_s))
    assert everything.groups[0].total.requests == 240
    day = await reader.ask(Question(from_s=NOON_S - 86_400 * 30, to_s=clock.time_s, step_s=86_400))
    assert day.groups[0].total.requests == 240


async def test_what_cannot_be_written_waits(
    history: History, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that fails costs no figures: they go with the next second, and health says so."""
    written = history._write

    async def fail(_time_s: int, _delta: HistoryDelta) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(history, "_write", fail)
    history.keep(requests(number=3))
    assert not await history.flush()
    assert (history.part().state, "disk is full" in history.part().detail) == ("degraded", True)
    monkeypatch.setattr(history, "_write", written)
    history.keep(requests(number=2))
    assert await history.flush()
    assert history.part().state == "ok"
    answer = await HistoryReader(history).ask(Question(from_s=NOON_S, to_s=clock.time_s + 9))
    assert answer.groups[0].total.requests == 5


async def test_too_many_series_share_others(database: Database, clock: ManualClock) -> None:
    """The number of series is bounded, and how many requests that met is known."""
    history = History(database, clock, most_series=2)
    await history.load()
    for route in ("/1", "/2", "/3", "/4"):
        history.keep(requests(route))
    assert await history.flush()
    question = Question(from_s=NOON_S, to_s=clock.time_s + 9, group_by=("route",))
    answer = await HistoryReader(history).ask(question)
    found = {group.labels[0]: group.total.requests for group in answer.groups}
    assert found == {"other": 2, "/1": 1, "/2": 1}
    assert history.overflowed == 2


async def test_the_last_second_is_written_at_the_end(
    database: Database, clock: ManualClock
) -> None:
    """What came in since the last write is not lost when the process ends."""
    async with History(database, clock).running() as history:
        history.keep(requests(number=4))
    again = await opened(database, clock)
    answer = await HistoryReader(again).ask(Question(from_s=NOON_S, to_s=clock.time_s + 9))
    assert answer.groups[0].total.requests == 4


async def test_more_routes_than_are_named_in_a_query_are_found(
    history: History, clock: ManualClock
) -> None:
    """A filter by route names each; beyond 500 all rows of the stretch are read instead."""
    for number in range(510):
        history.keep(requests(f"/{number}"))
    assert await history.flush()
    clock.time_s += 400
    assert await history.flush()
    routes = frozenset(f"/{number}" for number in range(510))
    for step_s in (60, 300):
        assert history.done_s[step_s] > NOON_S
        window = Question(from_s=NOON_S, to_s=clock.time_s, step_s=step_s, group_by=("route",))
        for question in (window, replace(window, only={"route": routes})):
            groups = (await HistoryReader(history).ask(question)).groups
            assert {group.labels[0] for group in groups} == routes
            assert all(group.total.requests == 1 for group in groups)


async def test_what_another_process_has_just_begun_is_not_in_the_way(
    database: Database, clock: ManualClock, history: History
) -> None:
    """A series that this process has not heard of is left out until its next second."""
    other = await opened(database, clock)
    for route in ("/a", "/new"):
        other.keep(requests(route))
    assert await other.flush()
    clock.time_s += 400
    assert await other.flush()
    for level in history.done_s:
        history.done_s[level] = other.done_s[level]
    reader = HistoryReader(history)
    for group_by in (("route",), ("status",)):
        window = Question(from_s=NOON_S, to_s=clock.time_s, group_by=group_by)
        assert (await reader.ask(window)).groups == []
    history.keep(requests("/a"))
    assert await history.flush()
    clock.time_s += 1
    answer = await reader.ask(
        Question(from_s=NOON_S, to_s=clock.time_s + 9, step_s=60, group_by=("route",))
    )
    found = {group.labels[0]: group.total.requests for group in answer.groups}
    assert found == {"/a": 2, "/new": 1}


async def test_who_called_is_rolled_up_before_it_is_forgotten(
    history: History, clock: ManualClock
) -> None:
    """Minutes of callers are kept six hours, but never less than until their hour is made."""
    history.keep(requests(number=5))
    assert await history.flush()
    clock.time_s += 86_400
    assert await history.flush()
    _, _, crowd = await HistoryReader(history).crowd(NOON_S - 7200, NOON_S + 7200)
    assert crowd.consumers.total().requests == 5


async def test_many_rows_are_made_a_few_at_a_time(
    database: Database, clock: ManualClock, history: History
) -> None:
    """After five-minute rows were lost, each second makes four of them; answers stay the same."""
    for _ in range(10):
        history.keep(requests(number=3))
        assert await history.flush()
        clock.time_s += 300
    async with database.writing() as connection:
        for table in (BLOCKS, ROUTES):
            await connection.execute(sa.delete(table).where(table.c.level == 300))
    again = await opened(database, clock)
    assert again.done_s[300] == NOON_S
    made = []
    for _ in range(4):
        window = Question(from_s=NOON_S, to_s=clock.time_s, step_s=300, group_by=("route",))
        (group,) = (await HistoryReader(again).ask(window)).groups
        assert [figures.requests for figures in group.steps.values()] == [3] * 10
        assert await again.flush()
        clock.time_s += 1
        made.append((again.done_s[300] - NOON_S) // 300)
    assert made == [4, 8, 10, 10]
