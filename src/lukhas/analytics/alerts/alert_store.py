"""What alerting keeps in the admin database, so that a restart changes nothing."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Table, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from lukhas.analytics.alerts.alert_schema import ALERTS, EVENTS, GROUPS, MESSAGES, SILENCES
from lukhas.analytics.alerts.episodes import AlertEvent, Episode
from lukhas.analytics.alerts.outbox import message_rows
from lukhas.analytics.alerts.outgoing import OutgoingMessage
from lukhas.policy.alerting.alerts import Alert, AlertState
from lukhas.policy.alerting.groups import Group
from lukhas.policy.alerting.rounds import AlertBook
from lukhas.policy.alerting.silences import Silence
from lukhas.storage.sql import Database
from lukhas.units import DAY_NS

__all__ = ("AlertStore",)

_KEPT_DAYS = 400
_SILENCES_KEPT_DAYS = 30
T = TypeVar("T")


class AlertStore:
    """Keeps the book, its history and its outgoing messages.

    Args:
        database: the admin database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, now_ns: int) -> AlertBook:
        """The book as it was saved last; silences that are long over are dropped.

        Raises:
            StoreError: the database failed.
        """
        async with self._database.writing() as connection:
            gone_ns = now_ns - _SILENCES_KEPT_DAYS * DAY_NS
            await connection.execute(delete(SILENCES).where(SILENCES.c.ends_ns < gone_ns))
            await _drop_history(connection, now_ns - _KEPT_DAYS * DAY_NS)
            alerts = await connection.execute(
                select(ALERTS.c.alert).where(ALERTS.c.in_book).order_by(ALERTS.c.id)
            )
            groups = await connection.execute(select(GROUPS.c.group).order_by(GROUPS.c.key))
            silences = await connection.execute(select(SILENCES.c.silence).order_by(SILENCES.c.id))
            return AlertBook(
                tuple(_read(row[0], Alert) for row in alerts),
                tuple(_read(row[0], Group) for row in groups),
                tuple(_read(row[0], Silence) for row in silences),
            )

    async def save(
        self,
        before: AlertBook,
        after: AlertBook,
        *,
        left: Sequence[Alert] = (),
        events: Sequence[AlertEvent] = (),
        messages: Sequence[OutgoingMessage] = (),
    ) -> None:
        """Writes down what has changed, whole or not at all.

        State and outgoing messages are one transaction: what people are said to know is in the
        outbox, and what is in the outbox they are said to know.

        Args:
            before: the book as it was saved last.
            after: the book now.
            left: alerts that have left the book.
            events: what has happened.
            messages: what is to go out.

        Raises:
            StoreError: the database failed; nothing was written.
        """
        async with self._database.writing() as connection:
            await _save_alerts(connection, before, after, left)
            await _replace(
                connection,
                GROUPS,
                {group.key: {"group": _plain(group)} for group in before.groups},
                {group.key: {"group": _plain(group)} for group in after.groups},
            )
            await _replace(
                connection, SILENCES, _silence_rows(before.silences), _silence_rows(after.silences)
            )
            if events:
                await connection.execute(
                    insert(EVENTS), [msgspec.to_builtins(event) for event in events]
                )
            if messages:
                await connection.execute(insert(MESSAGES), message_rows(messages))

    async def history(self, *, limit: int, before_ns: int | None = None) -> list[Episode]:
        """Alerts that have fired, the latest first.

        Args:
            limit: how many at most.
            before_ns: only those that fired before; None for all.

        Raises:
            StoreError: the database failed.
        """
        asked = select(ALERTS.c.alert).where(ALERTS.c.fired_ns > 0)
        if before_ns is not None:
            asked = asked.where(ALERTS.c.fired_ns < before_ns)
        async with self._database.reading() as connection:
            rows = await connection.execute(
                asked.order_by(ALERTS.c.fired_ns.desc(), ALERTS.c.id).limit(limit)
            )
            alerts = [_read(row[0], Alert) for row in rows]
            return await _with_events(connection, alerts)

    async def episode(self, alert_id: str) -> Episode | None:
        """One alert, also one that is long over; None if there is none.

        Raises:
            StoreError: the database failed.
        """
        async with self._database.reading() as connection:
            row = (
                await connection.execute(select(ALERTS.c.alert).where(ALERTS.c.id == alert_id))
            ).first()
            if row is None:
                return None
            return (await _with_events(connection, [_read(row[0], Alert)]))[0]

    async def note(self, event: AlertEvent) -> None:
        """Adds an event to an alert, whether or not it is over.

        Raises:
            StoreError: the database failed.
        """
        async with self._database.writing() as connection:
            await connection.execute(insert(EVENTS), msgspec.to_builtins(event))


async def _save_alerts(
    connection: AsyncConnection, before: AlertBook, after: AlertBook, left: Sequence[Alert]
) -> None:
    known = {alert.id: alert for alert in before.alerts}
    here = {alert.id for alert in after.alerts}
    gone = {alert.id for alert in left}
    changed = [alert for alert in after.alerts if known.get(alert.id) != alert]
    for alert in (*changed, *left):
        values = _alert_values(alert, in_book=alert.id in here)
        if alert.id in known:
            await connection.execute(update(ALERTS).where(ALERTS.c.id == alert.id).values(values))
        else:
            await connection.execute(insert(ALERTS).values(id=alert.id, **values))
    # What never fired leaves no trace.
    for alert_id in known.keys() - here - gone:
        await connection.execute(delete(ALERTS).where(ALERTS.c.id == alert_id))


def _alert_values(alert: Alert, *, in_book: bool) -> dict[str, Any]:
    return {
        "rule": alert.rule,
        "state": alert.state.value,
        "fired_ns": alert.fired_ns,
        "resolved_ns": alert.resolved_ns,
        "in_book": in_book,
        "alert": _plain(alert),
    }


def _silence_rows(silences: Iterable[Silence]) -> dict[str, dict[str, Any]]:
    return {each.id: {"ends_ns": each.ends_ns, "silence": _plain(each)} for each in silences}


async def _replace(
    connection: AsyncConnection,
    table: Table,
    before: dict[str, dict[str, Any]],
    after: dict[str, dict[str, Any]],
) -> None:
    """Makes the rows of a table, by the value of its only key, those that they should be."""
    key = next(iter(table.primary_key.columns))
    for name in before.keys() - after.keys():
        await connection.execute(delete(table).where(key == name))
    for name, values in after.items():
        if name not in before:
            await connection.execute(insert(table).values({key.name: name, **values}))
        elif before[name] != values:
            await connection.execute(update(table).where(key == name).values(values))


async def _with_events(connection: AsyncConnection, alerts: Sequence[Alert]) -> list[Episode]:
    rows = await connection.execute(
        select(EVENTS)
        .where(EVENTS.c.alert_id.in_([alert.id for alert in alerts]))
        .order_by(EVENTS.c.id)
    )
    by_alert: dict[str, list[AlertEvent]] = {}
    for row in rows:
        event = AlertEvent(row.alert_id, row.time_ns, row.kind, row.author, row.detail)
        by_alert.setdefault(event.alert_id, []).append(event)
    return [Episode(alert, tuple(by_alert.get(alert.id, ()))) for alert in alerts]


async def _drop_history(connection: AsyncConnection, before_ns: int) -> None:
    old = select(ALERTS.c.id).where(
        ALERTS.c.state == AlertState.RESOLVED.value,
        ALERTS.c.in_book.is_(False),
        ALERTS.c.resolved_ns < before_ns,
    )
    await connection.execute(delete(EVENTS).where(EVENTS.c.alert_id.in_(old)))
    await connection.execute(delete(ALERTS).where(ALERTS.c.id.in_(old)))
    await connection.execute(
        delete(MESSAGES).where(MESSAGES.c.state != "pending", MESSAGES.c.made_ns < before_ns)
    )


def _plain(value: object) -> Any:
    return msgspec.to_builtins(value)


def _read(value: object, kind: type[T]) -> T:
    return msgspec.convert(value, kind)
