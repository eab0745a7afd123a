"""The history over the admin API."""

import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from lukhas.admin.access import AdminToken
from lukhas.admin.app import create_admin_app
from lukhas.admin.history_access import HISTORY_FILE, HistoryAccess
from lukhas.admin.history_api import history_router
from lukhas.admin.history_export import history_export_router
from lukhas.admin.state import AdminState
from lukhas.analytics.export import need_format
from lukhas.analytics.reading import HistoryReader
from lukhas.analytics.reports import ReportPlan, write_due_report
from lukhas.errors import NotAvailableError
from lukhas.telemetry.recorder import Recorder
from lukhas.units import MILLISECOND_NS, SECOND_NS
from tests.samples import sampled
from tests.unit.admin.conftest import TOKEN, ManualClock

BEGIN_S = 1_000_000


@pytest.fixture
async def access(tmp_path: Path, clock: ManualClock) -> AsyncIterator[HistoryAccess]:
    """A history of 10 s: each second one request to /a, and one to /b that is limited or fails."""
    access = HistoryAccess(tmp_path, clock)
    async with access.opened():
        assert access.history is not None
        for second in range(10):
            recorder = Recorder()
            taken_ns = 2 * MILLISECOND_NS
            place = ("acme", "main", "passed", "key:1", b"curl")
            recorder.record(sampled("/a", "GET", 200, "free", "hit", 5, taken_ns, *place))
            verdict = "limited" if second % 2 else "passed"
            place = ("acme", "main", verdict, f"key:{second}", b"curl")
            status = 429 if second % 2 else 503
            recorder.record(sampled("/b", "POST", status, "basic", "miss", 7, taken_ns, *place))
            await access.history.write(BEGIN_S + second, recorder.drain_history())
        clock.time_ns = (BEGIN_S + 10) * SECOND_NS
        yield access
        access.closing.set()


@pytest.fixture
async def client(access: HistoryAccess, state: AdminState) -> AsyncIterator[httpx.AsyncClient]:
    app: FastAPI = create_admin_app(
        state,
        token=AdminToken(TOKEN, "settings"),
        routers=[history_router(access), history_export_router(access)],
    )
    transport = httpx.ASGITransport(app)
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://admin", headers=headers
    ) as opened:
        yield opened


Params = dict[str, int | str | list[str]]
WINDOW: Params = {"from": BEGIN_S, "to": BEGIN_S + 10}


async def test_series_have_a_value_for_each_step(client: httpx.AsyncClient) -> None:
    """Each list is as long as the times; counts, ratio and quantiles are those of the load."""
    asked: Params = {**WINDOW, "step": 5, "group": "route"}
    answer = (await client.get("/api/v1/history/series", params=asked)).json()
    assert answer["times_s"] == [BEGIN_S, BEGIN_S + 5]
    a, b = answer["groups"]
    assert (a["labels"], b["labels"]) == ({"route": "/a"}, {"route": "/b"})
    assert a["values"]["requests"] == [5, 5]
    assert b["values"]["limited"] == [2, 3]
    assert b["values"]["errors"] == [3, 2]
    assert (a["total"]["hit_ratio"], b["total"]["hit_ratio"]) == (1.0, 0.0)
    assert a["total"]["p95_ms"] == pytest.approx(2.0, rel=0.012)
    assert a["total"]["bytes_out"] == 50


async def test_filters_are_joined(client: httpx.AsyncClient) -> None:
    """Values of one label are alternatives, labels narrow each other."""
    asked: Params = {**WINDOW, "step": 10, "status": ["4xx", "5xx"], "tier": "basic"}
    answer = (await client.get("/api/v1/history/series", params=asked)).json()
    assert [group["total"]["requests"] for group in answer["groups"]] == [10]
    nobody: Params = {**WINDOW, "tier": "premium"}
    answer = (await client.get("/api/v1/history/series", params=nobody)).json()
    assert answer["groups"] == []


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"from": 10, "to": 10}, "the window is empty"),
        ({"from": 0, "to": 10_000, "step": 1}, "use 7 s or more"),
        ({"group": "colour"}, "group"),
    ],
)
async def test_a_mistake_is_told(
    client: httpx.AsyncClient, params: dict[str, int | str], told: str
) -> None:
    """What is wrong, and what to do."""
    answer = await client.get("/api/v1/history/series", params=params)
    assert answer.status_code == 422
    assert told in answer.json()["detail"]


@pytest.mark.parametrize("what", ["series", "export"])
async def test_a_step_that_no_time_has_is_a_mistake(client: httpx.AsyncClient, what: str) -> None:
    """It is told at once, and not when the database cannot take it."""
    answer = await client.get(f"/api/v1/history/{what}", params={**WINDOW, "step": 1 << 80})
    assert answer.status_code == 422
    assert "query.step" in answer.json()["detail"]


async def test_the_busiest(client: httpx.AsyncClient) -> None:
    """By consumer, by agent and by label; with what is left out."""
    path = "/api/v1/history/top"
    answer = (await client.get(path, params={**WINDOW, "by": "consumer", "limit": 1})).json()
    assert [(row["key"], row["requests"]) for row in answer["rows"]] == [("key:1", 11)]
    assert (answer["rest_requests"], answer["missed_at_most"]) == (9, 0)
    agents = (await client.get(path, params={**WINDOW, "by": "agent"})).json()
    assert [(row["key"], row["requests"], row["limited"]) for row in agents["rows"]] == [
        ("curl", 20, 0)
    ]
    tiers = (await client.get(path, params={**WINDOW, "by": "tier"})).json()
    assert [(row["key"], row["share"]) for row in tiers["rows"]] == [("basic", 0.5), ("free", 0.5)]
    mixed = await client.get(path, params={**WINDOW, "by": "consumer", "tier": "free"})
    assert mixed.status_code == 422


async def test_how_many_different_consumers(client: httpx.AsyncClient) -> None:
    """Exact while there are few."""
    answer = (await client.get("/api/v1/history/callers", params=WINDOW)).json()
    assert (answer["unique"], answer["exact"]) == (10, True)


async def test_exports_have_the_rows_of_the_series(client: httpx.AsyncClient) -> None:
    """CSV and JSON hold the same rows; Parquet without its extra names it."""
    asked: Params = {**WINDOW, "step": 1, "group": "route"}
    path = "/api/v1/history/export"
    text = (await client.get(path, params=asked)).text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 20
    assert sum(int(row["requests"]) for row in rows) == 20
    found = json.loads((await client.get(path, params={**asked, "format": "json"})).text)
    assert [(row["time_s"], row["route"], row["errors"]) for row in found] == [
        (int(row["time_s"]), row["route"], int(row["errors"])) for row in rows
    ]
    empty: Params = {"from": 1, "to": 100, "format": "json"}
    assert (await client.get(path, params=empty)).json() == []


async def test_parquet_without_its_extra_names_it(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file that is something else, but an answer that says what to install."""
    monkeypatch.setattr("lukhas.analytics.export.find_spec", lambda _name: None)
    answer = await client.get("/api/v1/history/export", params={**WINDOW, "format": "parquet"})
    assert (answer.status_code, "[analytics]" in answer.json()["detail"]) == (501, True)
    with pytest.raises(NotAvailableError):
        need_format("parquet")


async def test_a_report_is_written_once_for_each_period(
    access: HistoryAccess, tmp_path: Path
) -> None:
    """When the period is over, whole; and not again."""
    assert access.history is not None
    plan = ReportPlan(folder=tmp_path / "reports", period="hour", kind="csv")
    reader = HistoryReader(access.history)
    end_s = BEGIN_S - BEGIN_S % 3600 + 3600
    assert await write_due_report(reader, plan, end_s + 4) == ""
    assert not plan.folder.exists() or not list(plan.folder.glob("*14Z*"))
    assert await write_due_report(reader, plan, end_s + 5) == ""
    path = plan.path(end_s - 3600)
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert sum(int(row["requests"]) for row in rows) == 20
    path.write_text("kept")
    assert await write_due_report(reader, plan, end_s + 60) == ""
    assert path.read_text() == "kept"
    (tmp_path / "file").write_text("")
    nowhere = ReportPlan(folder=tmp_path / "file" / "x", period="hour", kind="csv")
    assert "file" in await write_due_report(reader, nowhere, end_s + 60)


async def test_live_tells_each_second_that_was_written(access: HistoryAccess) -> None:
    """One event for a second, and the end when the process ends."""
    from lukhas.admin.history_live import _events

    assert access.history is not None
    recorder = Recorder()
    place = ("", "main", "passed", "key:1", b"curl")
    recorder.record(sampled("/a", "GET", 200, "free", "hit", 5, MILLISECOND_NS, *place))
    access.history.keep(recorder.drain_history())
    assert await access.history.flush()
    events = _events(access)
    assert await anext(events) == b"retry: 2000\n\n"
    event = (await anext(events)).decode()
    figures = json.loads(event.split("data: ")[1])
    assert figures["figures"]["requests"] == 1
    assert [route["route"] for route in figures["routes"]] == ["/a"]
    assert access.watchers == 1
    access.closing.set()
    assert [event async for event in events] == []
    assert access.watchers == 0


async def test_a_history_that_cannot_be_opened_harms_nothing(
    tmp_path: Path, clock: ManualClock, state: AdminState
) -> None:
    """Health says why, the API answers 503, and what comes in is let go."""
    (tmp_path / HISTORY_FILE).mkdir()
    access = HistoryAccess(tmp_path, clock)
    async with access.opened():
        access.keep(Recorder().drain_history(), 0)
        assert [part.state for part in access.parts()] == ["degraded"]
        app = create_admin_app(
            state, token=AdminToken(TOKEN, "settings"), routers=[history_router(access)]
        )
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://admin", headers=headers
        ) as client:
            answer = await client.get("/api/v1/history/series")
            assert answer.status_code == 503
