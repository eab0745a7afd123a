"""Child processes: started, kept running, stopped."""

import asyncio
import io
import os
import pickle
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lukhas.config.settings import Settings
from lukhas.gateway.children import Child, ChildFailedError, ChildLateError
from lukhas.hub.child_link import ChildTask, announce_ready, read_task

PROGRAM = "tests.unit.gateway.child_program"


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """A socket for children to inherit."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def child_of(listening: socket.socket, name: str, *, stop_s: float = 20.0) -> Child:
    task = ChildTask(
        settings=Settings(),
        descriptors=(listening.fileno(),),
        telemetry_path=Path("nowhere"),
        name=name,
        gateway_url="",
    )
    return Child(PROGRAM, task, stop_s=stop_s)


async def test_start_and_stop(listening: socket.socket) -> None:
    """A child runs from the moment it is ready until it is asked to end."""
    child = child_of(listening, "runs")
    assert (child.name, child.pid, child.starts, child.late_ns) == ("runs", None, 0, None)
    await child.stop()
    await child.start()
    assert child.pid is not None
    assert child.starts == 1
    os.kill(child.pid, 0)
    await child.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)
    await child.stop()
    assert await child._ended() != 0


async def test_a_child_that_ends_at_once(listening: socket.socket) -> None:
    """Its exit code is told."""
    with pytest.raises(ChildFailedError) as raised:
        await child_of(listening, "exits").start()
    assert raised.value.code == 3


async def test_a_child_that_is_never_ready(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is ended, and that is a failure."""
    monkeypatch.setattr("lukhas.gateway.children._READY_S", 0.5)
    child = child_of(listening, "silent")
    with pytest.raises(ChildLateError, match="silent was not ready within 0 s, so it was ended"):
        await child.start()
    assert child.pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)


async def test_a_child_that_does_not_listen(listening: socket.socket) -> None:
    """It is ended by force after its time."""
    child = child_of(listening, "deaf", stop_s=0.2)
    await child.start()
    await child.stop()
    assert child.pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)


async def test_a_child_that_dies_is_started_until_it_runs(
    listening: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start that fails is no reason to give up."""
    monkeypatch.setattr("lukhas.gateway.children._FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr("lukhas.gateway.children._CALM_S", -1.0)
    starts = tmp_path / "starts"
    child = child_of(listening, f"flaky:{starts}")
    await child.start()
    keeping = asyncio.create_task(child.keep())
    async with asyncio.timeout(30):
        while starts.read_text() != "xxx":  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.02)
    await child.stop()
    async with asyncio.timeout(30):
        await keeping


async def test_a_child_ends_with_its_parent(listening: socket.socket) -> None:
    """When the pipe from the parent ends, so does the child."""
    child = child_of(listening, "bound")
    await child.start()
    child._close_pipes()
    async with asyncio.timeout(30):
        assert await child._ended() == -15


async def test_a_child_that_was_never_started_has_ended(listening: socket.socket) -> None:
    """There is nothing to wait for."""
    assert await child_of(listening, "runs")._ended() == 0


def test_a_pipe_without_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """Something else on standard input is no task."""
    stdin = io.TextIOWrapper(io.BytesIO(pickle.dumps("no task")))
    monkeypatch.setattr("sys.stdin", stdin)
    with pytest.raises(TypeError, match="no task"):
        read_task()


def test_nobody_to_tell(listening: socket.socket) -> None:
    """A child that nobody waits for says nothing."""
    announce_ready(child_of(listening, "runs")._task)
