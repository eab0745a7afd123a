"""Cache poisoning and deception through the middleware: rule R19; every probe is negative."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from lukhas.config.settings import Settings
from lukhas.middleware import OptimizerMiddleware
from lukhas.middleware.asgi import Receive, Scope
from lukhas.middleware.relay import Send

UNKEYED = (
    "forwarded",
    "x-forwarded-host",
    "x-forwarded-scheme",
    "x-forwarded-proto",
    "x-forwarded-prefix",
    "x-forwarded-port",
    "x-host",
    "x-original-url",
    "x-original-host",
    "x-rewrite-url",
    "x-http-method-override",
)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Believes whatever the request says, echoes it, and calls the answer fresh."""
    if scope["type"] != "http":
        return
    message = await receive()
    fields = [b"%b: %b" % pair for pair in scope["headers"]]
    said = b"\n".join([scope["path"].encode(), scope["query_string"], *fields, message["body"]])
    status = 400 if b"oversized" in said else 200
    is_public = scope["path"] == "/leak"
    body = dict(scope["headers"]).get(b"authorization", b"nobody") if is_public else said
    fresh = b"public, max-age=60" if is_public else b"max-age=60"
    headers = [(b"cache-control", fresh)]
    if scope["path"] == "/login":
        headers.append((b"set-cookie", b"s=secret"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(state_dir=tmp_path)
    app = OptimizerMiddleware(echo, settings=settings)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://a.example") as client:
        yield client


async def test_the_plain_page_is_cached(http: httpx.AsyncClient) -> None:
    """Or no probe below would mean anything."""
    await http.get("/x")
    assert (await http.get("/x")).headers["cache-status"].startswith("lukhas; hit")


@pytest.mark.parametrize("name", UNKEYED)
async def test_r19_1_fields_that_reroute_are_in_the_key(http: httpx.AsyncClient, name: str) -> None:
    """The app may believe them, so what it answers is for requests that have them as well."""
    await http.get("/x", headers={name: "evil"})
    assert "evil" not in (await http.get("/x")).text
    again = await http.get("/x", headers={name: "evil"})
    assert again.headers["cache-status"].startswith("lukhas; hit")


@pytest.mark.parametrize("name", ["authorization", "x-api-key", "cookie"])
async def test_r19_3_no_principal_gets_the_answer_of_another(
    http: httpx.AsyncClient, name: str
) -> None:
    """From A to B, and from A to nobody."""
    await http.get("/x", headers={name: "secret-of-a"})
    assert "secret-of-a" not in (await http.get("/x", headers={name: "b"})).text
    assert "secret-of-a" not in (await http.get("/x")).text


async def test_r19_4_cookies_are_not_replayed(http: httpx.AsyncClient) -> None:
    """Nor is an answer that sets one stored."""
    await http.get("/login")
    assert "hit" not in (await http.get("/login")).headers["cache-status"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_r19_5_a_fat_get_shapes_nothing(http: httpx.AsyncClient, method: str) -> None:
    """A body is in no key."""
    await http.request(method, "/x", content=b"evil")
    assert "evil" not in (await http.get("/x")).text


async def test_r19_5_errors_about_one_request_are_not_stored(http: httpx.AsyncClient) -> None:
    """CPDoS."""
    await http.get("/x", headers={"x": "oversized"})
    assert (await http.get("/x")).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "a.example:666"])
async def test_r19_2_hosts_and_ports_are_in_the_key(http: httpx.AsyncClient, host: str) -> None:
    """A reflected host is stored for that host only."""
    await http.get("/x", headers={"host": host})
    text = (await http.get("/x")).text
    assert "evil" not in text
    assert "666" not in text


@pytest.mark.parametrize("target", ["/x?evil", "/x?a=1;evil", "/X?evil", "/x/?evil", "/x;evil"])
async def test_r19_2_targets_are_keys(http: httpx.AsyncClient, target: str) -> None:
    """No parameter, case or slash is taken for another."""
    await http.get(target)
    assert "evil" not in (await http.get("/x")).text


async def test_r19_a_leak_is_quarantined(http: httpx.AsyncClient) -> None:
    """Within five requests; and after the first comparison nobody gets another's answer."""
    bodies = []
    for who in ("A", "B", "A", "B", "A", "B"):
        answer = await http.get("/leak", headers={"authorization": who})
        bodies.append(answer.text)
    assert bodies[2:] == ["A", "B", "A", "B"]
    assert answer.headers["cache-status"] == "lukhas; fwd=bypass"
