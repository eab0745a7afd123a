"""What was written under an older schema means the same under the newest, in every database."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection

import lukhas.storage.migrations
from lukhas.analytics.history import History
from lukhas.analytics.levels import HOUR_S, LEVELS, MINUTE_S, floored
from lukhas.analytics.packing import pack
from lukhas.analytics.questions import Question
from lukhas.analytics.reading import HistoryReader
from lukhas.storage.migrations import HEAD_REVISION
from lukhas.storage.sql import Database
from lukhas.telemetry.histograms import LatencySketch
from lukhas.telemetry.series import HistoryDelta
from lukhas.units import MILLISECOND_NS, SECOND_NS

BEGIN_S = 1_700_006_400
SECONDS = 2 * HOUR_S + 330
EVERY_S = 30
# So many requests in each of these, of which the second series has one.
REQUESTS = 40


class ManualClock:
    time_s = BEGIN_S + SECONDS

    def now_ns(self) -> int:
        return self.time_s * SECOND_NS


async def migrated(
    database: Database, revision: str, fill: Callable[[Connection], None]
) -> list[str]:
    """Goes back to a revision, fills it, and goes to the newest again; gives the tables there."""
    config = Config()
    folder = str(Path(lukhas.storage.migrations.__file__).parent)
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.set_main_option("path_separator", "os")

    def there_and_back(sync: Connection) -> list[str]:
        config.attributes["connection"] = sync
        command.downgrade(config, revision)
        fill(sync)
        command.upgrade(config, "head")
        return inspect(sync).get_table_names()

    async with database.writing() as connection:
        tables: list[str] = await connection.run_sync(there_and_back)
        found = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    assert found == HEAD_REVISION
    return tables


async def test_consumers_are_made_of_the_keys_there_were(database: Database) -> None:
    """One for each name and tenant, with the tier of its newest key (0041)."""
    key = text(
        "INSERT INTO api_keys (key_id, environment, consumer, tenant, tier, scopes, created_ns,"
        " secret_hash, revision) VALUES (:id, 'live', :name, :tenant, :tier, '[]', :at, :hash, 1)"
    )

    def fill(sync: Connection) -> None:
        for number, (name, tenant, tier) in enumerate(
            [("a", "", "free"), ("a", "", "basic"), ("a", "t", "premium")]
        ):
            values = {"id": str(number), "name": name, "tenant": tenant, "tier": tier}
            sync.execute(key, {**values, "at": number, "hash": b"x"})

    assert {"consumers", "admin_audit", "config_versions"} <= set(
        await migrated(database, "0039", fill)
    )
    async with database.reading() as connection:
        query = text("SELECT name, tenant, tier, created_ns FROM consumers ORDER BY tenant")
        found = [tuple(row) for row in await connection.execute(query)]
    assert found == [("a", "", "basic", 0), ("a", "t", "premium", 2)]


@pytest.mark.parametrize("revision", ["0001", "0034", "0036", "0039", "0041"])
async def test_each_step_goes_back_and_forth(database: Database, revision: str) -> None:
    """From any revision on, in the database that is at hand, and the history works after it."""
    await migrated(database, revision, lambda _: None)
    clock = ManualClock()
    history = History(database, clock)
    await history.load()
    await history.write(clock.time_s, HistoryDelta())
    answer = await HistoryReader(history).ask(Question(from_s=BEGIN_S, to_s=clock.time_s))
    assert answer.groups == []


async def test_the_history_stays_when_its_rows_become_blocks(database: Database) -> None:
    """Rows of all levels, counted and grouped as before, and rolled up from there (0042)."""
    await migrated(database, "0041", fill_old_history)
    clock = ManualClock()
    history = History(database, clock)
    await history.load()
    assert history.done_s[HOUR_S] == BEGIN_S + 2 * HOUR_S
    for round_number in range(12):
        await asks_as_before(history, clock.time_s)
        assert round_number or history.done_s[300] == BEGIN_S
        clock.time_s += 1
        await history.write(clock.time_s, HistoryDelta())
    assert history.done_s[300] == BEGIN_S + SECONDS - 30


async def asks_as_before(history: History, to_s: int) -> None:
    reader = HistoryReader(history)
    batches = SECONDS // EVERY_S
    for step_s in (None, MINUTE_S, 300, HOUR_S):
        window = Question(from_s=BEGIN_S, to_s=to_s, step_s=step_s, group_by=("route",))
        a, b = (await reader.ask(window)).groups
        assert (a.labels, a.total.requests, a.total.errors) == (("/a",), 39 * batches, 0)
        assert (b.labels, b.total.requests, b.total.errors) == (("/b",), batches, batches)
        assert a.total.latency.count == 39 * batches
        assert a.total.latency.max_ns == 39 * MILLISECOND_NS
        assert sum(figures.requests for figures in a.steps.values()) == 39 * batches
        by_status = Question(from_s=BEGIN_S, to_s=to_s, step_s=step_s, group_by=("status",))
        good, bad = (await reader.ask(by_status)).groups
        assert (good.total.requests, bad.total.requests) == (39 * batches, batches)
        assert good.total.latency == a.total.latency


def fill_old_history(sync: Connection) -> None:
    """Two routes, as version 0041 has written and rolled them up; 300 s did not exist."""
    series = text(
        "INSERT INTO history_series (series_id, route, method, status, tier, tenant, upstream,"
        " cache, verdict) VALUES (:id, :route, 'GET', :status, 'free', 't', 'main', 'miss',"
        " 'passed')"
    )
    sync.execute(
        series,
        [
            {"id": 1, "route": "/a", "status": "2xx"},
            {"id": 2, "route": "/b", "status": "5xx"},
        ],
    )
    for level in LEVELS:
        if level == 300:
            continue
        sums: dict[int, list[LatencySketch]] = {}
        for batch in range(SECONDS // EVERY_S):
            time_s = BEGIN_S + batch * EVERY_S
            start_s = floored(time_s, level)
            if level > 1 and start_s + level > BEGIN_S + SECONDS:
                continue
            a, b = sums.setdefault(start_s, [LatencySketch(), LatencySketch()])
            a.add_many([(each + 1) * MILLISECOND_NS for each in range(REQUESTS - 1)])
            b.add(MILLISECOND_NS)
        for start_s, (a, b) in sums.items():
            put_old_rows(sync, level, start_s, (a, b))


def put_old_rows(
    sync: Connection, level: int, start_s: int, sketches: tuple[LatencySketch, LatencySketch]
) -> None:
    point = text(
        "INSERT INTO history_points (level, start_s, series_id, requests, bytes_out, latency)"
        " VALUES (:level, :start_s, :id, :requests, 7, :latency)"
    )
    route = text(
        "INSERT INTO history_routes (level, start_s, route_id, requests, errors, limited, hits,"
        " misses, bytes_out, latency) VALUES (:level, :start_s, :id, :requests, :errors, 0, 0,"
        " :requests, 7, :latency)"
    )
    everything = LatencySketch()
    for sketch in sketches:
        everything.merge(sketch)
    for number, sketch in enumerate((everything, *sketches)):
        row: dict[str, Any] = {"level": level, "start_s": start_s, "id": number}
        row |= {"requests": sketch.count, "latency": pack(sketch)}
        if number:
            sync.execute(point, row)
        if level > 1:
            errors = (sketches[1].count, 0, sketches[1].count)[number]
            sync.execute(route, {**row, "errors": errors})
