"""Groups: alerts that people hear of together, and when they do."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from lukhas.policy.alerting.alerts import Alert, AlertState
from lukhas.policy.alerting.mute_times import is_muted
from lukhas.policy.alerting.routes import AlertRoute
from lukhas.units import SECOND_NS

__all__ = ("Group", "Member", "Notification", "Reason", "due_notification")


class Reason(Enum):
    """Why a message goes out."""

    FIRING = "firing"
    """Alerts have fired that were not told of."""
    RESOLVED = "resolved"
    """Alerts that were told of are over, and no new ones have fired."""
    REPEAT = "repeat"
    """Nothing has changed for long, and nobody has taken them on."""
    ESCALATION = "escalation"
    """Nobody has taken an alert on in time."""
    TEST = "test"
    """Somebody tries a channel."""


@dataclass(frozen=True, slots=True)
class Notification:
    """One message.

    Attributes:
        key: unique: the group and the moment. A channel tells repeats by it.
        group: the group it is about.
        reason: why it goes out.
        channels: who hears.
        firing: the alerts that fire.
        resolved: the alerts that are over.
        time_ns: when it was made (Unix time).
    """

    key: str
    group: str
    reason: Reason
    channels: tuple[str, ...]
    firing: tuple[Alert, ...]
    resolved: tuple[Alert, ...]
    time_ns: int


@dataclass(frozen=True, slots=True)
class Group:
    """What people know of a group.

    Attributes:
        key: its name.
        waiting_since_ns: since when there is something they do not know; 0 if there is nothing.
        told_ns: when they were told last; 0 if never.
        told: ids of alerts they know to fire, each with the turn they know of; 0 where only those
            know who heard by escalation.
    """

    key: str
    waiting_since_ns: int = 0
    told_ns: int = 0
    told: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Member:
    """An alert in a group.

    Attributes:
        alert: the alert, which has fired.
        quiet: whether a silence or another alert keeps people from hearing that it fires. That it
            is over they hear, if they know of it.
        escalated_to: channels that heard of it by escalation.
    """

    alert: Alert
    quiet: bool = False
    escalated_to: tuple[str, ...] = ()


def due_notification(
    group: Group, members: Sequence[Member], *, route: AlertRoute, now_ns: int
) -> tuple[Group | None, Notification | None]:
    """What people are to hear of a group now.

    Args:
        group: what they know.
        members: its alerts.
        route: how often they may hear, and who.
        now_ns: Unix time.

    Returns:
        What they know then, None if there is nothing left to know; and the message, if one is due.
    """
    told = _turns_told(group, members)
    present = [each for each in members if each.alert.state is AlertState.FIRING and not each.quiet]
    fresh = [each for each in present if told.get(each.alert.id, 0) < each.alert.turn]
    over = [
        each
        for each in members
        if each.alert.state is AlertState.RESOLVED and each.alert.id in told
    ]
    waits = bool(fresh or over)
    since_ns = (group.waiting_since_ns or now_ns) if waits else 0
    group = replace(group, waiting_since_ns=since_ns, told=tuple(sorted(told.items())))
    active = {each.alert.id for each in members if each.alert.is_active}
    if not waits and not active:
        return None, None
    if is_muted(route.mute_times, now_ns) or not _is_due(group, present, route, now_ns):
        return group, None
    firing = tuple(each.alert for each in present)
    # Where only others have heard of what is over, only they hear that it is.
    is_news = bool(firing) or any(told[each.alert.id] for each in over)
    notification = Notification(
        key=f"{group.key}@{now_ns}",
        group=group.key,
        reason=_reason(fresh, over),
        channels=_channels(route.channels if is_news else (), over),
        firing=firing,
        resolved=tuple(each.alert for each in over),
        time_ns=now_ns,
    )
    known = {alert_id: turn for alert_id, turn in told.items() if alert_id in active}
    known |= {alert.id: alert.turn for alert in firing}
    if not active:
        return None, notification
    after = Group(group.key, told_ns=now_ns, told=tuple(sorted(known.items())))
    return after, notification


def _turns_told(group: Group, members: Sequence[Member]) -> dict[str, int]:
    """The turns that people know of; 0 where so far only an escalation has told anybody."""
    told = {each.alert.id: 0 for each in members if each.escalated_to}
    return told | dict(group.told)


def _is_due(group: Group, present: list[Member], route: AlertRoute, now_ns: int) -> bool:
    if group.waiting_since_ns:
        if not group.told_ns:
            return now_ns - group.waiting_since_ns >= route.group_wait_s * SECOND_NS
        # A new alert still waits for its companions, also in a group that is long known.
        earliest_ns = max(
            group.told_ns + route.group_interval_s * SECOND_NS,
            group.waiting_since_ns + min(route.group_wait_s, route.group_interval_s) * SECOND_NS,
        )
        return now_ns >= earliest_ns
    return bool(present) and now_ns - group.told_ns >= route.repeat_s * SECOND_NS


def _reason(fresh: list[Member], over: list[Member]) -> Reason:
    if fresh:
        return Reason.FIRING
    return Reason.RESOLVED if over else Reason.REPEAT


def _channels(own: tuple[str, ...], over: list[Member]) -> tuple[str, ...]:
    """Those of the route, and whoever heard by escalation of what is over."""
    escalated = (channel for each in over for channel in each.escalated_to)
    return tuple(dict.fromkeys((*own, *escalated)))
