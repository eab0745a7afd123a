"""An admin app with a worker that has reported."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from lukhas.admin.access import AdminToken
from lukhas.admin.app import create_admin_app
from lukhas.admin.state import AdminState
from lukhas.storage.sql import ADMIN_DATABASE_FILE, open_database
from lukhas.telemetry.health import PartHealth
from lukhas.telemetry.recorder import Recorder
from lukhas.telemetry.totals import Frame, TotalsByWorker
from lukhas.units import SECOND_NS

TOKEN = "a token for tests"


class ManualClock:
    def __init__(self) -> None:
        self.time_ns = 1_000_000 * SECOND_NS

    def now_ns(self) -> int:
        return self.time_ns


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new admin database: to copy it is much quicker than to make one."""
    folder = tmp_path_factory.mktemp("migrated")

    async def make() -> None:
        await (await open_database(folder)).close()

    asyncio.run(make())
    return folder / ADMIN_DATABASE_FILE


@pytest.fixture
def state_dir(tmp_path: Path, migrated: Path) -> Path:
    """A state directory with an admin database."""
    folder = tmp_path / "state"
    folder.mkdir()
    shutil.copy(migrated, folder)
    return folder


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def state(clock: ManualClock) -> AdminState:
    return AdminState(
        totals=TotalsByWorker(),
        clock=clock,
        started_ns=clock.time_ns - 90 * SECOND_NS,
        gateway_url="http://127.0.0.1:8000",
    )


@pytest.fixture
def report(state: AdminState, clock: ManualClock) -> Callable[..., None]:
    """Lets a worker report what the recorder holds, and a second pass."""
    numbers = iter(range(1, 1000))

    def report(recorder: Recorder | None = None, *parts: PartHealth) -> None:
        recorder = recorder or Recorder()
        frame = Frame("w1", 1, next(numbers), recorder.drain(), recorder.gauges(), list(parts))
        state.totals.receive(frame, clock.time_ns)
        clock.time_ns += SECOND_NS

    return report


@pytest.fixture
def app(state: AdminState) -> FastAPI:
    return create_admin_app(state, token=AdminToken(TOKEN, "settings"))


@pytest.fixture
async def stranger(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client without the token."""
    transport = httpx.ASGITransport(app, client=("192.0.2.7", 40000))
    async with httpx.AsyncClient(transport=transport, base_url="http://admin.test") as client:
        yield client


@pytest.fixture
async def admin(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client that sends the token."""
    transport = httpx.ASGITransport(app, client=("192.0.2.8", 40000))
    async with httpx.AsyncClient(
        transport=transport,
        base_url="http://admin.test",
        headers={"authorization": f"Bearer {TOKEN}"},
    ) as client:
        yield client
