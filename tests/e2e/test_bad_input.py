"""What goes wrong around the gateway is answered or told, and the gateway serves on."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.kit import Gateway, ask_raw, run_cli, run_gateway, unused_port, wait_for

_FILE = """
listen = "127.0.0.1:0"
state_dir = "{state_dir}"

[admin]
listen = "127.0.0.1:0"

[upstream]
url = "{upstream}"
response_timeout_s = 0.5

[[upstreams]]
name = "dead"
url = "http://127.0.0.1:{dead_port}"

[[routes]]
name = "dead"
path = "/dead"
upstream = "dead"

[server]
header_bytes = 4096
body_bytes = "64KiB"
"""


_BOTH_FRAMINGS = b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def dead_port() -> int:
    """Where no upstream listens."""
    return unused_port()


@pytest.fixture(scope="module")
def running(
    rude_origin: str, dead_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway with little patience in front of an origin without manners."""
    folder = tmp_path_factory.mktemp("rude-gateway")
    file = folder / "gateway.toml"
    text = _FILE.format(upstream=rude_origin, dead_port=dead_port, state_dir=folder / "state")
    file.write_text(text)
    with run_gateway(folder, "--config", str(file)) as gateway:
        yield gateway


@pytest.fixture(autouse=True)
def serves_on(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test the gateway still answers, from the same worker."""
    if "running" not in request.fixturenames:
        yield
        return
    gateway: Gateway = request.getfixturevalue("running")
    pid = gateway.worker_pid
    yield
    assert httpx.get(f"{gateway.url}/good", trust_env=False).text == "good"
    assert gateway.worker_pid == pid


def _problem(answer: httpx.Response) -> dict[str, object]:
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, object] = answer.json()
    assert problem["status"] == answer.status_code
    return problem


@pytest.mark.parametrize("path", ["/close", "/reset", "/garbage", "/half-head", "/two-lengths"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_broken_answer_is_502(
    running: Gateway, http: httpx.Client, *, method: str, path: str
) -> None:
    """An upstream that closes, resets or sends no HTTP is answered for with 502."""
    answer = http.request(method, f"{running.url}{path}")
    assert answer.status_code == 502
    assert _problem(answer)["upstream"] == "default"


def test_a_hanging_upstream_is_504(running: Gateway, http: httpx.Client) -> None:
    """An upstream that does not answer within response_timeout_s is answered for with 504."""
    answer = http.get(f"{running.url}/hang")
    assert answer.status_code == 504
    assert 0.4 < answer.elapsed.total_seconds() < 5
    assert _problem(answer)["type"] == "urn:lukhas:problem:upstream-timeout"


@pytest.mark.parametrize("path", ["/half-body", "/half-chunk"])
def test_half_an_answer_does_not_look_whole(
    running: Gateway, http: httpx.Client, *, path: str
) -> None:
    """A body that breaks off upstream breaks off here, so that nobody takes it for whole."""
    with pytest.raises(httpx.RemoteProtocolError):
        http.get(f"{running.url}{path}")


def test_a_large_head_is_431(running: Gateway, http: httpx.Client) -> None:
    """A request head above header_bytes is refused (RFC 6585 section 5)."""
    assert http.get(f"{running.url}/good", headers={"x-large": "x" * 3000}).status_code == 200
    answer = http.get(f"{running.url}/good", headers={"x-large": "x" * 5000})
    assert answer.status_code == 431
    _problem(answer)


def test_a_large_body_is_413(running: Gateway) -> None:
    """A body above body_bytes is refused, whether its length is told or not."""
    big = b"x" * 100_000
    head = b"POST %b HTTP/1.1\r\nhost: a\r\nconnection: close\r\n"
    told = b"content-length: %d\r\n\r\n" % len(big)
    chunked = b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(big), big)
    for framed in (told + big, chunked):
        # An upstream that answers before it has read the body would be heard: this one does not.
        said = ask_raw(running.address, head % b"/hang" + framed)
        assert said.startswith(b"HTTP/1.1 413 Content Too Large\r\n"), said[:200]
        assert b"application/problem+json" in said


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"501"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", b"400"),
        (b"GET /../x HTTP/1.1\r\nhost: a\r\nbad name: b\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nhost: a\r\n" + _BOTH_FRAMINGS, b"400"),
        (b"MAKE / HTTP/1.1\r\nhost: a\r\n\r\n", b"501"),
    ],
    ids=["tls", "no-host", "two-hosts", "bad-name", "both-framings", "method"],
)
def test_what_is_no_request_is_refused(running: Gateway, sent: bytes, status: bytes) -> None:
    """Bytes that are no valid request get an error answer and the end of the connection."""
    said = ask_raw(running.address, sent)
    assert said.startswith(b"HTTP/1.1 " + status + b" "), said[:200]
    body = said.partition(b"\r\n\r\n")[2]
    assert json.loads(body)["status"] == int(status)


def test_clients_that_leave_early_do_no_harm(running: Gateway) -> None:
    """Connections that end anywhere inside a request are forgotten."""
    request = b"POST /good HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nab"
    for length in range(0, len(request), 7):
        with socket.create_connection(running.address, 5) as client:
            client.sendall(request[:length])


def test_a_dead_upstream_is_502_and_comes_back(
    running: Gateway, dead_port: int, http: httpx.Client
) -> None:
    """While the upstream refuses connections the answer is 502; once it is back it serves."""
    answer = http.get(f"{running.url}/dead")
    assert answer.status_code == 502
    assert _problem(answer)["upstream"] == "dead"
    with (
        socket.create_server(("127.0.0.1", dead_port)) as listening,
        socket.create_connection(running.address, 10) as waiting,
    ):
        waiting.sendall(b"GET /dead HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        listening.settimeout(10)
        upstream, _ = listening.accept()
        with upstream:
            upstream.recv(65536)
            upstream.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nback")
            assert waiting.recv(65536).startswith(b"HTTP/1.1 200 OK")


def test_a_taken_port_is_told(tmp_path: Path) -> None:
    """A port in use is one line with the address and what to do, and exit code 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for flag in ("--listen", "--admin"):
            other = "--admin" if flag == "--listen" else "--listen"
            done = run_cli(
                *("serve", "--upstream", "http://127.0.0.1:1", "--state-dir", str(tmp_path)),
                *(flag, f"127.0.0.1:{port}", other, "127.0.0.1:0"),
            )
            assert done.returncode == 2
            assert f"127.0.0.1:{port}" in done.stderr
            assert "in use" in done.stderr
            assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["serve", "keys"])
def test_an_unusable_state_dir_is_told(command: str, tmp_path: Path) -> None:
    """A state directory that cannot be made is one line with its path, and exit code 2."""
    (tmp_path / "file").write_text("")
    arguments = {
        "serve": ("serve", "--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0"),
        "keys": ("keys", "create", "--tier", "free"),
    }[command]
    if command == "serve":
        arguments += ("--admin", "127.0.0.1:0")
    done = run_cli(*arguments, "--state-dir", str(tmp_path / "file" / "state"))
    assert done.returncode == 2
    assert str(tmp_path / "file") in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_commands_that_do_not_exist_are_told() -> None:
    """A mistake on the command line is one line and exit code 2."""
    for arguments in (("serv",), ("serve", "--upstreem", "x"), ("check",), ("serve", "--upstream")):
        done = run_cli(*arguments)
        assert done.returncode == 2, arguments
        assert done.stderr.startswith("lukhas: ")
        assert done.stderr.count("\n") == 1


def test_a_worker_that_dies_is_started_again(tmp_path: Path, rude_origin: str) -> None:
    """When the worker is killed, a new one takes over the listening socket."""
    with run_gateway(tmp_path, "--upstream", rude_origin) as gateway:
        pid = gateway.worker_pid
        os.kill(pid, signal.SIGKILL)

        def serves() -> bool:
            try:
                return httpx.get(f"{gateway.url}/good", trust_env=False, timeout=10).text == "good"
            except httpx.HTTPError:
                return False

        wait_for(serves, "new worker")
        assert gateway.worker_pid != pid
