"""Purges of a running gateway, over the admin API and from the command line."""

from pathlib import Path

import httpx

from tests.e2e.conftest import Origin, StartGateway
from tests.e2e.kit import run_cli

FRESH = "/fresh/purge"


def test_a_purge_from_outside_ends_hits(
    gateway: StartGateway, origin: Origin, http: httpx.Client, tmp_path: Path
) -> None:
    """The next request goes to the origin, whichever way it was purged."""
    state = str(tmp_path / "state")
    running = gateway("--upstream", origin.url, "--state-dir", state)

    def told() -> str:
        return http.get(f"{running.url}{FRESH}").headers["cache-status"]

    assert told() == "lukhas; fwd=uri-miss; stored"
    assert told().startswith("lukhas; hit")
    bearer = {"authorization": f"Bearer {running.token}"}
    with httpx.Client(base_url=running.admin_url, headers=bearer, trust_env=False) as admin:
        assert admin.get("/api/v1/cache").json()["node"]["entries"] == 1
        order = {"url": f"{running.url}{FRESH}"}
        answer = admin.post("/api/v1/cache/purge", json=order)
        assert (answer.status_code, answer.json()) == (200, {"purged": 1, "cluster": False})
    assert told() == "lukhas; fwd=uri-miss; stored"
    assert run_cli("purge", "--all", "--state-dir", state).stdout == "removed 1 response\n"
    assert told() == "lukhas; fwd=uri-miss; stored"
