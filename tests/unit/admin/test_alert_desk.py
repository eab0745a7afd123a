"""The desk over the stored history: budgets and rules hold right after a restart."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from lukhas.admin.access import AdminToken
from lukhas.admin.alert_desk import AlertDesk
from lukhas.admin.alert_routers import alert_routers
from lukhas.admin.alert_rules_api import rules_router
from lukhas.admin.app import create_admin_app
from lukhas.admin.history_access import HISTORY_FILE, HistoryAccess
from lukhas.admin.state import AdminState
from lukhas.analytics.history import History
from lukhas.config.loading import load_settings
from lukhas.config.settings import Settings
from lukhas.storage.sql import open_database
from lukhas.telemetry.recorder import Recorder
from lukhas.units import MILLISECOND_NS, SECOND_NS
from tests.samples import sampled
from tests.unit.admin.conftest import TOKEN, ManualClock
from tests.unit.analytics.alerts.kit import receiver

API = "/api/v1/alerts"
DAY_NS = 86_400 * SECOND_NS
CONFIG = """
state_dir = "{folder}"
[alerts]
defaults = false
interval_s = 1
[alerts.route]
channels = ["hook"]
group_by = ["rule", "route"]
group_wait_s = 0
group_interval_s = 0
[[alerts.channels]]
name = "hook"
url = "{url}"
[[alerts.rules]]
name = "budget"
kind = "burn_rate"
objective = 0.99
split_by = "route"
windows = [{{ long_s = 2592000, short_s = 86400, factor = 1.0 }}]
"""


def settings_of(folder: Path, url: str) -> Settings:
    file = folder / "lukhas.toml"
    file.write_text(CONFIG.format(folder=folder, url=url))
    return load_settings({}, file, {"HOME": str(folder)}).settings


async def write_days(folder: Path, clock: ManualClock, days: int, *, failing: str) -> None:
    """Lets so many days pass in which one route fails once in a while, and another does not."""
    url = f"sqlite:///{folder / HISTORY_FILE}"
    database = await open_database(folder, url=url)
    history = History(database, clock)
    await history.load()
    for _ in range(days):
        recorder = Recorder()
        for route in ("/a", "/b"):
            for number in range(20):
                status = 503 if route == failing and number == 0 else 200
                place = ("acme", "main", "passed", "key:1", b"curl")
                taken_ns = 5 * MILLISECOND_NS
                recorder.record(sampled(route, "GET", status, "free", "miss", 1, taken_ns, *place))
        await history.write(clock.time_ns // SECOND_NS, recorder.drain_history())
        clock.time_ns += DAY_NS
    clock.time_ns -= DAY_NS - 90 * SECOND_NS
    await database.close()


@asynccontextmanager
async def started(
    settings: Settings, state: AdminState, **options: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """The admin process anew: nothing in memory, everything else as it was left."""
    history = HistoryAccess(settings.state_dir, state.clock)
    desk = AlertDesk(settings, tick_s=0.01, history=history)
    app = create_admin_app(
        state,
        token=AdminToken(TOKEN, "settings"),
        routers=[
            *([rules_router(desk, state.clock, **options)] if options else []),
            *alert_routers(desk, state.clock),
        ],
        lifespan=desk.lifespan(),
    )
    header = {"authorization": f"Bearer {TOKEN}"}
    transport = httpx.ASGITransport(app)
    async with (
        history.opened(),
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=transport, base_url="http://admin.test", headers=header
        ) as client,
    ):
        yield client


async def until(client: httpx.AsyncClient, path: str, found: Callable[[Any], object]) -> Any:
    """Asks until the answer is as it should be; the test's own limit ends it else."""
    while True:
        answer = await client.get(API + path)
        if answer.status_code == 200 and found(answer.json()):
            return answer.json()
        await asyncio.sleep(0.01)


async def test_a_budget_of_thirty_days_over_restarts(
    tmp_path: Path, state: AdminState, clock: ManualClock
) -> None:
    """An alert for the one route that fails; told once, whatever starts anew in between."""
    await write_days(tmp_path, clock, 5, failing="/a")
    async with receiver() as hook:
        settings = settings_of(tmp_path, hook.url)
        async with started(settings, state) as client:
            found = await until(client, "", lambda answer: answer["alerts"])
            (alert,) = found["alerts"]
            assert (alert["state"], alert["labels"]["route"]) == ("firing", "/a")
            await until(client, "/messages?state=sent", lambda answer: answer["messages"])
            (rule,) = (await client.get(f"{API}/rules")).json()["rules"]
            assert (rule["split_by"], rule["alerts"], rule["state"]) == ("route", 1, "firing")
            assert rule["why"].startswith("1 of 2 are breached; route /a: ")
        clock.time_ns += 600 * SECOND_NS
        async with started(settings, state) as client:
            rules = await until(client, "/rules", lambda answer: answer["rules"][0]["breached"])
            assert rules["rules"][0]["alerts"] == 1
            assert (await client.get(API)).json()["alerts"][0]["id"] == alert["id"]
        clock.time_ns += DAY_NS
        await write_days(tmp_path, clock, 1, failing="")
        async with started(settings, state) as client:
            await until(client, "/history", lambda answer: answer["alerts"][0]["resolved"])
            await until(client, "/messages?state=sent", lambda answer: len(answer["messages"]) == 2)
        assert [body["status"] for body in hook.bodies] == ["firing", "resolved"]


async def test_a_back_test_looks_at_the_history(
    tmp_path: Path, state: AdminState, clock: ManualClock
) -> None:
    """As far back as it goes; one that would take for ever is ended."""
    await write_days(tmp_path, clock, 4, failing="/b")
    settings = settings_of(tmp_path, "http://127.0.0.1:1/")
    order = {"name": "budget", "last_s": 6 * 86_400, "every_s": 86_400}
    async with started(settings, state) as client:
        await until(client, "/rules", lambda answer: answer["rules"][0]["breached"] is not None)
        answer = await client.post(f"{API}/back-test", json=order)
        found = answer.json()
        assert (found["looks"], [alert["labels"]["route"] for alert in found["alerts"]]) == (
            7,
            ["/b"],
        )
        assert 3 <= found["breached"] <= 4
    async with started(settings, state, longest_s=0.0) as client:
        await until(client, "/rules", lambda answer: answer["rules"][0]["breached"] is not None)
        answer = await client.post(f"{API}/back-test", json=order)
        assert (answer.status_code, answer.json()["detail"]) == (
            422,
            "7 looks take longer than 0 s: raise every_s",
        )
