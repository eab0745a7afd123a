"""Inhibition: an alert that says why others fire speaks for them."""

from collections.abc import Iterable
from dataclasses import dataclass

from lukhas.policy.alerting.alerts import Alert
from lukhas.policy.alerting.matchers import Matcher, matches

__all__ = ("Inhibition", "inhibited_by")


@dataclass(frozen=True, slots=True)
class Inhibition:
    """One rule of inhibition.

    Attributes:
        source: the alert that speaks.
        target: the alerts it speaks for.
        equal: labels that must be the same in both.
    """

    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...] = ()


def inhibited_by(
    alert: Alert, inhibitions: Iterable[Inhibition], active: Iterable[Alert]
) -> Alert | None:
    """The active alert that speaks for this one; None if there is none.

    An alert that is itself both source and target is never inhibited by that rule: else two of
    them could silence each other.
    """
    for rule in inhibitions:
        if not matches(rule.target, alert.labels) or matches(rule.source, alert.labels):
            continue
        own = dict(alert.labels)
        for other in active:
            theirs = dict(other.labels)
            if matches(rule.source, other.labels) and all(
                own.get(name) == theirs.get(name) for name in rule.equal
            ):
                return other
    return None
