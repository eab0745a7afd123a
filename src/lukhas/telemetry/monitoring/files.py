"""All files for Prometheus, Alertmanager and Grafana, by their names under one folder."""

from dataclasses import dataclass

from lukhas.telemetry.monitoring.alerting import alerting_groups
from lukhas.telemetry.monitoring.dashboards import DASHBOARDS, dashboard_text
from lukhas.telemetry.monitoring.recording import recording_groups
from lukhas.telemetry.monitoring.rule_files import rules_text, trials_text, yaml_text
from lukhas.telemetry.monitoring.server_files import alertmanager_text, prometheus_text

__all__ = ("MonitoringChoices", "grafana_files", "prometheus_files")

_RECORDING = "recording.rules.yml"
_ALERTING = "alerting.rules.yml"
_RULE_FILES = (_RECORDING, _ALERTING)
_MADE = "Made by `lukhas deploy prometheus`; make it anew rather than change it."
_START = "A start made by `lukhas deploy prometheus`; change it as you need."


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringChoices:
    """What is different from one installation to another.

    Attributes:
        objective: the share of requests that must succeed, below 1.
        p99_ms: what the 99th percentile of the duration may be.
        target: host and port of the admin plane.
        alertmanager: host and port of Alertmanager.
        webhook: where Alertmanager tells people.
    """

    objective: float = 0.999
    p99_ms: float = 1000.0
    target: str = "localhost:8001"
    alertmanager: str = "localhost:9093"
    webhook: str = "http://localhost:9095/"


def prometheus_files(choices: MonitoringChoices) -> dict[str, str]:
    """Rules, their tests, and the configuration of Prometheus and of Alertmanager."""
    recordings = recording_groups()
    alerts = alerting_groups(objective=choices.objective, p99_ms=choices.p99_ms)
    return {
        f"prometheus/{_RECORDING}": rules_text(recordings, comments=(_MADE,)),
        f"prometheus/{_ALERTING}": rules_text(alerts, comments=(_MADE,)),
        "prometheus/rules.test.yml": trials_text(
            (*recordings, *alerts),
            rule_files=_RULE_FILES,
            comments=(_MADE, "Run it with: promtool test rules rules.test.yml"),
        ),
        "prometheus/prometheus.yml": prometheus_text(
            targets=(choices.target,),
            alertmanagers=(choices.alertmanager,),
            rule_files=_RULE_FILES,
            token_file="lukhas.token",  # noqa: S106 - the name of a file
            comments=(_START, "lukhas.token beside it holds the admin token of the gateway."),
        ),
        "alertmanager/alertmanager.yml": alertmanager_text(
            webhook=choices.webhook, comments=(_START,)
        ),
    }


def grafana_files() -> dict[str, str]:
    """The dashboards, and how Grafana finds them."""
    files = {f"grafana/{each.name}.json": dashboard_text(each) for each in DASHBOARDS}
    provider = {
        "apiVersion": 1,
        "providers": [
            {
                "name": "lukhas",
                "folder": "LUKHAS",
                "type": "file",
                "allowUiUpdates": True,
                "options": {"path": "/etc/grafana/dashboards/lukhas"},
            }
        ],
    }
    files["grafana/provisioning/lukhas.yml"] = yaml_text(
        provider,
        comments=(
            "A start made by `lukhas deploy grafana`; change it as you need.",
            "It belongs into provisioning/dashboards of Grafana, the JSON files where `path` says.",
        ),
    )
    return files
