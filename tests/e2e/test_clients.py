"""Clients of several kinds, and what HTTP/1.1 lets them do."""

import asyncio
import hashlib
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import Origin
from tests.e2e.kit import Gateway, ask_raw

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


def _curl(*arguments: str) -> str:
    done = subprocess.run(
        ["curl", "-q", "--noproxy", "*", "-sS", "--max-time", "20", *arguments],
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


@needs_curl
def test_curl_keeps_its_connection(before_origin: Gateway) -> None:
    """curl asks several times over one connection."""
    url = f"{before_origin.url}/plain/curl"
    lines = _curl("-w", "\n%{num_connects} %{http_code}\n", *[f"{url}/{n}" for n in range(4)])
    assert lines.split("\n")[1::2] == ["1 200", "0 200", "0 200", "0 200"]


@needs_curl
def test_curl_speaks_http_1_0(before_httpbin: Gateway) -> None:
    """A client of HTTP/1.0 gets a stream without chunks, ended by the connection's end."""
    said = _curl("-0", "-i", f"{before_httpbin.url}/stream/3")
    head, _, body = said.partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200 OK")
    assert "transfer-encoding" not in head.lower()
    assert "connection: close" in head.lower()
    assert len(body.splitlines()) == 3


@needs_curl
def test_curl_waits_for_100_continue(before_origin: Gateway, tmp_path: Path) -> None:
    """A large body announced with Expect arrives whole, after 100 Continue (RFC 9110 10.1.1)."""
    body = bytes(range(256)) * 16_384
    file = tmp_path / "body"
    file.write_bytes(body)
    said = _curl(
        *("-i", "-H", "Expect: 100-continue", "--expect100-timeout", "15"),
        *("--data-binary", f"@{file}", f"{before_origin.url}/echo"),
    )
    assert said.startswith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert hashlib.sha256(body).hexdigest() in said
    assert f'"size": {len(body)}' in said


@needs_curl
def test_curl_asks_with_head(before_httpbin: Gateway) -> None:
    """HEAD gets the length and no body."""
    said = _curl("-I", f"{before_httpbin.url}/bytes/1000")
    assert "content-length: 1000" in said.lower()


@needs_curl
def test_curl_shows_a_stream_as_it_comes(before_origin: Gateway, origin: Origin) -> None:
    """`curl -N` prints an event before the next one is made."""
    command = ["curl", "-q", "--noproxy", "*", "-sN", f"{before_origin.url}/events/curl"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        for number in range(4):
            lines = [running.stdout.readline() for _ in range(3)]
            assert lines == [b"id: %d\n" % number, b"data: event %d\n" % number, b"\n"]
            origin.signal("curl")
    assert running.returncode == 0


async def test_httpx_asks_many_at_once(before_origin: Gateway) -> None:
    """Two hundred requests over twenty kept connections are all answered."""
    limits = httpx.Limits(max_connections=20, max_keepalive_connections=20)
    async with httpx.AsyncClient(
        base_url=before_origin.url, limits=limits, trust_env=False, timeout=20
    ) as client:
        asked = (client.get(f"/plain/many/{number}") for number in range(200))
        answers = await asyncio.gather(*asked)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.headers["x-request-id"] for answer in answers}) == 200


def test_pipelined_requests_are_answered_in_order(before_origin: Gateway) -> None:
    """Requests that are sent without waiting are answered in their order (RFC 9112 9.3.2)."""
    request = b"GET /plain/pipe/%d HTTP/1.1\r\nhost: a\r\n%b\r\n"
    pieces = [request % (number, b"") for number in range(4)]
    said = ask_raw(
        before_origin.address, b"".join(pieces) + request % (9, b"connection: close\r\n")
    )
    assert said.count(b"HTTP/1.1 200 OK\r\n") == 5
    assert said.count(b"call 1") == 5


def test_http_1_0_may_keep_its_connection_or_not(before_origin: Gateway) -> None:
    """Without keep-alive, an HTTP/1.0 connection ends after the answer."""
    said = ask_raw(before_origin.address, b"GET /plain/old HTTP/1.0\r\nhost: a\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 200 OK\r\n")
    assert said.endswith(b"call 1")
