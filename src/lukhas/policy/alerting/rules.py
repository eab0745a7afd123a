"""A rule: a condition, how long it must hold, and how bad that is."""

from dataclasses import dataclass
from enum import Enum

from lukhas.policy.alerting.conditions import Condition

__all__ = ("Labels", "Rule", "Severity", "labels_of")

Labels = tuple[tuple[str, str], ...]
"""Names and values, in the order of their names."""


class Severity(Enum):
    """How bad it is."""

    INFO = "info"
    """Worth knowing."""
    WARNING = "warning"
    """Somebody should look at it in working hours."""
    CRITICAL = "critical"
    """Somebody must look at it now."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        name: its name.
        condition: when it is breached.
        severity: how bad that is.
        for_s: how long it must be breached before the alert fires.
        keep_firing_s: how long an alert goes on after it was breached last.
        interval_s: how often it is looked at.
        summary: what it means, for people.
        labels: what the alert has beside `rule` and `severity`.
        split_by: the label for each value of which there is an alert; empty for one alert in all.
        most_alerts: how many alerts there are at a time.
    """

    name: str
    condition: Condition
    severity: Severity
    for_s: int = 0
    keep_firing_s: int = 0
    interval_s: int = 10
    summary: str = ""
    labels: Labels = ()
    split_by: str = ""
    most_alerts: int = 20


def labels_of(rule: Rule, instance: str = "") -> Labels:
    """All labels of an alert of a rule; `rule` and `severity` are always its own.

    Args:
        rule: the rule.
        instance: of a rule that is split, the value of the label.
    """
    own = {"rule": rule.name, "severity": rule.severity.value}
    if rule.split_by:
        own[rule.split_by] = instance
    return tuple(sorted((dict(rule.labels) | own).items()))
