"""Messages that channels are to send."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from lukhas.analytics.alerts.channels import Channel, PagerDutyChannel
from lukhas.policy.alerting.groups import Notification

__all__ = ("MessageState", "OutgoingMessage", "StoredMessage", "outgoing")

MessageState = Literal["pending", "sent", "dead"]


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """What one channel is to send.

    Attributes:
        dedup_key: unique for ever; nothing with the same key is sent twice.
        channel: the name of the channel.
        notification: what it says.
    """

    dedup_key: str
    channel: str
    notification: Notification


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message in the outbox.

    Attributes:
        id: its number; they go up.
        message: what is to be sent.
        state: pending, sent, or dead: given up.
        attempts: how many have failed.
        next_ns: when it is tried next.
        made_ns: when it was put in.
        done_ns: when it was sent or given up; 0 if it was not.
        failure: what went wrong last; empty if nothing.
    """

    id: int
    message: OutgoingMessage
    state: MessageState
    attempts: int
    next_ns: int
    made_ns: int
    done_ns: int
    failure: str


def outgoing(notification: Notification, channels: Iterable[Channel]) -> list[OutgoingMessage]:
    """What each of the channels is to send for a notification.

    A channel that wants nothing about what is over gets only what fires. PagerDuty takes one event
    for each alert.
    """
    by_name = {channel.name: channel for channel in channels}
    messages = []
    for name in notification.channels:
        channel = by_name.get(name)
        if channel is None:
            continue
        wanted = notification if channel.send_resolved else replace(notification, resolved=())
        messages += [
            OutgoingMessage(f"{name}|{part.key}", name, part) for part in _parts(wanted, channel)
        ]
    return messages


def _parts(notification: Notification, channel: Channel) -> list[Notification]:
    if not notification.firing and not notification.resolved:
        return []
    if not isinstance(channel, PagerDutyChannel):
        return [notification]
    ones = [((alert,), ()) for alert in notification.firing]
    others = [((), (alert,)) for alert in notification.resolved]
    return [
        replace(
            notification,
            key=f"{notification.key}|{(*firing, *resolved)[0].id}",
            firing=firing,
            resolved=resolved,
        )
        for firing, resolved in (*ones, *others)
    ]
