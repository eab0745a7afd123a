"""`lukhas serve` as real processes: started, kept running, ended."""

import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.integration.gateway.process_kit import WAIT_S, command, get, serving, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class _Fine(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    go = threading.Event()
    waiting = threading.Event()

    def do_GET(self) -> None:
        if self.path == "/slow":
            self.waiting.set()
            self.go.wait(WAIT_S)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def origin() -> Iterator[str]:
    """The URL of an origin that answers `ok`."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Fine) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def refused_url() -> Iterator[str]:
    """A URL where connections are refused: the port is bound, and nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


def test_serves_heals_and_ends(origin: str, tmp_path: Path) -> None:
    """It serves, shows its health, starts a killed worker again, and ends with 0 at SIGTERM."""
    with serving("--upstream", origin, state_dir=tmp_path / "state") as served:
        assert get(served.port) == (200, b"ok")
        until(lambda: get(served.admin_port, "/health")[0] == 200)
        (worker,) = served.workers()
        os.kill(worker, signal.SIGKILL)
        until(lambda: served.workers() - {worker})
        # The parent owns the socket, so a client only waits until the new worker takes it.
        assert get(served.port) == (200, b"ok")
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(WAIT_S) == 0
        with pytest.raises(ConnectionRefusedError):
            get(served.port)


def test_an_end_waits_for_what_is_under_way(origin: str, tmp_path: Path) -> None:
    """A request that is under way at SIGTERM gets its answer; the process ends with 0 after it."""
    answers: list[tuple[int, bytes]] = []
    _Fine.go.clear()
    _Fine.waiting.clear()
    with serving("--upstream", origin, state_dir=tmp_path / "state") as served:
        asking = threading.Thread(target=lambda: answers.append(get(served.port, "/slow")))
        asking.start()
        assert _Fine.waiting.wait(WAIT_S)
        served.process.send_signal(signal.SIGTERM)
        _Fine.go.set()
        asking.join(WAIT_S)
        assert answers == [(200, b"ok")]
        assert served.process.wait(WAIT_S) == 0


def test_a_refusing_upstream_is_a_problem_and_no_end(refused_url: str, tmp_path: Path) -> None:
    """Without its upstream the gateway answers 502, and lives."""
    with serving("--upstream", refused_url, state_dir=tmp_path / "state") as served:
        for _ in range(2):
            status, body = get(served.port)
            assert status == 502
            assert json.loads(body)["type"] == "urn:lukhas:problem:upstream-failed"
        assert served.process.poll() is None


@pytest.mark.parametrize("plane", ["--listen", "--admin"])
def test_a_port_in_use(tmp_path: Path, plane: str) -> None:
    """A taken port ends it with 2 and one line that names the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        addresses = {"--listen": "127.0.0.1:0", "--admin": "127.0.0.1:0", plane: address}
        flags = [word for pair in addresses.items() for word in pair]
        ended = subprocess.run(
            command("--upstream", "http://127.0.0.1:1", "--state-dir", str(tmp_path), *flags),
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
        )
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert address in ended.stderr


def test_a_state_dir_that_cannot_be(tmp_path: Path) -> None:
    """A state directory below a file ends it with 2 and one line that names it."""
    (tmp_path / "file").write_text("")
    state_dir = str(tmp_path / "file" / "state")
    flags = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--state-dir", state_dir)
    ended = subprocess.run(
        command("--upstream", "http://127.0.0.1:1", *flags),
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert state_dir in ended.stderr
