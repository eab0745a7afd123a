"""The history means the same in every database."""

import pytest

from lukhas.analytics.alerts.live_series import LiveSeries, NodeView
from lukhas.analytics.alerts.rule_reading import read_rule
from lukhas.analytics.alerts.stored_series import StoredSeries
from lukhas.analytics.history import History
from lukhas.analytics.levels import DAY_S, Retention
from lukhas.analytics.questions import Question
from lukhas.analytics.reading import HistoryReader
from lukhas.policy.alerting.conditions import (
    BurnRate,
    BurnWindow,
    Condition,
    Reading,
    Threshold,
)
from lukhas.policy.alerting.rules import Rule, Severity
from lukhas.policy.alerting.splits import SplitReading
from lukhas.storage.sql import Database
from lukhas.telemetry.recorder import Recorder
from lukhas.telemetry.repeats import RouteTally
from lukhas.telemetry.series import HistoryDelta
from lukhas.telemetry.totals import TotalsByWorker
from lukhas.units import MILLISECOND_NS, SECOND_NS
from tests.samples import sampled

BEGIN_S = 1_700_006_400
SECONDS = 190


class ManualClock:
    def __init__(self) -> None:
        self.time_s = BEGIN_S

    def now_ns(self) -> int:
        return self.time_s * SECOND_NS


def second(number: int) -> HistoryDelta:
    recorder = Recorder()
    for route, status, cache in (("/a", 200, "hit"), ("/b", 503, "miss")):
        place = ("acme", "main", "passed", f"key:{number % 7}", b"curl")
        taken_ns = (number + 1) * MILLISECOND_NS
        recorder.record(sampled(route, "GET", status, "free", cache, 3, taken_ns, *place))
    return recorder.drain_history()


async def test_what_was_written_is_answered(database: Database) -> None:
    """Rows, roll-ups, groups, filters, the busiest and a new start, all with exact counts."""
    clock = ManualClock()
    for part in (range(100), range(100, SECONDS)):
        history = History(database, clock)
        await history.load()
        for number in part:
            await history.write(BEGIN_S + number, second(number))
        clock.time_s = BEGIN_S + part.stop
    reader = HistoryReader(history)
    day = Question(from_s=BEGIN_S, to_s=clock.time_s)
    (everything,) = (await reader.ask(day)).groups
    assert (everything.total.requests, everything.total.errors) == (2 * SECONDS, SECONDS)
    assert (everything.total.hits, everything.total.misses) == (SECONDS, SECONDS)
    assert everything.total.latency.max_ns == SECONDS * MILLISECOND_NS
    for step_s, steps in ((60, 4), (1, SECONDS)):
        window = Question(
            from_s=BEGIN_S, to_s=clock.time_s, step_s=step_s, group_by=("route", "cache")
        )
        groups = (await reader.ask(window)).groups
        assert [group.labels for group in groups] == [("/a", "hit"), ("/b", "miss")]
        assert [group.total.requests for group in groups] == [SECONDS, SECONDS]
        assert [len(group.steps) for group in groups] == [steps, steps]
    only = {"status": frozenset(("5xx",))}
    (faults,) = (await reader.ask(Question(from_s=BEGIN_S, to_s=clock.time_s, only=only))).groups
    assert faults.total.errors == faults.total.requests == SECONDS
    _, _, crowd = await reader.crowd(BEGIN_S, clock.time_s)
    assert crowd.unique_consumers.count() == 7
    assert crowd.consumers.total().requests == 2 * SECONDS


async def test_a_budget_of_thirty_days_is_looked_at_over_restarts(database: Database) -> None:
    """Alerts ask the history where memory is new: one long window, one short, one by route."""
    clock = ManualClock()
    history = History(database, clock)
    await history.load()
    for day in range(32):
        clock.time_s = BEGIN_S + day * DAY_S
        await history.write(clock.time_s, some(99, failed=day < 10 or day == 31))
    clock.time_s += 90
    # What comes after a restart: nothing in memory, and a history that is opened anew.
    again = History(database, clock)
    await again.load()
    live = LiveSeries(NodeView(TotalsByWorker, lambda: 1, list))
    reader = HistoryReader(again)
    series = StoredSeries(live, lambda: reader, clock=clock, retention=Retention())
    windows = (BurnWindow(30 * DAY_S, DAY_S, 1.0),)
    found = await said(series, BurnRate(0.999, (), windows), clock)
    # The window is widened to whole hours, so it begins with the second day: 31 days, ten bad.
    assert found.value == pytest.approx(10 / 3100 / 0.001)
    assert found.breached is True
    lax = await said(series, BurnRate(0.99, (), windows), clock)
    assert lax.breached is False
    by_route = Rule(
        "r", BurnRate(0.999, (), windows), Severity.WARNING, split_by="route", most_alerts=5
    )
    split = await read_rule(series, by_route, clock.now_ns())
    assert isinstance(split, SplitReading)
    assert {value: each.breached for value, each in split.by_value} == {"/a": False, "/b": True}
    p99 = await said(series, Threshold("p99_ms", (("route", "/b"),), 30 * DAY_S, above=4.9), clock)
    assert p99.breached is True


async def said(series: StoredSeries, condition: Condition, clock: ManualClock) -> Reading:
    found = await read_rule(series, Rule("r", condition, Severity.WARNING), clock.now_ns())
    assert isinstance(found, Reading)
    return found


def some(requests: int, *, failed: bool) -> HistoryDelta:
    """Requests of one second on `/a`, and one on `/b`, which may fail."""
    recorder = Recorder()
    routes = [("/a", 200)] * requests + [("/b", 503 if failed else 200)]
    for route, status in routes:
        place = ("acme", "main", "passed", "key:1", b"curl")
        taken_ns = 5 * MILLISECOND_NS
        recorder.record(sampled(route, "GET", status, "free", "miss", 3, taken_ns, *place))
    return recorder.drain_history()


async def test_what_a_lifetime_would_do_is_kept(database: Database) -> None:
    """By route and hour: written again with each second, and gone on with by the next process."""
    clock = ManualClock()
    address = RouteTally(2, {1, 2})
    for _ in range(2):
        history = History(database, clock)
        await history.load()
        for second in (0, 1, 3600):
            delta = HistoryDelta(repeats={"/a": address, "/b/{id}": address})
            await history.write(clock.time_s + second, delta)
        await history.write(clock.time_s + 3601, HistoryDelta())
        clock.time_s += 3602
    async with database.reading() as connection:
        found = await history.repeats.read(connection, BEGIN_S, BEGIN_S + 4 * 3600)
    assert {route: sums.requests for route, sums in found.items()} == {"/a": 12, "/b/{id}": 12}


async def test_processes_that_overlap_lose_nothing(database: Database) -> None:
    """One is still ending while the next has begun: both write, and each request counts once.

    Each would else write a second, a minute or a series that the other has written already.
    """
    clock = ManualClock()
    both = [History(database, clock), History(database, clock)]
    for history in both:
        await history.load()
    routes = ("/a", "/b")
    for number in range(310):
        clock.time_s = BEGIN_S + number
        for which, history in enumerate(both):
            # Neither writes in every second: both orders, both alone, and both together.
            if number % (which + 3) == 0 or number % 60 == 59:
                delta = some(3, failed=False)
                delta.merge(one(f"{routes[which]}/{number // 50}"))
                history.keep(delta)
                assert await history.flush(), history.part().detail
    written = [
        sum(1 for number in range(310) if number % step == 0 or number % 60 == 59)
        for step in (3, 4)
    ]
    for history in (*both, History(database, clock)):
        await history.load()
        reader = HistoryReader(history)
        for step_s in (None, 1, 60, 300):
            window = Question(
                from_s=BEGIN_S, to_s=clock.time_s + 9, step_s=step_s, group_by=("route",)
            )
            groups = (await reader.ask(window)).groups
            found = {group.labels[0]: group.total for group in groups}
            assert found["/a"].requests == found["/a"].latency.count == 3 * sum(written)
            for which, route in enumerate(routes):
                named = [total for name, total in found.items() if name.startswith(f"{route}/")]
                assert len(named) == 7
                assert sum(total.requests for total in named) == written[which]
        _, _, crowd = await reader.crowd(BEGIN_S, clock.time_s + 9)
        assert crowd.consumers.total().requests == 5 * sum(written)


def one(route: str) -> HistoryDelta:
    recorder = Recorder()
    place = ("acme", "main", "passed", "key:2", b"curl")
    recorder.record(sampled(route, "GET", 200, "free", "miss", 3, MILLISECOND_NS, *place))
    return recorder.drain_history()


async def test_repeats_of_processes_that_overlap_are_added_up(database: Database) -> None:
    """What the other has written of an hour is gone on with, and nothing is counted twice."""
    clock = ManualClock()
    both = [History(database, clock), History(database, clock)]
    for history in both:
        await history.load()
    for _ in range(5):
        for history in both:
            clock.time_s += 1
            history.keep(HistoryDelta(repeats={"/a": RouteTally(2, {1, 2})}))
            assert await history.flush()
    for history in both:
        clock.time_s += 1
        assert await history.flush()
    async with database.reading() as connection:
        found = await both[1].repeats.read(connection, BEGIN_S, BEGIN_S + 3600)
    assert {route: sums.requests for route, sums in found.items()} == {"/a": 20}
