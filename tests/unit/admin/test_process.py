"""The admin process, as a process with real sockets."""

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
import uvicorn

from lukhas.admin import process as process_module
from lukhas.admin.process import _inherited, _Server
from lukhas.admin.state import AdminState
from lukhas.telemetry.link import TelemetrySender
from lukhas.telemetry.recorder import Recorder
from tests.samples import sampled

TOKEN = "a token for tests"

PROGRAM = f"""
import signal
import sys
from pathlib import Path
from lukhas.admin.access import AdminToken
from lukhas.admin.process import AdminOptions, run_admin
signal.signal(signal.SIGINT, signal.SIG_IGN)
run_admin(AdminOptions(
    descriptor=int(sys.argv[1]), telemetry_path=Path(sys.argv[2]),
    token=AdminToken({TOKEN!r}, "settings"), gateway_url="http://127.0.0.1:8000",
))
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not tmp_path: its names may be longer than the address of a Unix socket.
    with TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        yield bound


@pytest.fixture
def process(folder: Path, listening: socket.socket) -> Iterator[subprocess.Popen[bytes]]:
    descriptor = listening.fileno()
    command = [sys.executable, "-c", PROGRAM, str(descriptor), str(folder / "t.sock")]
    with subprocess.Popen(command, pass_fds=[descriptor]) as started:
        yield started
        if started.poll() is None:
            started.kill()


async def test_the_process_serves_and_ends_cleanly(
    process: subprocess.Popen[bytes], folder: Path, listening: socket.socket
) -> None:
    """Reports come in over the Unix socket, pages go out, and SIGTERM ends even a stream."""
    recorder = Recorder()
    recorder.record(sampled("/a", "GET", 200, "free", "hit", 10, 2_000))
    sender = TelemetrySender(folder / "t.sock", recorder, list, worker="w1", started_ns=1)
    host, port = listening.getsockname()
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(base_url=f"http://{host}:{port}", headers=headers) as client:
        # The socket is bound by the parent: the first request waits until the process serves.
        assert (await client.get("/health/live", timeout=30)).status_code == 200
        assert (await client.get("/health/ready")).status_code == 503
        assert await sender.flush()
        assert (await client.get("/health/ready")).status_code == 200
        assert (await client.get("/api/v1/status")).json()["traffic"]["requests_total"] == 1
        async with client.stream("GET", "/api/v1/stream") as stream:
            lines = stream.aiter_lines()
            while not (await anext(lines)).startswith("data:"):
                pass
            # A supervisor's child ignores Ctrl-C; the stream goes on.
            process.send_signal(signal.SIGINT)
            while not (await anext(lines)).startswith("data:"):
                pass
            process.send_signal(signal.SIGTERM)
            async for _ in lines:
                pass
    await sender.close()
    assert await asyncio.to_thread(process.wait, 20) == 0
    assert not (folder / "t.sock").exists()


async def test_a_connection_that_was_taken_is_served_to_the_end(
    state: AdminState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks just when another admin process takes over gets an answer, if it asks soon."""

    class Connection:
        cycle: object = None

    ended = []

    async def end(_server: uvicorn.Server, _sockets: object = None) -> None:
        ended.append(len(server.server_state.connections))

    monkeypatch.setattr(uvicorn.Server, "shutdown", end)
    monkeypatch.setattr(process_module, "_FRESH_S", 3600)
    server = _Server(uvicorn.Config("none"), state, set())
    taken = Connection()
    server.servers = []
    server.server_state.connections = {taken}  # type: ignore[arg-type]
    ending = asyncio.create_task(server.shutdown())
    for _ in range(3):
        await asyncio.sleep(process_module._FRESH_LOOK_S)
    assert ended == []
    taken.cycle = "has asked"
    await ending
    taken.cycle = None
    monkeypatch.setattr(process_module, "_FRESH_S", process_module._FRESH_LOOK_S)
    await server.shutdown()
    assert ended == [1, 1]


@pytest.mark.parametrize(
    ("family", "address"), [(socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_INET6, ("::1", 0))]
)
def test_an_accepted_connection_does_not_wait_for_full_packets(
    family: socket.AddressFamily, address: tuple[str, int]
) -> None:
    """TCP_NODELAY is on; without it keep-alive answers are late by 40 ms."""
    try:
        bound = socket.create_server(address, family=family)
    except OSError:
        pytest.skip("this machine has no such address")
    with _inherited(bound.detach()) as listening:
        assert listening.family == family
        with socket.create_connection(listening.getsockname()[:2]) as client:
            accepted, _ = listening.accept()
            with accepted, client:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_unix_socket_is_served_too(folder: Path) -> None:
    """It has no such option."""
    bound = socket.socket(socket.AF_UNIX)
    bound.bind(str(folder / "a.sock"))
    with _inherited(bound.detach()) as listening:
        assert listening.family == socket.AF_UNIX


def test_a_worker_does_not_pay_for_the_admin_plane() -> None:
    """What the data plane imports loads neither FastAPI nor uvicorn nor pydantic."""
    program = (
        "import sys, lukhas.pipeline.stages.observe, lukhas.telemetry.link, "
        "lukhas.telemetry.prometheus\n"
        "print(sorted({'fastapi', 'uvicorn', 'starlette', 'pydantic', 'structlog'} "
        "& sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


def test_the_database_is_not_loaded_before_it_is_needed() -> None:
    """SQLAlchemy takes longer to load than all the rest: a reload would wait for it."""
    code = "import sys, lukhas.admin.__main__; sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
