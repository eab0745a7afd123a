"""Limits of tiers changed through the admin API while the gateway serves."""

import httpx

from tests.e2e.conftest import Origin, StartGateway
from tests.e2e.kit import Gateway, run_cli, wait_for


def left(http: httpx.Client, running: Gateway) -> tuple[int, str]:
    """The status of a request, and what is left of the quota."""
    answer = http.get(f"{running.url}/plain")
    return answer.status_code, answer.headers["ratelimit"].split(";")[1]


def test_a_change_is_followed_and_what_was_used_stays_counted(
    gateway: StartGateway, origin: Origin, http: httpx.Client
) -> None:
    """Halfway through its quota a client gets a smaller one, and then a larger one."""
    running = gateway("--upstream", origin.url, "--limit", "10/hour")
    admin = httpx.Client(
        base_url=f"{running.admin_url}/api/v1/limits",
        headers={"authorization": f"Bearer {running.token}"},
    )
    with admin:
        assert [left(http, running)[1] for _ in range(5)] == ["r=9", "r=8", "r=7", "r=6", "r=5"]

        change = admin.put("/tiers/free", json={"limits": "6/hour"})
        assert (change.status_code, change.json()["applied"]) == (200, True)
        running.service.wait_for_output("limits of version 1 are in effect")
        assert [left(http, running) for _ in range(2)] == [(200, "r=0"), (429, "r=0")]
        assert "limits of tier free changed by admin" in running.service.stderr

        wrong = admin.put("/tiers/free", json={"limits": "often"})
        assert (wrong.status_code, wrong.json()["place"]) == (422, "tiers.free")

        admin.put("/tiers/free", json={"limits": "20/hour"})
        running.service.wait_for_output("limits of version 2 are in effect")
        # Six of them were let through.
        assert left(http, running) == (200, "r=13")

        shown = run_cli("config", "show", "--state-dir", str(running.state_dir))
        assert 'tiers.free = "20/hour"  # admin API\n' in shown.stdout

        admin.delete("/tiers/free")
        wait_for(lambda: "version 3 are in effect" in running.service.stderr, "return to the flags")
        assert left(http, running) == (200, "r=2")
