"""The admin plane: health, metrics, status and the pages."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import StartGateway
from tests.e2e.kit import Gateway, run_cli, wait_for


@pytest.fixture
def running(gateway: StartGateway, httpbin: str) -> Gateway:
    """A gateway that has had no requests."""
    return gateway("--upstream", httpbin, "--limit", "5/minute")


def admin_of(running: Gateway) -> httpx.Client:
    """A client of its admin plane that shows the token."""
    headers = {"authorization": f"Bearer {running.token}"}
    return httpx.Client(base_url=running.admin_url, headers=headers, trust_env=False)


@pytest.fixture
def admin(running: Gateway) -> Iterator[httpx.Client]:
    """A client of its admin plane."""
    with admin_of(running) as client:
        yield client


def test_health_is_open_and_metrics_are_not(before_httpbin: Gateway) -> None:
    """Health needs no token; metrics, status and the pages do."""
    running = before_httpbin
    wait_for(lambda: httpx.get(f"{running.admin_url}/health").status_code == 200, "ready health")
    health = httpx.get(f"{running.admin_url}/health").json()
    assert (health["ready"], health["live"]) == (True, True)
    for path in ("/metrics", "/api/v1/status", "/docs", "/openapi.json", "/"):
        refused = httpx.get(f"{running.admin_url}{path}")
        assert refused.status_code == 401, path
        assert refused.headers["content-type"] == "application/problem+json"
        wrong = httpx.get(f"{running.admin_url}{path}", headers={"authorization": "Bearer wrong"})
        assert wrong.status_code == 401
        with admin_of(running) as admin:
            assert admin.get(path).status_code == 200, path
    with admin_of(running) as admin:
        assert admin.get("/api/v1/status").json()["health"]["status"] == "ok"


def test_counters_are_the_requests_made(
    running: Gateway, admin: httpx.Client, http: httpx.Client
) -> None:
    """The counters are exactly what was asked, by status and by what the cache did."""
    http.get(f"{running.url}/cache/60")
    http.get(f"{running.url}/cache/60")
    http.get(f"{running.url}/status/503")
    http.head(f"{running.url}/get")
    http.post(f"{running.url}/post")
    assert [http.get(f"{running.url}/get").status_code for _ in range(3)] == [429] * 3

    def counted() -> dict[str, int] | None:
        found = re.findall(
            r"^lukhas_requests_total\{(.*)\} (\d+)$", admin.get("/metrics").text, re.MULTILINE
        )
        counts = {labels: int(number) for labels, number in found}
        return counts if sum(counts.values()) >= 8 else None

    counts = wait_for(counted, "all requests in the metrics")
    assert sum(counts.values()) == 8
    assert _sum(counts, 'status_class="4xx"') == 3
    assert _sum(counts, 'status_class="5xx"') == 1
    assert _sum(counts, 'cache="hit"') == 1
    assert _sum(counts, 'method="HEAD"') == 1
    text = admin.get("/metrics").text
    assert 'lukhas_limited_total{policy="tier-free",tier="free",mode="enforce"} 3' in text
    assert "lukhas_workers_alive 1" in text
    assert admin.get("/api/v1/status").json()["traffic"]["requests_total"] == 8


def _state(folder: Path) -> dict[str, str]:
    return {"LUKHAS_STATE_DIR": str(folder / "state")}


def _sum(counts: dict[str, int], label: str) -> int:
    return sum(number for labels, number in counts.items() if label in labels)


def test_a_browser_logs_in_and_sees_live_figures(running: Gateway, http: httpx.Client) -> None:
    """A browser is led to the login page; after it there is the dashboard, and what it lives on."""
    page = {"accept": "text/html,application/xhtml+xml"}
    led = http.get(f"{running.admin_url}/", headers=page)
    assert (led.status_code, led.headers["location"]) == (303, "/login?next=/")
    assert "<form" in http.get(f"{running.admin_url}/login?next=/", headers=page).text

    login = f"{running.admin_url}/login"
    wrong = http.post(login, data={"token": "not-the-token", "next": "/"})
    assert wrong.status_code == 401
    right = http.post(login, data={"token": running.token, "next": "/"})
    assert (right.status_code, right.headers["location"]) == (303, "/")
    for _ in range(3):
        http.get(f"{running.url}/get")

    shell = http.get(f"{running.admin_url}/", headers=page).text
    for file in re.findall(r"/assets/app/[\w.]+", shell):
        assert http.get(running.admin_url + file).status_code == 200
    assert "/assets/app/app.js" in shell

    def live() -> bool:
        with http.stream("GET", f"{running.admin_url}/api/v1/stream") as stream:
            event = next(line for line in stream.iter_lines() if line.startswith("data:"))
        return '"requests_total":3,' in event

    wait_for(live, "event with the requests made")


def test_an_open_admin_plane_needs_a_token(httpbin: str, tmp_path: Path) -> None:
    """Beyond this machine the admin plane is not served without a token: one line, exit code 2."""
    done = run_cli("serve", "--upstream", httpbin, "--admin", "0.0.0.0:0", env=_state(tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith("lukhas: --admin: ")
    assert "token" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_open_admin_plane_with_a_token_is_served(
    gateway: StartGateway, httpbin: str, tmp_path: Path
) -> None:
    """With a token of the settings it is, and that token opens it."""
    token = "a-token-that-is-long-enough"
    env = {"LUKHAS_ADMIN__TOKEN": token, "LUKHAS_ADMIN__LISTEN": "0.0.0.0:0"}
    env |= {"LUKHAS_LISTEN": "127.0.0.1:0", "LUKHAS_UPSTREAM": httpbin, **_state(tmp_path)}
    running = gateway(env=env)
    url = running.admin_url.replace("0.0.0.0", "127.0.0.1")
    headers = {"authorization": f"Bearer {token}"}
    assert httpx.get(f"{url}/metrics", headers=headers).status_code == 200
    assert httpx.get(f"{url}/metrics").status_code == 401
    assert token not in running.service.stderr + running.service.stdout
