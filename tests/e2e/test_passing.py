"""What goes through the gateway arrives as if it were not there."""

import hashlib
from collections.abc import Iterator
from http.client import HTTPConnection

import httpx
import pytest

from tests.e2e.conftest import Origin
from tests.e2e.kit import Gateway, memory_bytes, wait_for

MIB = 2**20

# Fields that are of the connection, of the moment, or added by the gateway on purpose.
_OWN = frozenset(
    ("date", "connection", "x-request-id", "ratelimit", "ratelimit-policy", "cache-status")
)

_REQUESTS = (
    ("GET", "/get?a=1&b=%20x&a=2", b""),
    ("GET", "/status/418", b""),
    ("GET", "/status/503", b""),
    ("GET", "/status/204", b""),
    ("GET", "/status/404", b""),
    ("GET", "/redirect/2", b""),
    ("GET", "/absolute-redirect/1", b""),
    ("GET", "/redirect-to?url=http%3A%2F%2Felsewhere.test%2F&status_code=307", b""),
    ("GET", "/gzip", b""),
    ("GET", "/deflate", b""),
    ("GET", "/brotli", b""),
    ("GET", "/stream/20", b""),
    ("GET", "/stream-bytes/5000?seed=3&chunk_size=700", b""),
    ("GET", "/drip?duration=0&numbytes=10&delay=0", b""),
    ("GET", "/bytes/70000?seed=7", b""),
    ("GET", "/image/png", b""),
    ("GET", "/encoding/utf8", b""),
    ("GET", "/response-headers?x-twice=1&x-twice=2", b""),
    ("GET", "/cookies/set?first=1&second=2", b""),
    ("GET", "/basic-auth/somebody/secret", b""),
    ("GET", "/range/1000", b""),
    ("GET", "/anything/a%20b/%C3%A9?x=%2F", b""),
    ("POST", "/anything", b"a=1&b=2"),
    ("POST", "/anything", bytes(range(256)) * 800),
    ("PUT", "/anything", b'{"put": true}'),
    ("PATCH", "/anything", b'{"patch": true}'),
    ("DELETE", "/anything", b""),
    ("DELETE", "/anything", b"with a body"),
    ("HEAD", "/anything", b""),
    ("HEAD", "/bytes/100?seed=1", b""),
    ("OPTIONS", "/anything", b""),
)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    _REQUESTS,
    ids=[f"{method} {path.partition('?')[0]}" for method, path, _ in _REQUESTS],
)
def test_answers_are_those_of_the_api(
    before_httpbin: Gateway,
    httpbin: str,
    http: httpx.Client,
    *,
    method: str,
    path: str,
    body: bytes,
) -> None:
    """Status, header fields and body bytes are what the API itself answers."""
    sent = {
        "host": "api.test",
        "accept-encoding": "gzip, deflate, br",
        "x-custom": "kept",
        "cookie": "a=1; b=2",
        "content-type": "text/x-special",
        # The gateway says the same itself, and httpbin echoes it.
        "x-forwarded-host": "api.test",
    }
    through = _ask(http, method, before_httpbin.url + path, sent, body)
    direct = _ask(http, method, httpbin + path, sent, body)
    chunked = ("transfer-encoding", "chunked")
    if chunked in direct[1]:
        # How the end of a body is told may change on each hop: a short one may get a length.
        direct[1].remove(chunked)
        length = ("content-length", str(len(through[2])))
        assert (chunked in through[1]) != (length in through[1])
        through[1].remove(chunked if chunked in through[1] else length)
    assert through == direct


def _ask(
    http: httpx.Client, method: str, url: str, headers: dict[str, str], body: bytes
) -> tuple[int, list[tuple[str, str]], bytes]:
    with http.stream(method, url, headers=headers, content=body) as answer:
        raw = b"".join(answer.iter_raw())
    http.cookies.clear()
    kept = [
        (name.lower(), value)
        for name, value in answer.headers.multi_items()
        if name.lower() not in _OWN
    ]
    return answer.status_code, sorted(kept), raw


def test_every_answer_names_its_request(before_httpbin: Gateway, http: httpx.Client) -> None:
    """Each answer has a request id of its own, which the API gets too."""
    answers = [http.get(f"{before_httpbin.url}/headers?show_env=1") for _ in range(2)]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert ids[0] != ids[1]
    assert [answer.json()["headers"]["X-Request-Id"] for answer in answers] == ids


def test_the_api_learns_who_asked(before_httpbin: Gateway, http: httpx.Client) -> None:
    """The API gets the address of the client; what the client claims about it is dropped."""
    claimed = {"x-forwarded-for": "192.0.2.1", "x-forwarded-proto": "https", "host": "api.test"}
    seen = http.get(f"{before_httpbin.url}/headers?show_env=1", headers=claimed).json()["headers"]
    assert seen["X-Forwarded-For"] == "127.0.0.1"
    assert seen["X-Forwarded-Proto"] == "http"
    assert seen["X-Forwarded-Host"] == seen["Host"] == "api.test"


def test_a_part_of_a_resource_is_a_part(before_httpbin: Gateway, http: httpx.Client) -> None:
    """A range request gets the range (RFC 9110 section 14.2)."""
    part = http.get(f"{before_httpbin.url}/range/1000", headers={"range": "bytes=10-19"})
    assert (part.status_code, part.headers["content-range"]) == (206, "bytes 10-19/1000")
    assert part.text == "klmnopqrst"


def test_events_arrive_one_by_one(
    before_origin: Gateway, origin: Origin, http: httpx.Client
) -> None:
    """An event of a stream arrives before the origin makes the next one."""
    with http.stream("GET", f"{before_origin.url}/events/one-by-one") as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        lines = answer.iter_lines()
        for number in range(4):
            assert next(lines) == f"id: {number}"
            assert next(lines) == f"data: event {number}"
            assert next(lines) == ""
            assert origin.count("sent one-by-one") == number
            origin.signal("one-by-one")
        assert list(lines) == []


def test_a_client_that_leaves_frees_the_origin(
    before_origin: Gateway, origin: Origin, http: httpx.Client
) -> None:
    """When the client ends a stream early, the origin's side of it ends too."""
    with http.stream("GET", f"{before_origin.url}/events/leaving") as answer:
        assert next(answer.iter_lines()) == "id: 0"
    wait_for(lambda: origin.count("left leaving") == 1, "end at the origin")


def test_slow_answers_do_not_hold_up_others(
    before_origin: Gateway, origin: Origin, http: httpx.Client
) -> None:
    """While one answer is awaited, other requests are answered."""
    held = [_begin(before_origin, f"/held/pair-{number}") for number in range(2)]
    wait_for(lambda: origin.count("/held/pair-1") == 1, "request at the origin")
    assert http.get(f"{before_origin.url}/not-held").status_code == 200
    for number, connection in reversed(list(enumerate(held))):
        origin.signal(f"pair-{number}")
        assert connection.getresponse().read() == b"released"
        connection.close()


def _begin(gateway: Gateway, path: str) -> HTTPConnection:
    connection = HTTPConnection(*gateway.address, timeout=20)
    connection.request("GET", path)
    return connection


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_large_download_passes_in_little_memory(before_origin: Gateway, origin: Origin) -> None:
    """1 GiB passes whole, while the worker grows by less than 64 MiB."""
    length = 1024 * MIB
    pid = before_origin.worker_pid
    before = memory_bytes(pid, "VmRSS")
    connection = HTTPConnection(*before_origin.address, timeout=30)
    connection.request("GET", f"/zeros/{length}")
    answer = connection.getresponse()
    assert answer.getheader("content-length") == str(length)
    received, buffer = 0, bytearray(MIB)
    while number := answer.readinto(buffer):
        received += number
    connection.close()
    assert received == length
    assert memory_bytes(pid, "VmHWM") - before < 64 * MIB


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_large_upload_passes_in_little_memory(
    before_origin: Gateway, http: httpx.Client, *, chunked: bool
) -> None:
    """256 MiB pass unchanged, while the worker grows by less than 64 MiB."""
    pieces, piece = 256, bytes(range(256)) * 4096
    digest = hashlib.sha256()
    for _ in range(pieces):
        digest.update(piece)

    def body() -> Iterator[bytes]:
        for _ in range(pieces):
            yield piece

    pid = before_origin.worker_pid
    before = memory_bytes(pid, "VmRSS")
    headers = {} if chunked else {"content-length": str(pieces * len(piece))}
    answer = http.post(f"{before_origin.url}/echo", content=body(), headers=headers)
    assert answer.json() == {
        "method": "POST",
        "size": pieces * len(piece),
        "sha256": digest.hexdigest(),
    }
    assert memory_bytes(pid, "VmHWM") - before < 64 * MIB


def test_a_download_waits_for_its_client(before_origin: Gateway, origin: Origin) -> None:
    """A client that reads nothing makes the worker hold little, and leaving it ends the rest."""
    pid = before_origin.worker_pid
    before = memory_bytes(pid, "VmRSS")
    cut_off = origin.count("zeros cut off")
    connection = HTTPConnection(*before_origin.address, timeout=30)
    connection.request("GET", f"/zeros/{512 * MIB}")
    answer = connection.getresponse()
    assert len(answer.read(16 * MIB)) == 16 * MIB
    assert memory_bytes(pid, "VmHWM") - before < 64 * MIB
    answer.close()
    connection.close()
    cut = "end at the origin"
    wait_for(lambda: origin.count("zeros cut off") > cut_off, cut, deadline_s=45.0)
