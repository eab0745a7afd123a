"""Findings and forecasts over the admin API."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from lukhas.admin.access import AdminToken
from lukhas.admin.app import create_admin_app
from lukhas.admin.capacity_api import capacity_router
from lukhas.admin.history_access import HISTORY_FILE, HistoryAccess
from lukhas.admin.insights_api import InsightAccess, insights_router
from lukhas.admin.state import AdminState
from lukhas.config.settings import Settings
from lukhas.telemetry.recorder import Recorder
from lukhas.units import MILLISECOND_NS, SECOND_NS
from tests.samples import sampled
from tests.unit.admin.conftest import TOKEN, ManualClock

BEGIN_S = 1_000_200
INSIGHTS = "/api/v1/insights"
CAPACITY = "/api/v1/capacity"


@pytest.fixture
async def access(tmp_path: Path, clock: ManualClock) -> AsyncIterator[HistoryAccess]:
    """Half an hour in which every fourth request to /b fails."""
    access = HistoryAccess(tmp_path, clock)
    async with access.opened():
        assert access.history is not None
        for minute in range(0, 30, 5):
            recorder = Recorder()
            place = ("", "main", "passed", "key:1", b"x")
            for number in range(60):
                for route in ("/a", "/b"):
                    status = 503 if route == "/b" and number % 4 == 0 else 200
                    taken_ns = 5 * MILLISECOND_NS
                    recorder.record(
                        sampled(route, "GET", status, "free", "miss", 5, taken_ns, *place)
                    )
            await access.history.write(BEGIN_S + minute * 60, recorder.drain_history())
        clock.time_ns = (BEGIN_S + 30 * 60) * SECOND_NS
        await access.history.flush()
        yield access


@pytest.fixture
async def client(
    access: HistoryAccess, state: AdminState, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings.model_validate(
        {
            "state_dir": tmp_path,
            "routes": [{"name": "b", "path": "/b"}],
            "limits": [{"name": "b-all", "limits": "9/second", "by": "route", "routes": ["b"]}],
        }
    )
    made = InsightAccess(access, settings, None)
    app = create_admin_app(
        state,
        token=AdminToken(TOKEN, "settings"),
        routers=[insights_router(made), capacity_router(made)],
    )
    headers = {"authorization": f"Bearer {TOKEN}"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://admin", headers=headers
    ) as opened:
        yield opened


async def test_findings_are_told_with_all_that_they_stand_on(client: httpx.AsyncClient) -> None:
    """90 of 360 requests to /b failed, none of the others."""
    answer = (await client.get(INSIGHTS, params={"window": "1h"})).json()
    assert answer["to_s"] - answer["from_s"] == 3600
    (found,) = answer["insights"]
    assert found["id"] == "error-cluster:route=/b"
    assert found["kind"] == "error-cluster"
    assert found["route"] == "/b"
    assert found["consumer"] == ""
    assert found["impact"] == "90 requests failed."
    assert {"name": "error ratio", "value": 0.25, "unit": "ratio"} in found["evidence"]
    assert found["changes"] == [
        {"setting": "cache.stale_if_error_s", "value": "300", "present": "0"}
    ]
    assert found["confidence"] == 0.999
    assert found["proposal"].startswith("Look at the records")


async def test_findings_are_kept_for_a_while(client: httpx.AsyncClient, clock: ManualClock) -> None:
    """A hundredth of the window, here 36 s; then they are looked for anew."""
    first = (await client.get(INSIGHTS, params={"window": "1h"})).json()
    clock.time_ns += 36 * SECOND_NS
    assert (await client.get(INSIGHTS, params={"window": "3600"})).json() == first
    clock.time_ns += 30 * SECOND_NS
    assert (await client.get(INSIGHTS, params={"window": "1h"})).json()["to_s"] > first["to_s"]


@pytest.mark.parametrize("window", ["59m", "31d", "1w", "-1", "24h7"])
async def test_a_window_must_be_one(client: httpx.AsyncClient, window: str) -> None:
    """From an hour to 30 days, written as digits and a unit."""
    answer = await client.get(INSIGHTS, params={"window": window})
    assert answer.status_code == 422
    assert (await client.get(CAPACITY, params={"horizon": window})).status_code == 422


async def test_forecasts_are_requests_a_second(client: httpx.AsyncClient) -> None:
    """All together, then each route; steps of five minutes while there is no more history."""
    answer = (await client.get(CAPACITY, params={"horizon": "1h"})).json()
    both, *routes = answer["series"]
    assert (both["route"], both["model"], both["step_s"]) == ("", "level", 300)
    assert {each["route"] for each in routes} == {"/a", "/b"}
    assert both["history"][0] == {"at_s": BEGIN_S, "value": 0.4}
    assert len(both["forecast"]) == 12
    assert both["forecast"][0]["at_s"] == both["history"][-1]["at_s"] + 300
    assert both["forecast"][0]["expected"] == 0.4
    assert (both["limit"], both["limit_source"], both["days_until_limit"]) == (None, "", None)
    (limited,) = (each for each in routes if each["route"] == "/b")
    assert (limited["limit"], limited["limit_source"]) == (9.0, "limit b-all")


async def test_while_too_little_is_known_there_is_a_past_and_no_forecast(
    access: HistoryAccess, client: httpx.AsyncClient, clock: ManualClock
) -> None:
    """Of a history of ten minutes: two steps, and the model is none."""
    assert access.history is not None
    access.history.done_s[60] = BEGIN_S + 600
    (found,) = (await client.get(CAPACITY, params={"route": "/a"})).json()["series"]
    assert (found["model"], found["forecast"], found["error_against_naive"]) == ("none", [], None)
    assert len(found["history"]) == 2


async def test_a_limit_may_be_given(client: httpx.AsyncClient) -> None:
    """For the route that was asked for; it is reached at once."""
    asked: dict[str, str | float] = {"route": "/a", "limit": 0.1}
    (found,) = (await client.get(CAPACITY, params=asked)).json()["series"]
    assert (found["limit"], found["limit_source"]) == (0.1, "given")
    assert found["days_until_limit"] == 0
    both, *others = (await client.get(CAPACITY, params={"limit": 5})).json()["series"]
    assert both["limit"] == 5
    assert {each["limit"] for each in others} == {None, 9.0}


@pytest.mark.parametrize("limit", ["0", "-1", "nan", "inf", "x"])
async def test_a_limit_must_be_a_number_above_zero(client: httpx.AsyncClient, limit: str) -> None:
    """And a finite one."""
    assert (await client.get(CAPACITY, params={"limit": limit})).status_code == 422


async def test_a_route_that_nobody_asked_for_has_no_series(client: httpx.AsyncClient) -> None:
    """Not an error: it may come."""
    answer = await client.get(CAPACITY, params={"route": "/nowhere"})
    assert (answer.status_code, answer.json()) == (200, {"series": []})


async def test_without_a_history_there_is_an_answer_that_says_so(
    tmp_path: Path, clock: ManualClock, state: AdminState
) -> None:
    """503 with the reason; findings and forecasts alike."""
    (tmp_path / HISTORY_FILE).write_bytes(b"no database" * 100)
    access = HistoryAccess(tmp_path, clock)
    made = InsightAccess(access, Settings(state_dir=tmp_path), None)
    app = create_admin_app(
        state,
        token=AdminToken(TOKEN, "settings"),
        routers=[insights_router(made), capacity_router(made)],
    )
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with (
        access.opened(),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://admin", headers=headers
        ) as client,
    ):
        for path in (INSIGHTS, CAPACITY):
            answer = await client.get(path)
            assert answer.status_code == 503
            assert HISTORY_FILE in answer.json()["detail"]


async def test_changed_limits_that_cannot_be_read_are_told(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    """503 with the file; nothing is guessed."""
    (tmp_path / "limits.json").write_text("no")
    answer = await client.get(INSIGHTS)
    assert answer.status_code == 503
    assert "limits.json" in answer.json()["detail"]


async def test_both_need_the_token(client: httpx.AsyncClient) -> None:
    """Like everything but health."""
    for path in (INSIGHTS, CAPACITY):
        answer = await client.get(path, headers={"authorization": "Bearer wrong"})
        assert answer.status_code == 401
