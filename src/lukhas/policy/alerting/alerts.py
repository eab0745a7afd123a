"""The life of an alert: pending, firing, acknowledged, snoozed, resolved."""

from dataclasses import dataclass, replace
from enum import Enum
from hashlib import blake2b

from lukhas.policy.alerting.conditions import Reading
from lukhas.policy.alerting.rules import Labels, Rule, Severity, labels_of
from lukhas.units import SECOND_NS

__all__ = (
    "Alert",
    "AlertState",
    "acknowledged",
    "observed",
    "resolved",
    "snoozed",
    "unsnoozed",
    "woken",
)


class AlertState(Enum):
    """Where an alert is in its life."""

    PENDING = "pending"
    """Breached, but not for long enough."""
    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    """Somebody looks after it: it is neither repeated nor escalated."""
    SNOOZED = "snoozed"
    """Put off: nobody is told until a moment comes."""
    RESOLVED = "resolved"
    """Over. It never fires again; the next time is another alert."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert, from its first breach to its end.

    Attributes:
        id: unique: the rule and when it began.
        rule: the name of its rule.
        severity: how bad it is.
        labels: all its labels.
        summary: what it means, for people.
        state: where it is in its life.
        began_ns: when it was breached first.
        breached_ns: when it was breached last.
        value: the value then.
        why: why then.
        fired_ns: when it fired; 0 if it has not.
        acknowledged_ns: when somebody took it on first; 0 if nobody has.
        acknowledged_by: who.
        snoozed_until_ns: until when it is put off; 0 if it is not.
        resolved_ns: when it ended; 0 if it has not.
        turn: 1, and one more each time that it wakes from a snooze: then people are told anew.
        turned_ns: when this turn began; escalation counts from it.
        escalated: how many escalation steps of this turn were taken.
        instance: of a rule that is split by a label, the value of it.
    """

    id: str
    rule: str
    severity: Severity
    labels: Labels
    summary: str
    state: AlertState
    began_ns: int
    breached_ns: int
    value: float | None = None
    why: str = ""
    fired_ns: int = 0
    acknowledged_ns: int = 0
    acknowledged_by: str = ""
    snoozed_until_ns: int = 0
    resolved_ns: int = 0
    turn: int = 1
    turned_ns: int = 0
    escalated: int = 0
    instance: str = ""

    @property
    def is_active(self) -> bool:
        """Whether it has fired and is not over."""
        return self.state not in {AlertState.PENDING, AlertState.RESOLVED}

    @property
    def acknowledge_ns(self) -> int | None:
        """How long it took until somebody took it on; None if nobody has."""
        return self.acknowledged_ns - self.fired_ns if self.acknowledged_ns else None

    @property
    def resolve_ns(self) -> int | None:
        """How long it fired; None if it still does."""
        return self.resolved_ns - self.fired_ns if self.resolved_ns else None


def observed(
    alert: Alert | None, rule: Rule, found: Reading, now_ns: int, *, instance: str = ""
) -> Alert | None:
    """What a reading of its rule makes of an alert.

    Args:
        alert: the alert of the rule that is not over; None if there is none.
        rule: the rule.
        found: the reading.
        now_ns: Unix time.
        instance: of a rule that is split by a label, the value that the reading is of.

    Returns:
        The alert now; None if there is none, or none any more because it never fired.
    """
    if alert is None:
        return _begun(rule, found, now_ns, instance) if found.breached else None
    if found.breached:
        seen = replace(alert, breached_ns=now_ns, value=found.value, why=found.why)
        return _fired(seen, rule, now_ns) if seen.state is AlertState.PENDING else seen
    if alert.state is AlertState.PENDING:
        return None
    if now_ns - alert.breached_ns < rule.keep_firing_s * SECOND_NS:
        return alert
    return resolved(alert, now_ns)


def woken(alert: Alert, now_ns: int) -> Alert:
    """An alert whose snooze has ended fires again; any other is as it was."""
    if alert.state is not AlertState.SNOOZED or now_ns < alert.snoozed_until_ns:
        return alert
    return unsnoozed(alert, now_ns)


def acknowledged(alert: Alert, now_ns: int, *, by: str) -> Alert:
    """Somebody takes an alert on; also one that is snoozed. Others are as they were."""
    if alert.state not in {AlertState.FIRING, AlertState.SNOOZED}:
        return alert
    first = alert.acknowledged_ns or now_ns
    return replace(
        alert,
        state=AlertState.ACKNOWLEDGED,
        acknowledged_ns=first,
        acknowledged_by=alert.acknowledged_by or by,
        snoozed_until_ns=0,
    )


def snoozed(alert: Alert, *, until_ns: int) -> Alert:
    """Puts an active alert off; others are as they were."""
    if not alert.is_active:
        return alert
    return replace(alert, state=AlertState.SNOOZED, snoozed_until_ns=until_ns)


def unsnoozed(alert: Alert, now_ns: int) -> Alert:
    """Ends a snooze: the alert fires, and people are told anew; others are as they were."""
    if alert.state is not AlertState.SNOOZED:
        return alert
    return replace(
        alert,
        state=AlertState.FIRING,
        snoozed_until_ns=0,
        turn=alert.turn + 1,
        turned_ns=now_ns,
        escalated=0,
    )


def resolved(alert: Alert, now_ns: int) -> Alert:
    """Ends an active alert; others are as they were."""
    if not alert.is_active:
        return alert
    return replace(alert, state=AlertState.RESOLVED, resolved_ns=now_ns, snoozed_until_ns=0)


def _begun(rule: Rule, found: Reading, now_ns: int, instance: str) -> Alert:
    # Alerts of one rule may begin in the same round.
    suffix = f"-{blake2b(instance.encode(), digest_size=6).hexdigest()}" if instance else ""
    pending = Alert(
        id=f"{rule.name}-{now_ns // SECOND_NS:x}-{now_ns % SECOND_NS:x}{suffix}",
        rule=rule.name,
        severity=rule.severity,
        labels=labels_of(rule, instance),
        summary=rule.summary,
        state=AlertState.PENDING,
        began_ns=now_ns,
        breached_ns=now_ns,
        value=found.value,
        why=found.why,
        instance=instance,
    )
    return _fired(pending, rule, now_ns)


def _fired(alert: Alert, rule: Rule, now_ns: int) -> Alert:
    if now_ns - alert.began_ns < rule.for_s * SECOND_NS:
        return alert
    return replace(alert, state=AlertState.FIRING, fired_ns=now_ns, turned_ns=now_ns)
