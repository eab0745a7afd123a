"""Rules that are looked at for each value of a label: an alert for each route, for example."""

from collections.abc import Sequence
from dataclasses import dataclass

from lukhas.policy.alerting.alerts import Alert, observed
from lukhas.policy.alerting.conditions import Reading
from lukhas.policy.alerting.rules import Rule

__all__ = ("Found", "SplitReading", "observed_all")

_NO_VALUE = Reading(False, None, "no value any more")


@dataclass(frozen=True, slots=True)
class SplitReading:
    """What a condition says at a moment, by the value of a label.

    Attributes:
        label: the label.
        by_value: its values, the busiest first, and what is so for each.
    """

    label: str
    by_value: tuple[tuple[str, Reading], ...]

    def together(self) -> Reading:
        """One reading of all: breached if any is, with the value of the busiest that is."""
        if not self.by_value:
            return Reading(False, None, f"no {self.label} has a value")
        breached = [found for _, found in self.by_value if found.breached]
        if not breached:
            return self.by_value[0][1]
        why = f"{len(breached)} of {len(self.by_value)} are breached; {breached[0].why}"
        return Reading(True, breached[0].value, why)


Found = Reading | SplitReading
"""What a rule says: once, or once for each value of a label."""


def observed_all(
    rule: Rule, known: Sequence[Alert], found: Found | None, now_ns: int
) -> list[Alert]:
    """What a reading of a rule makes of its alerts.

    A value that is not there any more is not breached. At most `rule.most_alerts` alerts are open
    at a time: those that are open stay, then the busiest values come first.

    Args:
        rule: the rule.
        known: its alerts that are not over.
        found: the reading; None if it was not looked at, and then nothing changes.
        now_ns: Unix time.
    """
    if found is None:
        return list(known)
    by_value = {"": found} if isinstance(found, Reading) else dict(found.by_value)
    own = {alert.instance: alert for alert in known}
    alerts: list[Alert] = []
    for value in dict.fromkeys((*own, *by_value)):
        if value not in own and len(alerts) >= rule.most_alerts:
            break
        after = observed(
            own.get(value), rule, by_value.get(value, _NO_VALUE), now_ns, instance=value
        )
        if after is not None:
            alerts.append(after)
    return alerts
