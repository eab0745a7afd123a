"""Configuration of a Prometheus that scrapes gateways, and of an Alertmanager beside it."""

from collections.abc import Sequence

from lukhas.telemetry.monitoring.rule_files import yaml_text
from lukhas.telemetry.monitoring.trial_series import JOB

__all__ = ("alertmanager_text", "prometheus_text")


def prometheus_text(
    *,
    targets: Sequence[str],
    alertmanagers: Sequence[str],
    rule_files: Sequence[str],
    token_file: str,
    comments: Sequence[str] = (),
) -> str:
    """The configuration of Prometheus.

    Args:
        targets: host and port of the admin planes.
        alertmanagers: host and port of the Alertmanagers.
        rule_files: the rules, from where this file is.
        token_file: the file with the admin token, from where this file is.
        comments: what stands on top.
    """
    content = {
        "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
        "rule_files": list(rule_files),
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": list(alertmanagers)}]}]},
        "scrape_configs": [
            {
                "job_name": JOB,
                "metrics_path": "/metrics",
                "authorization": {"type": "Bearer", "credentials_file": token_file},
                "static_configs": [{"targets": list(targets)}],
            }
        ],
    }
    return yaml_text(content, comments=comments)


def alertmanager_text(*, webhook: str, comments: Sequence[str] = ()) -> str:
    """The configuration of Alertmanager: who hears, how often, and which alert speaks for another.

    Args:
        webhook: who hears.
        comments: what stands on top.
    """
    content = {
        "route": {
            "receiver": "team",
            "group_by": ["alertname", "job"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "4h",
            "routes": [
                {"matchers": ['severity="info"'], "receiver": "nobody"},
            ],
        },
        "inhibit_rules": [
            {
                "source_matchers": ['alertname="LukhasUpstreamDown"'],
                "target_matchers": ['alertname=~"LukhasErrorBudget.*"'],
                "equal": ["job"],
            },
            {
                "source_matchers": ['alertname="LukhasErrorBudgetBurnsFast"'],
                "target_matchers": ['alertname="LukhasErrorBudgetBurnsSlowly"'],
                "equal": ["job"],
            },
            {
                "source_matchers": ['alertname="LukhasDown"'],
                "target_matchers": ['alertname="LukhasNoTraffic"'],
                "equal": ["job"],
            },
        ],
        "receivers": [
            {"name": "nobody"},
            {
                "name": "team",
                "webhook_configs": [{"url": webhook, "send_resolved": True}],
            },
        ],
    }
    return yaml_text(content, comments=comments)
