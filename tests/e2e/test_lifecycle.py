"""How a gateway starts, stops, and lives with what happens to its processes."""

import contextlib
import os
import signal
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

        running.service.process.terminate()
        wait_for(lambda: _refuses(running.url), "end of new connections")
        origin.signal("draining")
        origin.signal("draining")
        for _ in range(4):
            origin.signal("draining")
        assert held.getresponse().read() == b"released"
        assert events.read().endswith(b"data: event 3\n\n")
        held.close()
        stream.close()
        assert running.service.process.wait(20) == 0


def _refuses(url: str) -> bool:
    try:
        httpx.get(f"{url}/draining", trust_env=False, timeout=5)
    except httpx.ConnectError:
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


@pytest.mark.parametrize("times", range(3))
def test_an_early_stop_is_a_clean_stop(times: int, origin: Origin, tmp_path: Path) -> None:
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
        wait_for(
            lambda: len(descendants(service.process.pid)) >= min(times, 2) or None, "its processes"
        )
        family = descendants(service.process.pid)
        service.end(deadline_s=10)
        assert "Traceback" not in service.stderr
        assert not [pid for pid in family if is_running(pid)]
    finally:
        service.kill()
