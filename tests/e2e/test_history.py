"""The history agrees with the client and with the metrics, and outlives the process."""

import re
import signal
from pathlib import Path

import httpx

from tests.e2e.conftest import Origin
from tests.e2e.kit import Gateway, run_gateway, wait_for

REQUESTS = 300


def admin_of(running: Gateway) -> httpx.Client:
    headers = {"authorization": f"Bearer {running.token}"}
    return httpx.Client(base_url=running.admin_url, headers=headers, trust_env=False)


def by_status(admin: httpx.Client) -> dict[str, int]:
    answer = admin.get("/api/v1/history/series", params={"step": 3600, "group": "status"}).json()
    return {group["labels"]["status"]: group["total"]["requests"] for group in answer["groups"]}


def metrics_by_status(admin: httpx.Client) -> dict[str, int]:
    counts: dict[str, int] = {}
    page = admin.get("/metrics").text
    for status, number in re.findall(
        r'^lukhas_requests_total\{.*status_class="(\dxx)".*\} (\d+)$', page, re.MULTILINE
    ):
        counts[status] = counts.get(status, 0) + int(number)
    return counts


def load(url: str, requests: int) -> dict[str, int]:
    """Asks over connections of its own, so that both workers get some; counts by status class."""
    counts: dict[str, int] = {}
    for number in range(requests):
        if number % 10 == 0:
            client = httpx.Client(trust_env=False, timeout=20.0)
        status = client.get(f"{url}/cached/{number % 7}").status_code
        label = f"{status // 100}xx"
        counts[label] = counts.get(label, 0) + 1
        if number % 10 == 9:
            client.close()
    return counts


def test_history_metrics_and_the_client_agree_and_a_restart_loses_nothing(
    origin: Origin, tmp_path: Path
) -> None:
    """Two workers, one limit: the same counts everywhere, and after SIGTERM all are still there."""
    arguments = ("--upstream", origin.url, "--workers", "2", "--limit", "200/hour")
    with run_gateway(tmp_path, *arguments, ended_by_test=True) as running:
        asked = load(running.url, REQUESTS)
        assert asked["4xx"] == REQUESTS - 200
        with admin_of(running) as admin:
            wait_for(lambda: sum(by_status(admin).values()) == REQUESTS, "the history")
            assert by_status(admin) == metrics_by_status(admin) == asked
            top = admin.get("/api/v1/history/top", params={"by": "consumer"}).json()
            assert [(row["requests"], row["limited"]) for row in top["rows"]] == [
                (REQUESTS, REQUESTS - 200)
            ]
            assert admin.get("/api/v1/history/callers").json()["unique"] == 1
        # What is still in the workers when the end comes is written as well.
        load(running.url, 20)
        assert running.service.end(signal.SIGTERM) == 0
    with run_gateway(tmp_path, *arguments) as again, admin_of(again) as admin:
        wait_for(lambda: admin.get("/health/ready").status_code == 200, "ready health")
        assert sum(by_status(admin).values()) == REQUESTS + 20
