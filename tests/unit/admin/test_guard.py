"""What every request to the admin plane passes."""

import httpx
import pytest
from fastapi import FastAPI

from lukhas.admin.guard import SESSION_COOKIE, address_of
from lukhas.units import MINUTE_NS, SECOND_NS
from tests.unit.admin.conftest import TOKEN, ManualClock

PROTECTED = ["/", "/docs", "/openapi.json", "/metrics", "/api/v1/status", "/api/v1/stream", "/nope"]
HTML = {"accept": "text/html,*/*"}


@pytest.mark.parametrize("path", PROTECTED)
async def test_a_stranger_gets_401(stranger: httpx.AsyncClient, path: str) -> None:
    """As problem+json (RFC 9457), with the scheme to use (RFC 9110 section 11.6.1)."""
    answer = await stranger.get(path)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["type"] == "urn:lukhas:problem:unauthorised"


@pytest.mark.parametrize("path", PROTECTED)
async def test_a_browser_is_sent_to_the_login_page(stranger: httpx.AsyncClient, path: str) -> None:
    """With the way back."""
    answer = await stranger.get(path, headers=HTML)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/login?next={path}"


@pytest.mark.parametrize(
    "value", ["Bearer wrong", "Bearer", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer é"]
)
async def test_a_wrong_credential_opens_nothing(stranger: httpx.AsyncClient, value: str) -> None:
    """Whatever it looks like."""
    answer = await stranger.get("/metrics", headers={b"authorization": value.encode()})
    assert answer.status_code == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
async def test_the_token_opens(stranger: httpx.AsyncClient, scheme: str) -> None:
    """The scheme has no case (RFC 9110 section 11.1)."""
    answer = await stranger.get("/metrics", headers={"authorization": f"{scheme} {TOKEN}"})
    assert answer.status_code == 200


async def test_guessing_is_braked_for_one_address(
    stranger: httpx.AsyncClient, admin: httpx.AsyncClient, clock: ManualClock
) -> None:
    """After ten wrong tokens even the right one has to wait, from that address."""
    for _ in range(10):
        answer = await stranger.get("/metrics", headers={"authorization": "Bearer guess"})
        assert answer.status_code == 401
    right = {"authorization": f"Bearer {TOKEN}"}
    answer = await stranger.get("/metrics", headers=right)
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "60"
    assert (await stranger.get("/health/live", headers=right)).status_code == 200
    assert (await admin.get("/metrics")).status_code == 200
    clock.time_ns += MINUTE_NS
    assert (await stranger.get("/metrics", headers=right)).status_code == 200


async def test_a_login_makes_a_session(stranger: httpx.AsyncClient, clock: ManualClock) -> None:
    """The cookie is out of reach for scripts and other sites, and ends."""
    answer = await stranger.post("/login", data={"token": TOKEN, "next": "/docs"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/docs"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Secure" not in cookie
    assert TOKEN not in cookie
    assert (await stranger.get("/api/v1/status")).status_code == 200
    clock.time_ns += 13 * 3600 * SECOND_NS
    assert (await stranger.get("/api/v1/status")).status_code == 401


async def test_over_https_the_cookie_is_secure(stranger: httpx.AsyncClient) -> None:
    """It never goes over plain HTTP then."""
    answer = await stranger.post("https://admin.test/login", data={"token": TOKEN})
    assert "Secure" in answer.headers["set-cookie"]


async def test_logging_out_ends_the_session(stranger: httpx.AsyncClient) -> None:
    """The browser forgets the cookie."""
    await stranger.post("/login", data={"token": TOKEN})
    answer = await stranger.post("/logout")
    assert answer.headers["location"] == "/login"
    assert SESSION_COOKIE not in stranger.cookies
    assert (await stranger.get("/api/v1/status")).status_code == 401


@pytest.mark.parametrize("cookie", [f"{SESSION_COOKIE}=1.2.3", "a[]=b; \x7f", f"{SESSION_COOKIE}="])
async def test_a_wrong_cookie_opens_nothing(stranger: httpx.AsyncClient, cookie: str) -> None:
    """Forged or broken."""
    answer = await stranger.get("/api/v1/status", headers={"cookie": cookie})
    assert answer.status_code == 401


async def test_a_cookie_of_another_app_does_not_hide_the_session(
    stranger: httpx.AsyncClient,
) -> None:
    """Cookies know no ports: every app of this host sends its own along."""
    answer = await stranger.post("/login", data={"token": TOKEN})
    session = answer.headers["set-cookie"].partition(";")[0]
    stranger.cookies.clear()
    answer = await stranger.get("/api/v1/status", headers={"cookie": f"a,b=c; {session}; x[=y"})
    assert answer.status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.test", "null", "http://admin.test:81"])
async def test_another_site_cannot_change_anything(
    stranger: httpx.AsyncClient, origin: str
) -> None:
    """A request that changes something tells its origin; it must be our own."""
    answer = await stranger.post("/login", data={"token": TOKEN}, headers={"origin": origin})
    assert answer.status_code == 403
    own = {"origin": "http://admin.test"}
    answer = await stranger.post("/login", data={"token": TOKEN}, headers=own)
    assert answer.status_code == 303


@pytest.mark.parametrize("path", ["/login", "/metrics", "/health", "/assets/admin.css", "/nope"])
async def test_every_answer_protects_the_browser(admin: httpx.AsyncClient, path: str) -> None:
    """A strict policy without inline script or style, no framing, no sniffing."""
    answer = await admin.get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    stored = "no-cache" if path.startswith("/assets/") else "no-store"
    assert answer.headers["cache-control"] == stored


async def test_a_websocket_is_closed(app: FastAPI) -> None:
    """There is none, and none gets past the guard."""
    sent = []

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: object) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/", "headers": [], "query_string": b""}
    await app(scope, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_a_server_that_tells_no_address_has_an_empty_one() -> None:
    """As over a Unix socket."""
    assert address_of({"client": None}) == ""
    assert address_of({"client": ("192.0.2.1", 1)}) == "192.0.2.1"
