"""Our own alerts at a real Alertmanager, and at who hears of it."""

import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Origin
from tests.e2e.kit import Gateway, run_gateway, unused_port, wait_for
from tests.e2e.monitoring_kit import hook, program, run_alertmanager

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]


def settings(folder: Path, origin: str, alertmanager: int) -> Path:
    file = folder / "gateway.toml"
    file.write_text(
        f"""
upstream = "{origin}"
state_dir = "{folder}/state"
listen = "127.0.0.1:0"
tiers.mode = "off"
[admin]
listen = "127.0.0.1:0"
[[upstreams]]
name = "dead"
url = "http://127.0.0.1:{unused_port()}"
[[routes]]
name = "dead"
path = "/dead/{{name}}"
upstream = "dead"
[alerts]
defaults = false
interval_s = 1
[alerts.route]
channels = ["am"]
group_wait_s = 0
group_interval_s = 0
[[alerts.channels]]
name = "am"
kind = "alertmanager"
url = "http://127.0.0.1:{alertmanager}"
labels = {{ instance = "eu-1" }}
[[alerts.rules]]
name = "failing"
metric = "error_ratio"
split_by = "route"
above = 0.5
window_s = 600
severity = "critical"
summary = "Most requests fail"
"""
    )
    return file


def rules_of_people(folder: Path, url: str) -> Path:
    file = folder / "alertmanager.yml"
    file.write_text(
        "route: {receiver: team, group_wait: 1s, group_interval: 1s, repeat_interval: 4h}\n"
        "receivers:\n"
        f"  - {{name: team, webhook_configs: [{{url: '{url}'}}]}}\n"
    )
    return file


def admin(gateway: Gateway, path: str) -> Any:
    header = {"authorization": f"Bearer {gateway.token}"}
    answer = httpx.get(f"{gateway.admin_url}{path}", headers=header, trust_env=False)
    assert answer.content, (path, answer.status_code, gateway.service.stderr)
    return answer.json()


def alerts_of(gateway: Gateway) -> list[dict[str, Any]] | None:
    """Its alerts, once there are any; alerting is opened a little later than the rest."""
    return admin(gateway, "/api/v1/alerts").get("alerts") or None


def failure_of_the_channel(gateway: Gateway) -> str | None:
    (channel,) = admin(gateway, "/api/v1/alerts/channels")["channels"]
    return channel["failure"] or None


def ask(gateway: Gateway, path: str, times: int) -> None:
    with httpx.Client(base_url=gateway.url, trust_env=False, timeout=20) as client:
        for _ in range(times):
            client.get(path)


def test_an_alert_is_told_once_through_failures_and_a_restart(
    origin: Origin, tmp_path: Path
) -> None:
    """Alertmanager is not there at first, and then its receiver fails; and we start anew between.

    After the restart the rule is looked at over the history: nothing ends, and nothing begins.
    """
    program("prometheus-alertmanager")
    port = unused_port()
    config = settings(tmp_path, origin.url, port)
    with hook() as hears:
        hears.statuses = [503]
        first, second = tmp_path / "first", tmp_path / "second"
        with run_gateway(first, "--config", str(config), ended_by_test=True) as gateway:
            ask(gateway, "/dead/a", 5)
            ask(gateway, "/plain/alertmanager", 2)
            (alert,) = wait_for(lambda: alerts_of(gateway), "alert")
            assert alert["labels"]["route"] == "/dead/{name}"
            (channel,) = admin(gateway, "/api/v1/alerts/channels")["channels"]
            assert channel["kind"] == "alertmanager"
            wait_for(lambda: failure_of_the_channel(gateway), "failure of the channel")
            with run_alertmanager(
                rules_of_people(tmp_path, hears.url), tmp_path / "am", port
            ) as alertmanager:
                wait_for(lambda: hears.bodies or None, "message", deadline_s=40)
                assert hears.refused == 1
                (known,) = alertmanager.alerts()
                assert gateway.service.end() == 0
                with run_gateway(second, "--config", str(config)) as again:
                    wait_for(
                        lambda: (
                            [
                                each
                                for each in alertmanager.alerts()
                                if each["updatedAt"] > known["updatedAt"]
                            ]
                            or None
                        ),
                        "reminder after the restart",
                    )
                    (same,) = wait_for(lambda: alerts_of(again), "alert after the restart")
                    assert same["id"] == alert["id"]
                    assert [each["fingerprint"] for each in alertmanager.alerts()] == [
                        known["fingerprint"]
                    ]
                    assert [body["status"] for body in hears.bodies] == ["firing"]
                    assert hears.bodies[0]["alerts"][0]["labels"] == {
                        "alertname": "failing",
                        "severity": "critical",
                        "route": "/dead/{name}",
                        "instance": "eu-1",
                    }
                    repair(config)
                    again.service.process.send_signal(signal.SIGHUP)
                    over = "message that it is over"
                    wait_for(lambda: len(hears.bodies) > 1, over, deadline_s=60)
                    assert [body["status"] for body in hears.bodies] == ["firing", "resolved"]


def repair(config: Path) -> None:
    """The rule is content from now on."""
    config.write_text(config.read_text().replace("above = 0.5", "above = 1.5"))
