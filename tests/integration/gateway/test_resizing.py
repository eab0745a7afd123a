"""Workers that come and go while they serve: real processes under load."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from lukhas.config.addresses import Address
from lukhas.config.settings import Settings
from lukhas.gateway import family as family_module
from lukhas.gateway import listening as listening_module
from lukhas.gateway.children import ChildFailedError
from lukhas.gateway.family import Family
from lukhas.gateway.listening import Listeners, listening_socket
from tests.integration.gateway.load import Load, loaded
from tests.integration.gateway.process_kit import WAIT_S

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

KINDS = {"kept": 3, "fresh": 4, "slow": 2, "uploads": 1, "streams": 1}


@asynccontextmanager
async def started(load: Load, tmp_path: Path) -> AsyncIterator[Family]:
    """One to four workers in front of the load's origin; one at first."""
    settings = Settings.model_validate(
        {
            "upstream": f"http://127.0.0.1:{load.origin_port}",
            "workers": "auto:1-4",
            "state_dir": tmp_path / "state",
            "tiers": {"free": None},
        }
    )
    (tmp_path / "state").mkdir(exist_ok=True)
    listeners = Listeners(listening_socket(Address("127.0.0.1", 0)), may_add=True)
    # Not tmp_path: its names may be longer than the address of a Unix socket.
    with TemporaryDirectory() as folder, listening_socket(Address("127.0.0.1", 0)) as admin_plane:
        family = Family(settings, listeners, admin_plane, Path(folder))
        nothing = asyncio.create_task(asyncio.sleep(0))
        try:
            await family.start()
            load.port = listeners.address.port
            yield family
        finally:
            await family.end(nothing)


async def go_on(load: Load) -> None:
    """Waits until each kind of client has been answered once more."""
    seen = dict(load.answered)
    async with asyncio.timeout(WAIT_S):
        while not all(load.answered[kind] > seen.get(kind, 0) for kind in KINDS):  # noqa: ASYNC110 - another thread
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("can_steer", [True, False])
@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_no_request_is_lost_when_workers_come_and_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, can_steer: bool
) -> None:
    """Up and down, one and several at once, also where the kernel steers no connections."""
    monkeypatch.setattr(family_module, "usable_cpus", lambda: 4)
    if not can_steer:
        monkeypatch.setattr(listening_module, "steer", lambda *_: False)
    with loaded() as load:
        async with started(load, tmp_path) as family:
            load.begin(**KINDS)
            await go_on(load)
            for count in (3, 1, 2, 9, 0):
                await family.resize(count)
                assert len(family.workers) == min(max(count, 1), 4)
                await go_on(load)
            names = [worker.name for worker in family.workers]
            assert names == ["worker-1"]
            await asyncio.to_thread(load.end)
            assert load.failed == {}


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_each_worker_gets_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was added does its part, and one that is left does all of it."""
    monkeypatch.setattr(family_module, "usable_cpus", lambda: 4)
    with loaded() as load:
        async with started(load, tmp_path) as family:
            await family.resize(3)
            pids = {worker.pid for worker in family.workers}
            kept = [socket.create_connection(("127.0.0.1", load.port)) for _ in range(60)]
            async with asyncio.timeout(WAIT_S):
                while not all(_sockets(pid) > 6 for pid in pids if pid):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            for connection in kept:
                connection.close()


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_a_worker_that_does_not_start_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that serve go on, and the next attempt may succeed."""
    monkeypatch.setattr(family_module, "usable_cpus", lambda: 4)
    with loaded() as load:
        async with started(load, tmp_path) as family:
            table = tmp_path / "state" / "keys.lmdb"
            table.rename(tmp_path / "aside")
            table.write_bytes(b"no table" * 1000)
            with pytest.raises(ChildFailedError):
                await family.resize(2)
            assert len(family.workers) == 1
            table.unlink()
            (tmp_path / "aside").rename(table)
            load.begin(**KINDS)
            await go_on(load)
            await family.resize(2)
            await go_on(load)
            await asyncio.to_thread(load.end)
            assert load.failed == {}


def _sockets(pid: int) -> int:
    """How many descriptors of a process are sockets."""
    found = 0
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found += str(entry.readlink()).startswith("socket:")
        except FileNotFoundError:
            continue
    return found
