"""Rules, readings and a book that is stepped on by hand."""

from collections.abc import Mapping
from dataclasses import replace

from lukhas.policy.alerting.alerts import Alert, AlertState
from lukhas.policy.alerting.conditions import Reading, Threshold
from lukhas.policy.alerting.groups import Notification
from lukhas.policy.alerting.rounds import AlertBook, AlertPlan, Round, advanced
from lukhas.policy.alerting.routes import AlertRoute
from lukhas.policy.alerting.rules import Rule, Severity
from lukhas.policy.alerting.splits import Found
from lukhas.units import SECOND_NS

__all__ = ("BAD", "GOOD", "START_NS", "Play", "a_rule", "an_alert")

START_NS = 1_750_000_000 * SECOND_NS
BAD = Reading(True, 2.0, "too high")
GOOD = Reading(False, 0.0, "fine")


def a_rule(name: str = "slow", **changes: object) -> Rule:
    """A rule that looks at a threshold."""
    rule = Rule(name, Threshold("p99_ms", (), 60, above=1.0), Severity.WARNING)
    return replace(rule, **changes)  # type: ignore[arg-type]


def an_alert(name: str = "slow", **changes: object) -> Alert:
    """An alert that fires."""
    alert = Alert(
        id=f"{name}-1",
        rule=name,
        severity=Severity.WARNING,
        labels=(("rule", name), ("severity", "warning")),
        summary="",
        state=AlertState.FIRING,
        began_ns=START_NS,
        breached_ns=START_NS,
        fired_ns=START_NS,
        turned_ns=START_NS,
    )
    return replace(alert, **changes)  # type: ignore[arg-type]


class Play:
    """Plays rounds of a plan."""

    def __init__(self, *rules: Rule, root: AlertRoute | None = None, **plan: object) -> None:
        route = root or AlertRoute("root", channels=("ops",), group_wait_s=0)
        self.plan = AlertPlan(rules or (a_rule(),), route, **plan)  # type: ignore[arg-type]
        self.book = AlertBook()
        self.now_ns = START_NS
        self.last: Round | None = None

    def after(
        self, seconds: float, readings: Mapping[str, Found] | Reading | None = None
    ) -> tuple[Notification, ...]:
        """Lets time pass, then plays a round; one reading is that of all rules."""
        self.now_ns += round(seconds * SECOND_NS)
        if isinstance(readings, Reading):
            readings = {rule.name: readings for rule in self.plan.rules}
        self.last = advanced(self.plan, self.book, readings or {}, self.now_ns)
        self.book = self.last.book
        return self.last.notifications

    def alert(self, name: str = "slow") -> Alert:
        """The alert of a rule that is in the book."""
        return next(alert for alert in self.book.alerts if alert.rule == name)

    def put(self, alert: Alert) -> None:
        """Takes over what a person did to an alert."""
        self.book = self.book.with_alert(alert)
