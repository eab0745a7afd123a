"""How a gateway starts, stops, and lives with what happens to its processes."""

import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import Origin
from tests.e2e.kit import LUKHAS, Gateway, Service, descendants, is_running, run_gateway, wait_for


@contextlib.contextmanager
def _gateway(folder: Path, upstream: str) -> Iterator[Gateway]:
    """A gateway that the test itself ends."""
    with run_gateway(folder, "--upstream", upstream, ended_by_test=True) as running:
        yield running


def test_requests_under_way_are_finished(origin: Origin, tmp_path: Path) -> None:
    """After SIGTERM an open request is still answered and an open stream goes on to its end."""
    with _gateway(tmp_path, origin.url) as running:
        held = HTTPConnection(*running.address, timeout=20)
        held.request("GET", "/held/draining")
        stream = HTTPConnection(*running.address, timeout=20)
        stream.request("GET", "/events/draining")
        events = stream.getresponse()
        assert events.readline() == b"id: 0\n"
        wait_for(lambda: origin.count("/held/draining") == 1, "request at the origin")

        with httpx.Client(base_url=running.url, trust_env=False) as kept:
            kept.get("/draining")
            running.service.process.terminate()
            wait_for(lambda: _says_close(kept), "polite end of a kept connection")
        for _ in range(5):
            origin.signal("draining")
        assert held.getresponse().read() == b"released"
        assert events.read().endswith(b"data: event 3\n\n")
        held.close()
        stream.close()
        assert running.service.process.wait(20) == 0


def _says_close(client: httpx.Client) -> bool:
    return "close" in client.get("/draining").headers.get("connection", "")


def test_new_connections_are_refused_while_it_stops(origin: Origin, tmp_path: Path) -> None:
    """While requests under way are finished, nobody new is left waiting for an answer."""
    with (
        _gateway(tmp_path, origin.url) as running,
        contextlib.closing(HTTPConnection(*running.address, timeout=20)) as held,
    ):
        held.request("GET", "/held/refusing")
        wait_for(lambda: origin.count("/held/refusing") == 1, "request at the origin")
        running.service.process.terminate()
        wait_for(lambda: _refuses(running.address), "refusal of new connections", deadline_s=5)
        origin.signal("refusing")
        assert held.getresponse().read() == b"released"
        assert running.service.process.wait(20) == 0


def _refuses(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, 1).close()
    except ConnectionRefusedError:
        return True
    return False


def test_ctrl_c_ends_it(origin: Origin, tmp_path: Path) -> None:
    """SIGINT to the whole process group ends the gateway with 0 and without a word of alarm."""
    with _gateway(tmp_path, origin.url) as running:
        httpx.get(f"{running.url}/ctrl-c", trust_env=False)
        family = descendants(running.service.process.pid)
        assert running.service.end(signal.SIGINT) == 0
        assert "Traceback" not in running.service.stderr
        assert not [pid for pid in family if is_running(pid)]


def test_children_end_with_a_killed_parent(origin: Origin, tmp_path: Path) -> None:
    """When the parent is killed, its children do not stay behind on the port."""
    with _gateway(tmp_path, origin.url) as running:
        family = descendants(running.service.process.pid)
        assert len(family) == 2
        os.kill(running.service.process.pid, signal.SIGKILL)
        running.service.process.wait()
        wait_for(lambda: not [pid for pid in family if is_running(pid)], "end of the children")


def test_it_starts_again_on_the_same_state(origin: Origin, tmp_path: Path) -> None:
    """A second start on the same port and state directory works at once, with the same token."""
    with _gateway(tmp_path, origin.url) as first:
        token = first.token
        httpx.get(f"{first.url}/again", trust_env=False)
        assert first.service.end() == 0
    host, port = first.address
    arguments = ("--upstream", origin.url, "--listen", f"{host}:{port}")
    with run_gateway(tmp_path, *arguments) as second:
        assert second.url == first.url
        assert second.token == token
        assert httpx.get(f"{second.url}/again", trust_env=False).status_code == 200


@pytest.mark.parametrize("children", [0, 1, 2])
def test_an_early_stop_is_a_clean_stop(children: int, origin: Origin, tmp_path: Path) -> None:
    """SIGTERM at any moment of the start ends everything, soon and without a traceback."""
    flags = (
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--state-dir",
        str(tmp_path / "s"),
    )
    service = Service([*LUKHAS, "serve", "--upstream", origin.url, *flags], tmp_path)
    try:
        wait_for(lambda: len(descendants(service.process.pid)) >= children or None, "its processes")
        family = descendants(service.process.pid)
        service.end(deadline_s=10)
        assert "Traceback" not in service.stderr
        assert not [pid for pid in family if is_running(pid)]
    finally:
        service.kill()
