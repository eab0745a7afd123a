"""`lukhas serve` as real processes: started, kept running, ended."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

WAIT_S = 40.0


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


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def get(port: int, path: str = "/") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def children(pid: int) -> dict[str, int]:
    """The child processes by the module they run."""
    found = {}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        if b"-m" in words:
            found[words[words.index(b"-m") + 1].decode()] = int(child)
    return found


@dataclass
class Served:
    process: subprocess.Popen[str]
    port: int
    admin_port: int


def command(*flags: str) -> list[str]:
    return [sys.executable, "-m", "lukhas", "serve", *flags]


@contextmanager
def serving(upstream: str, state_dir: Path) -> Iterator[Served]:
    """`lukhas serve` on ports of its own choice, ended by SIGTERM."""
    flags = ("--upstream", upstream, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
    process = subprocess.Popen(
        command(*flags, "--state-dir", str(state_dir)), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    drain = threading.Thread(target=process.stderr.read, daemon=True)
    try:
        line = ""
        while "serving" not in line:
            line = process.stderr.readline()
            assert line, "it ended before it served"
        drain.start()
        yield Served(process, *_ports(line))
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(WAIT_S)
        if drain.is_alive():
            drain.join()
        process.stderr.close()


def _ports(line: str) -> tuple[int, int]:
    words = line.replace(",", " ").split()
    gateway, admin = [word for word in words if word.startswith("http://127.0.0.1:")][-2:]
    return int(gateway.rpartition(":")[2]), int(admin.rpartition(":")[2])


def test_serves_heals_and_ends(origin: str, tmp_path: Path) -> None:
    """It serves, shows its health, starts a killed worker again, and ends with 0 at SIGTERM."""
    with serving(origin, tmp_path / "state") as served:
        assert get(served.port) == (200, b"ok")
        until(lambda: get(served.admin_port, "/health")[0] == 200)
        worker = children(served.process.pid)["lukhas.gateway"]
        os.kill(worker, signal.SIGKILL)
        until(lambda: children(served.process.pid).get("lukhas.gateway") not in {None, worker})
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
    with serving(origin, tmp_path / "state") as served:
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
    with serving(refused_url, tmp_path / "state") as served:
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
