"""WebSocket through a gateway that runs as a process, with a real server and a real client."""

import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.e2e.conftest import StartGateway
from tests.e2e.kit import Service, wait_for

SERVER = """
import asyncio
from websockets.asyncio.server import serve

async def echo(connection):
    async for message in connection:
        await connection.send(message)

async def main():
    async with serve(echo, "127.0.0.1", 0) as server:
        print("port", next(iter(server.sockets)).getsockname()[1], flush=True)
        await server.serve_forever()

asyncio.run(main())
"""
CONFIG = """
upstream = "http://127.0.0.1:{port}"
listen = "127.0.0.1:0"
state_dir = "{folder}/state"
[admin]
listen = "127.0.0.1:0"
[server]
drain_s = 2
[[routes]]
name = "socket"
path = "/ws"
websocket = true
"""


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    """Settings of a gateway in front of an echo server."""
    script = tmp_path / "echo.py"
    script.write_text(SERVER)
    service = Service([sys.executable, str(script)], tmp_path / "echo")
    try:
        port = service.wait_for_output(r"port (\d+)\n")[1]
        path = tmp_path / "gateway.toml"
        path.write_text(CONFIG.format(port=port, folder=tmp_path))
        yield path
    finally:
        service.kill()


def test_a_reload_lets_connections_talk_then_ends_them(gateway: StartGateway, config: Path) -> None:
    """New connections go to the new workers at once; old ones have until the time to drain."""
    running = gateway("--config", str(config))
    url = running.url.replace("http://", "ws://") + "/ws"
    with connect(url, proxy=None) as old:
        old.send("before")
        assert old.recv(10) == "before"
        headers = {"authorization": f"Bearer {running.token}"}

        def told() -> bool:
            page = httpx.get(f"{running.admin_url}/metrics", headers=headers, trust_env=False)
            return "lukhas_websockets_open 1\n" in page.text

        wait_for(told, "an open connection in the metrics")
        running.service.process.send_signal(signal.SIGHUP)
        running.service.wait_for_output("reload done")
        old.send("still")
        assert old.recv(10) == "still"
        with connect(url, proxy=None) as new:
            new.send("new")
            assert new.recv(10) == "new"
            with contextlib.suppress(ConnectionClosed):
                old.recv(20)
            assert old.close_code == 1001
            new.send("goes on")
            assert new.recv(10) == "goes on"
