"""Messages on their way: each is in the database until a channel has taken it."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import func, select, update

from lukhas.analytics.alerts.alert_schema import MESSAGES
from lukhas.analytics.alerts.outgoing import MessageState, OutgoingMessage, StoredMessage
from lukhas.policy.alerting.groups import Notification
from lukhas.storage.sql import Database

__all__ = ("Outbox", "message_rows")

_MOST_AT_ONCE = 500


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

    async def count(self, state: MessageState, *, since_ns: int = 0) -> int:
        """How many messages are in a state.

        Args:
            state: the state.
            since_ns: only those that were made since then (Unix time).

        Raises:
            StoreError: the database failed.
        """
        asked = (
            select(func.count())
            .select_from(MESSAGES)
            .where(MESSAGES.c.state == state, MESSAGES.c.made_ns >= since_ns)
        )
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
