"""What the admin process knows of its parent, and reload and upgrade over HTTP."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from lukhas.admin.access import AdminToken
from lukhas.admin.app import create_admin_app
from lukhas.admin.parent import Parent
from lukhas.admin.renewal_api import renewal_router
from lukhas.admin.state import AdminState
from lukhas.admin.workers_api import workers_router
from lukhas.gateway.control import Control
from lukhas.gateway.orders import Orders
from lukhas.hub.control_link import MoveStatus, Outcome, ParentStatus, WorkerStatus
from lukhas.telemetry.health import PartHealth
from tests.unit.admin.conftest import TOKEN

DONE = Outcome(order="reload", done=True, detail="generation 2", time_ns=10**9, finished=False)
REFUSED = Outcome(
    order="reload",
    done=False,
    detail="g.toml:6: unknown key 'a'",
    faults=("g.toml:6: unknown key 'a'", "g.toml:7: unknown key 'b'"),
    time_ns=10**9,
    finished=True,
)
FAILED = Outcome(
    order="upgrade", done=False, detail="worker-1 did not get ready", time_ns=1, finished=True
)


class Family:
    """A parent process that does what the test says, and the admin process's view of it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "control.sock"
        self.status = ParentStatus(generation=1, workers_wanted=2)
        self.orders = Orders()
        self.control = Control(self.orders, lambda: self.status)
        self.parent = Parent(self.path)

    async def obey(self, outcome: Outcome) -> None:
        """Waits for an order, and answers it."""
        ticket = await self.orders.next()
        assert ticket.order == outcome.order
        ticket.tell(outcome)


@pytest.fixture
async def family(tmp_path: Path) -> AsyncIterator[Family]:
    """A parent process that listens."""
    made = Family(tmp_path)
    await made.control.listen(made.path)
    yield made
    await made.control.close()


@pytest.fixture
async def http(state: AdminState, family: Family) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an admin app below that parent."""
    app = create_admin_app(
        state,
        token=AdminToken(TOKEN, "settings"),
        routers=[renewal_router(family.parent), workers_router(family.parent)],
    )
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, client=("192.0.2.9", 40000)),
        base_url="http://admin.test",
        headers={"authorization": f"Bearer {TOKEN}"},
    ) as client:
        yield client


async def test_it_follows_its_parent_and_finds_it_again(
    family: Family, state: AdminState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The status is the one told last; a connection that is lost is made anew."""
    monkeypatch.setattr("lukhas.admin.parent._RETRY_S", 0.001)
    parent = family.parent

    async def until_told() -> None:
        while parent.status != family.status:  # noqa: ASYNC110 - it is told by another task
            await asyncio.sleep(0.001)

    assert (parent.status, parent.parts()) == (None, [PartHealth("settings", "ok")])
    app = create_admin_app(state, token=AdminToken(TOKEN, "settings"))
    async with parent.lifespan(app), asyncio.timeout(10):
        await until_told()
        family.status = ParentStatus(generation=2, workers_wanted=3, last=REFUSED)
        family.control.tell()
        await until_told()
        (part,) = parent.parts()
        assert part.state == "degraded"
        assert part.detail == (
            "reload refused at 1970-01-01T00:00:01Z, nothing has changed: g.toml:6: unknown key 'a'"
        )
        await family.control.close()
        family.control = Control(family.orders, lambda: family.status)
        family.status = ParentStatus(generation=3, workers_wanted=1, last=DONE)
        await family.control.listen(family.path)
        await until_told()
        assert parent.parts() == [PartHealth("settings", "ok")]


def test_the_number_of_workers_has_its_reason(tmp_path: Path) -> None:
    """A part of the health says how many there are, and why it changed; or why it could not."""
    parent = Parent(tmp_path)
    parent.status = ParentStatus(generation=1, workers_wanted=1, least=1, most=4)
    assert parent.parts()[1] == PartHealth("scaling", "ok", "1 of 1 to 4 workers")
    move = MoveStatus(before=1, after=2, why="each is busy", time_ns=10**9)
    parent.status = ParentStatus(
        generation=1, workers_wanted=2, least=1, most=4, moves=(move,), grown=1
    )
    assert parent.parts()[1].detail == (
        "2 of 1 to 4 workers; 1 -> 2 at 1970-01-01T00:00:01Z: each is busy"
    )
    parent.status = ParentStatus(
        generation=1, workers_wanted=1, least=1, most=4, scaling_failure="no room"
    )
    assert parent.parts()[1] == PartHealth(
        "scaling", "degraded", "workers cannot be added: no room"
    )


async def test_who_asks_early_waits_for_the_parent(
    http: httpx.AsyncClient, family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first word of the parent is waited for, but not for ever: then it is a 503."""
    app = FastAPI()
    asking = asyncio.create_task(http.get("/api/v1/workers"))
    await asyncio.sleep(0)
    async with family.parent.lifespan(app):
        assert (await asking).json()["wanted"] == 2
    family.parent.status = None
    family.parent._heard.clear()
    monkeypatch.setattr("lukhas.admin.parent._PATIENCE_S", 0.001)
    assert (await http.get("/api/v1/workers")).status_code == 503


async def test_the_workers_are_listed(http: httpx.AsyncClient, family: Family) -> None:
    """What each has to do, and the moves."""
    family.parent.status = ParentStatus(
        generation=3,
        workers_wanted=2,
        least=1,
        most=4,
        workers=(
            WorkerStatus(name="worker-1", pid=11, starts=1, busy=0.5, late_ms=1.5),
            WorkerStatus(name="worker-2", pid=0, starts=2),
        ),
        moves=(MoveStatus(before=1, after=2, why="each is busy", time_ns=10**9),),
    )
    found = (await http.get("/api/v1/workers")).json()
    assert (found["generation"], found["wanted"], found["least"], found["most"]) == (3, 2, 1, 4)
    assert found["workers"][0] == {
        "name": "worker-1",
        "pid": 11,
        "starts": 1,
        "busy": 0.5,
        "late_ms": 1.5,
    }
    assert found["workers"][1]["busy"] is None
    assert found["moves"] == [
        {"before": 1, "after": 2, "why": "each is busy", "time": "1970-01-01T00:00:01Z"}
    ]


async def test_a_reload_is_carried_out(
    http: httpx.AsyncClient, family: Family, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer comes when the new workers serve, and it is audited."""
    caplog.set_level(logging.INFO, "lukhas.audit")
    obeying = asyncio.create_task(family.obey(DONE))
    answer = await http.post("/api/v1/reload")
    await obeying
    assert answer.status_code == 200
    assert answer.json() == {
        "order": "reload",
        "detail": "generation 2",
        "time": "1970-01-01T00:00:01Z",
    }
    assert caplog.messages == ["reload by admin from 192.0.2.9: generation 2"]


async def test_mistakes_in_the_settings_are_all_told(
    http: httpx.AsyncClient, family: Family
) -> None:
    """As a problem: nothing has changed, and why."""
    obeying = asyncio.create_task(family.obey(REFUSED))
    answer = await http.post("/api/v1/reload")
    await obeying
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    problem = answer.json()
    assert problem["type"] == "urn:lukhas:problem:settings-refused"
    assert problem["faults"] == list(REFUSED.faults)
    assert "nothing has changed" in problem["detail"]


async def test_workers_that_do_not_start(http: httpx.AsyncClient, family: Family) -> None:
    """That is no mistake of whoever asked."""
    obeying = asyncio.create_task(family.obey(FAILED))
    answer = await http.post("/api/v1/upgrade")
    await obeying
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:lukhas:problem:renewal-failed"


async def test_a_parent_that_does_not_answer(http: httpx.AsyncClient, family: Family) -> None:
    """Is a 503 as well."""
    await family.control.close()
    answer = await http.post("/api/v1/reload")
    assert answer.status_code == 503
    assert "does not answer" in answer.json()["detail"]


async def test_nobody_else_may_give_orders(http: httpx.AsyncClient) -> None:
    """Like the rest of the admin API."""
    answer = await http.post("/api/v1/reload", headers={"authorization": "Bearer wrong"})
    assert answer.status_code == 401
