"""Settings changed through the admin API while two workers serve: nothing is lost."""

from pathlib import Path

import httpx
import pytest

from tests.e2e.kit import Gateway, run_cli, run_gateway, wait_for
from tests.integration.gateway.load import Load, loaded

pytestmark = [pytest.mark.system, pytest.mark.timeout(90)]

CONFIG = """
upstream = "http://127.0.0.1:{port}"
listen = "127.0.0.1:0"
state_dir = "{folder}/state"
workers = 2
[admin]
listen = "127.0.0.1:0"
token = "the token of the admin"
[[admin.operators]]
name = "kim"
role = "operator"
token = "the token of kim, an operator"
[tiers]
free = "1000000/second"
[[routes]]
name = "old"
path = "/old"
redirect = "/plain"
"""
MOVED = {"name": "moved", "path": "/moved", "redirect": "/plain", "redirect_status": 307}


def admin_of(running: Gateway, token: str) -> httpx.Client:
    return httpx.Client(
        base_url=f"{running.admin_url}/api/v1",
        headers={"authorization": f"Bearer {token}", "connection": "close"},
        timeout=60.0,
        trust_env=False,
    )


def statuses(running: Gateway, path: str) -> set[int]:
    """What many new connections are answered, so that each worker is asked."""
    return {httpx.get(f"{running.url}{path}", trust_env=False).status_code for _ in range(12)}


def comes_to(running: Gateway, path: str, status: int) -> None:
    """Waits until no worker of before takes a connection any more."""
    wait_for(
        lambda: statuses(running, path) == {status} or None,
        f"{status} for {path} alone",
        deadline_s=30.0,
    )


def test_a_route_added_by_the_api_acts_in_all_workers_and_no_request_is_lost(
    tmp_path: Path,
) -> None:
    """A bad change does nothing and says its place; an undo and a restart leave what was kept."""
    with loaded() as load:
        config = tmp_path / "gateway.toml"
        config.write_text(CONFIG.format(port=load.origin_port, folder=tmp_path))
        with run_gateway(tmp_path, "--config", str(config)) as running:
            load.port = running.address[1]
            load.begin(kept=1, fresh=1, slow=1)
            with admin_of(running, "the token of the admin") as admin:
                _changes(load, running, admin, config)
            with admin_of(running, "the token of kim, an operator") as kim:
                assert kim.get("/session").json() == {"name": "kim", "role": "operator"}
                assert kim.delete("/config/routes/moved").status_code == 403
                found = kim.get("/audit").json()["entries"]
            assert [(each["by"], each["action"], each["status"]) for each in found[:2]] == [
                ("kim", "config.delete", 403),
                ("admin", "config.delete", 200),
            ]
            load.end()
            assert load.failed == {}
        with run_gateway(tmp_path, "--config", str(config)) as running:
            assert statuses(running, "/moved") == {307}
            assert statuses(running, "/old") == {200}


def _changes(load: Load, running: Gateway, admin: httpx.Client, config: Path) -> None:
    added = admin.post("/config/routes", json=MOVED)
    assert added.status_code == 201, added.text + running.service.stderr
    comes_to(running, "/moved", 307)
    shown = run_cli("config", "show", "--config", str(config)).stdout
    assert 'path = "/moved"' in shown
    assert "  # admin API\n" in shown

    bad = admin.put("/config/routes/moved", json={**MOVED, "path": "/old"})
    assert bad.status_code == 422
    (finding,) = bad.json()["findings"]
    assert (finding["path"], finding["where"]) == ("routes.moved", "admin API")
    assert statuses(running, "/moved") == {307}

    gone = admin.delete("/config/routes/old")
    assert gone.json()["version"] == 2
    comes_to(running, "/old", 200)
    seen = load.answered.total()
    wait_for(lambda: load.answered.total() > seen or None, "answers after the changes")
