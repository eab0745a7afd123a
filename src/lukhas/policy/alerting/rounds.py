"""One round: readings of rules in, new state and messages out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from lukhas.policy.alerting.alertmanager import escalation_channels
from lukhas.policy.alerting.alerts import Alert, AlertState, resolved, woken
from lukhas.policy.alerting.escalations import due_steps, level_of_step
from lukhas.policy.alerting.groups import (
    Group,
    Member,
    Notification,
    Reason,
    due_notification,
)
from lukhas.policy.alerting.inhibitions import Inhibition, inhibited_by
from lukhas.policy.alerting.mute_times import is_muted
from lukhas.policy.alerting.routes import AlertRoute, group_key, routes_for
from lukhas.policy.alerting.rules import Rule
from lukhas.policy.alerting.silences import Silence, silenced_by
from lukhas.policy.alerting.splits import Found, observed_all

__all__ = ("AlertBook", "AlertPlan", "Round", "advanced", "quieted_by")


@dataclass(frozen=True, slots=True)
class AlertPlan:
    """What settings say.

    Attributes:
        rules: the rules, each of its own name.
        root: the root of the routing tree.
        inhibitions: which alerts speak for others.
    """

    rules: tuple[Rule, ...]
    root: AlertRoute
    inhibitions: tuple[Inhibition, ...] = ()


@dataclass(frozen=True, slots=True)
class AlertBook:
    """What is so.

    Attributes:
        alerts: those that are not over, one a rule at most, or one a value of its label, and those
            whose end is still to tell.
        groups: what people know.
        silences: all that are kept.
    """

    alerts: tuple[Alert, ...] = ()
    groups: tuple[Group, ...] = ()
    silences: tuple[Silence, ...] = ()

    def alert(self, alert_id: str) -> Alert | None:
        """The alert with an id; None if it is not in the book."""
        return next((alert for alert in self.alerts if alert.id == alert_id), None)

    def with_alert(self, alert: Alert) -> "AlertBook":
        """The book with another state of an alert that is in it."""
        kept = tuple(alert if each.id == alert.id else each for each in self.alerts)
        return replace(self, alerts=kept)


@dataclass(frozen=True, slots=True)
class Round:
    """What comes of a round.

    Attributes:
        book: what is so now.
        alerts: all alerts as they were at its end, also those that have left the book.
        notifications: what people are to hear.
    """

    book: AlertBook
    alerts: tuple[Alert, ...]
    notifications: tuple[Notification, ...] = field(default=())


def advanced(plan: AlertPlan, book: AlertBook, readings: Mapping[str, Found], now_ns: int) -> Round:
    """One round.

    Args:
        plan: what settings say.
        book: what was so.
        readings: by the name of the rule; rules that were not looked at are missing, and their
            alerts stay as they are.
        now_ns: Unix time.
    """
    alerts = [woken(alert, now_ns) for alert in _observed(plan, book, readings, now_ns)]
    placed = AlertBook(tuple(alerts), book.groups, book.silences)
    escalations: list[Notification] = []
    stepped = []
    for alert in alerts:
        after, messages = _escalated(plan, placed, alert, now_ns)
        stepped.append(after)
        escalations += messages
    groups, notifications = _messages(plan, replace(placed, alerts=tuple(stepped)), now_ns)
    left = tuple(alert for alert in stepped if _is_kept(alert, groups))
    return Round(
        AlertBook(left, groups, book.silences),
        tuple(stepped),
        (*notifications, *escalations),
    )


def quieted_by(plan: AlertPlan, book: AlertBook, alert: Alert, now_ns: int) -> str:
    """Why nobody hears that an alert fires; empty if they do."""
    silence = silenced_by(book.silences, alert.labels, now_ns)
    if silence is not None:
        return f"silence {silence.id} by {silence.author}"
    active = [other for other in book.alerts if other.is_active and other.id != alert.id]
    speaker = inhibited_by(alert, plan.inhibitions, active)
    return f"inhibited by {speaker.id}" if speaker is not None else ""


def _observed(
    plan: AlertPlan, book: AlertBook, readings: Mapping[str, Found], now_ns: int
) -> Iterable[Alert]:
    rules = {rule.name: rule for rule in plan.rules}
    open_alerts: dict[str, list[Alert]] = {}
    for alert in book.alerts:
        if alert.state is AlertState.RESOLVED:
            yield alert
        else:
            open_alerts.setdefault(alert.rule, []).append(alert)
    for name in sorted(open_alerts.keys() - rules.keys()):
        # Nothing looks at it any more; one that never fired just goes.
        for alert in open_alerts[name]:
            if alert.is_active:
                yield resolved(replace(alert, why="its rule is no longer there"), now_ns)
    for name, rule in rules.items():
        yield from observed_all(rule, open_alerts.get(name, ()), readings.get(name), now_ns)


def _escalated(
    plan: AlertPlan, book: AlertBook, alert: Alert, now_ns: int
) -> tuple[Alert, list[Notification]]:
    """Takes the escalation steps that are due; the last one speaks for those that were missed."""
    if alert.state is not AlertState.FIRING or quieted_by(plan, book, alert, now_ns):
        return alert, []
    for route in routes_for(plan.root, alert.labels):
        if route.escalation is None or is_muted(route.mute_times, now_ns):
            continue
        due = due_steps(route.escalation, since_ns=alert.turned_ns, now_ns=now_ns)
        if due <= alert.escalated:
            break
        steps = range(alert.escalated, due)
        channels = [level_of_step(route.escalation, step).channels for step in steps]
        after = replace(alert, escalated=due)
        group = f"{route.name}/escalation={alert.id}"
        message = Notification(
            key=f"{group}@{now_ns}",
            group=group,
            reason=Reason.ESCALATION,
            channels=tuple(dict.fromkeys(name for names in channels for name in names)),
            firing=(after,),
            resolved=(),
            time_ns=now_ns,
        )
        return after, [message]
    return alert, []


def _messages(
    plan: AlertPlan, book: AlertBook, now_ns: int
) -> tuple[tuple[Group, ...], list[Notification]]:
    members: dict[str, tuple[AlertRoute, list[Member]]] = {}
    for alert in book.alerts:
        if alert.state is AlertState.PENDING:
            continue
        quiet = bool(quieted_by(plan, book, alert, now_ns))
        for route in routes_for(plan.root, alert.labels):
            _, found = members.setdefault(group_key(route, alert.labels), (route, []))
            found.append(Member(alert, quiet, escalation_channels(route, alert)))
    known = {group.key: group for group in book.groups}
    groups: list[Group] = []
    notifications: list[Notification] = []
    for key, (route, found) in members.items():
        group, message = due_notification(
            known.get(key, Group(key)), found, route=route, now_ns=now_ns
        )
        if group is not None:
            groups.append(group)
        if message is not None:
            notifications.append(message)
    return tuple(groups), notifications


def _is_kept(alert: Alert, groups: Sequence[Group]) -> bool:
    """Whether an alert stays in the book: it is not over, or some group still has to hear so."""
    if alert.state is not AlertState.RESOLVED:
        return True
    return any(alert.id in dict(group.told) for group in groups)
