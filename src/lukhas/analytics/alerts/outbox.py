"""Messages on their way: each is in the database until a channel has taken it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec
from sqlalchemy import func, select, update

from lukhas.analytics.alerts.alert_schema import MESSAGES
from lukhas.analytics.alerts.channels import Channel, PagerDutyChannel
from lukhas.policy.alerting.groups import Notification
from lukhas.storage.sql import Database

__all__ = ("MessageState", "Outbox", "OutgoingMessage", "StoredMessage", "message_rows", "outgoing")

MessageState = Literal["pending", "sent", "dead"]
_MOST_AT_ONCE = 500


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


def message_rows(messages: Sequence[OutgoingMessage]) -> list[dict[str, Any]]:
    """The rows of new messages."""
    return [
        {
            "dedup_key": message.dedup_key,
            "channel": message.channel,
            "group_key": message.notification.group,
            "state": "pending",
            "attempts": 0,
            "next_ns": message.notification.time_ns,
            "made_ns": message.notification.time_ns,
            "done_ns": 0,
            "failure": "",
            "notification": msgspec.to_builtins(message.notification),
        }
        for message in messages
    ]


class Outbox:
    """Messages in the admin database.

    Args:
        database: the admin database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, now_ns: int) -> list[StoredMessage]:
        """What is to be tried now: of each channel and group the oldest that is pending.

        So nobody hears that an alert is over before they hear that it fires.

        Raises:
            StoreError: the database failed.
        """
        first = (
            select(func.min(MESSAGES.c.id))
            .where(MESSAGES.c.state == "pending")
            .group_by(MESSAGES.c.channel, MESSAGES.c.group_key)
        )
        asked = select(MESSAGES).where(MESSAGES.c.id.in_(first), MESSAGES.c.next_ns <= now_ns)
        async with self._database.reading() as connection:
            rows = await connection.execute(asked.order_by(MESSAGES.c.id).limit(_MOST_AT_ONCE))
            return [_stored(row) for row in rows]

    async def listed(self, state: MessageState, *, limit: int) -> list[StoredMessage]:
        """Messages in a state, the latest first.

        Raises:
            StoreError: the database failed.
        """
        asked = select(MESSAGES).where(MESSAGES.c.state == state)
        async with self._database.reading() as connection:
            rows = await connection.execute(asked.order_by(MESSAGES.c.id.desc()).limit(limit))
            return [_stored(row) for row in rows]

    async def count(self, state: MessageState) -> int:
        """How many messages are in a state.

        Raises:
            StoreError: the database failed.
        """
        asked = select(func.count()).select_from(MESSAGES).where(MESSAGES.c.state == state)
        async with self._database.reading() as connection:
            return int((await connection.scalar(asked)) or 0)

    async def sent(self, message_id: int, now_ns: int) -> None:
        """A channel has taken a message.

        Raises:
            StoreError: the database failed.
        """
        await self._change(message_id, {"state": "sent", "done_ns": now_ns, "failure": ""})

    async def failed(
        self, stored: StoredMessage, failure: str, *, next_ns: int | None, now_ns: int
    ) -> None:
        """A message could not be delivered.

        Args:
            stored: the message.
            failure: what went wrong.
            next_ns: when it is tried again; None if it is given up.
            now_ns: Unix time.

        Raises:
            StoreError: the database failed.
        """
        values: dict[str, Any] = {"attempts": stored.attempts + 1, "failure": failure}
        if next_ns is None:
            values |= {"state": "dead", "done_ns": now_ns}
        else:
            values |= {"next_ns": next_ns}
        await self._change(stored.id, values)

    async def revive(self, message_id: int, now_ns: int) -> bool:
        """Tries a message anew that was given up.

        Returns:
            Whether there was one.

        Raises:
            StoreError: the database failed.
        """
        revived = {"state": "pending", "attempts": 0, "next_ns": now_ns, "done_ns": 0}
        async with self._database.writing() as connection:
            done = await connection.execute(
                update(MESSAGES)
                .where(MESSAGES.c.id == message_id, MESSAGES.c.state == "dead")
                .values(revived)
            )
            return bool(done.rowcount)

    async def _change(self, message_id: int, values: dict[str, Any]) -> None:
        async with self._database.writing() as connection:
            await connection.execute(
                update(MESSAGES).where(MESSAGES.c.id == message_id).values(values)
            )


def _stored(row: Any) -> StoredMessage:
    notification = msgspec.convert(row.notification, Notification)
    return StoredMessage(
        id=row.id,
        message=OutgoingMessage(row.dedup_key, row.channel, notification),
        state=row.state,
        attempts=row.attempts,
        next_ns=row.next_ns,
        made_ns=row.made_ns,
        done_ns=row.done_ns,
        failure=row.failure,
    )
