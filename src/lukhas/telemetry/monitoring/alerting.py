"""The alerting rules, each with trials in which it fires and in which it does not."""

from lukhas.telemetry.monitoring.alerting_budget import budget_rules
from lukhas.telemetry.monitoring.alerting_node import node_rules
from lukhas.telemetry.monitoring.alerting_traffic import traffic_rules
from lukhas.telemetry.monitoring.rules import RuleGroup

__all__ = ("alerting_groups",)


def alerting_groups(*, objective: float, p99_ms: float) -> tuple[RuleGroup, ...]:
    """All alerting rules.

    Args:
        objective: the share of requests that must succeed, below 1.
        p99_ms: what the 99th percentile of the duration may be.
    """
    return (
        RuleGroup("lukhas-error-budget-alerts", budget_rules(objective)),
        RuleGroup("lukhas-traffic-alerts", traffic_rules(p99_ms)),
        RuleGroup("lukhas-node-alerts", node_rules()),
    )
