"""The watch: looks at the rules, keeps what comes of it, and lets people act on alerts."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from lukhas.analytics.alerts.alert_store import AlertStore
from lukhas.analytics.alerts.channels import Channel
from lukhas.analytics.alerts.episodes import (
    AlertEvent,
    AlertNotFoundError,
    AlertNotOpenError,
    Episode,
)
from lukhas.analytics.alerts.outgoing import outgoing
from lukhas.analytics.alerts.rule_reading import read_rule
from lukhas.analytics.alerts.series_source import SeriesSource, SeriesUnavailableError
from lukhas.clock import Clock
from lukhas.policy.alerting.alerts import (
    Alert,
    AlertState,
    acknowledged,
    resolved,
    snoozed,
    unsnoozed,
)
from lukhas.policy.alerting.conditions import Reading
from lukhas.policy.alerting.rounds import AlertBook, AlertPlan, Round, advanced, quieted_by
from lukhas.policy.alerting.rules import Rule
from lukhas.policy.alerting.silences import Silence
from lukhas.policy.alerting.splits import Found
from lukhas.units import SECOND_NS

__all__ = ("AlertWatch",)

_log = logging.getLogger("lukhas.alerts")


class AlertWatch:
    """Holds the book. Every change of it is saved before anybody sees it.

    Args:
        plan: what settings say.
        channels: where people are told.
        store: what is kept.
        source: where values come from.
        clock: the time.

    Attributes:
        plan: what settings say.
        channels: where people are told.
        book: what is so.
        readings: what each rule said last; one that is split by a label, all of it together.
        failures: why a rule could not be looked at, by its name.
    """

    def __init__(
        self,
        plan: AlertPlan,
        channels: Sequence[Channel],
        *,
        store: AlertStore,
        source: SeriesSource,
        clock: Clock,
    ) -> None:
        self.plan = plan
        self.channels = tuple(channels)
        self.book = AlertBook()
        self.readings: dict[str, Reading] = {}
        self.failures: dict[str, str] = {}
        self.source = source
        self.store = store
        self._clock = clock
        self._looked_ns: dict[str, int] = {}
        self._changing = asyncio.Lock()

    async def open(self) -> None:
        """Takes the book up where it was left.

        Raises:
            StoreError: the database failed.
        """
        self.book = await self.store.load(self._clock.now_ns())

    async def look(self) -> Round:
        """One round: looks at the rules whose time has come, and does what follows.

        Raises:
            StoreError: the database failed; then nothing has happened, and the next round does it.
        """
        now_ns = self._clock.now_ns()
        found = {rule.name: await self._read(rule, now_ns) for rule in self._due(now_ns)}
        readings = {name: each for name, each in found.items() if each is not None}
        async with self._changing:
            before = self.book
            done = advanced(self.plan, before, readings, now_ns)
            if done.book != before or done.alerts != before.alerts or done.notifications:
                here = {alert.id for alert in done.book.alerts}
                await self.store.save(
                    before,
                    done.book,
                    left=[alert for alert in done.alerts if alert.id not in here],
                    events=_events(before, done.alerts, now_ns),
                    messages=[
                        message
                        for notification in done.notifications
                        for message in outgoing(notification, self.channels)
                    ],
                )
            self.book = done.book
        self.readings |= {
            name: found if isinstance(found, Reading) else found.together()
            for name, found in readings.items()
        }
        self._looked_ns |= dict.fromkeys(found, now_ns)
        return done

    async def acknowledge(self, alert_id: str, *, by: str) -> Alert:
        """Somebody takes an alert on.

        Raises:
            AlertNotFoundError: there is no such alert.
            AlertNotOpenError: it is pending or over.
            StoreError: the database failed.
        """
        now_ns = self._clock.now_ns()
        return await self._act(
            alert_id, lambda alert: acknowledged(alert, now_ns, by=by), kind="acknowledged", by=by
        )

    async def snooze(self, alert_id: str, *, seconds: float, by: str) -> Alert:
        """Puts an alert off.

        Raises:
            AlertNotFoundError: there is no such alert.
            AlertNotOpenError: it is pending or over.
            StoreError: the database failed.
        """
        until_ns = self._clock.now_ns() + round(seconds * SECOND_NS)
        return await self._act(
            alert_id,
            lambda alert: snoozed(alert, until_ns=until_ns),
            kind="snoozed",
            by=by,
            detail=f"for {seconds:g} s",
        )

    async def unsnooze(self, alert_id: str, *, by: str) -> Alert:
        """Ends a snooze early.

        Raises:
            AlertNotFoundError: there is no such alert.
            AlertNotOpenError: it is not snoozed.
            StoreError: the database failed.
        """
        now_ns = self._clock.now_ns()
        return await self._act(
            alert_id, lambda alert: unsnoozed(alert, now_ns), kind="unsnoozed", by=by
        )

    async def resolve(self, alert_id: str, *, by: str, note: str) -> Alert:
        """Ends an alert by hand; if its rule is still breached, another one begins.

        Raises:
            AlertNotFoundError: there is no such alert.
            AlertNotOpenError: it is pending or over.
            StoreError: the database failed.
        """
        now_ns = self._clock.now_ns()
        return await self._act(
            alert_id, lambda alert: resolved(alert, now_ns), kind="resolved", by=by, detail=note
        )

    async def note(self, alert_id: str, *, by: str, text: str) -> None:
        """Writes something down about an alert, whether or not it is over.

        Raises:
            AlertNotFoundError: there is no such alert.
            StoreError: the database failed.
        """
        await self.episode(alert_id)
        await self.store.note(AlertEvent(alert_id, self._clock.now_ns(), "note", by, text))

    async def episode(self, alert_id: str) -> Episode:
        """An alert with its history.

        Raises:
            AlertNotFoundError: there is no such alert.
            StoreError: the database failed.
        """
        found = await self.store.episode(alert_id)
        if found is None:
            raise AlertNotFoundError(alert_id)
        return found

    async def put_silence(self, silence: Silence) -> None:
        """Adds a silence, or changes the one with its id.

        Raises:
            StoreError: the database failed.
        """
        async with self._changing:
            others = tuple(each for each in self.book.silences if each.id != silence.id)
            await self._keep(replace(self.book, silences=(*others, silence)))

    async def end_silence(self, silence_id: str) -> bool:
        """Ends a silence now; it stays to be seen.

        Returns:
            Whether there is one that was not over.

        Raises:
            StoreError: the database failed.
        """
        now_ns = self._clock.now_ns()
        async with self._changing:
            found = next((each for each in self.book.silences if each.id == silence_id), None)
            if found is None or found.ends_ns <= now_ns:
                return False
            ended = replace(found, ends_ns=now_ns)
            others = tuple(each for each in self.book.silences if each.id != silence_id)
            await self._keep(replace(self.book, silences=(*others, ended)))
        return True

    def quiet_because(self, alert: Alert) -> str:
        """Why nobody hears that an alert fires; empty if they do."""
        return quieted_by(self.plan, self.book, alert, self._clock.now_ns())

    def _due(self, now_ns: int) -> list[Rule]:
        return [
            rule
            for rule in self.plan.rules
            if now_ns - self._looked_ns.get(rule.name, 0) >= rule.interval_s * SECOND_NS
        ]

    async def _read(self, rule: Rule, now_ns: int) -> Found | None:
        try:
            found = await read_rule(self.source, rule, now_ns)
        except SeriesUnavailableError as error:
            if self.failures.get(rule.name) != str(error):
                _log.warning("the rule %s cannot be looked at: %s", rule.name, error)
            self.failures[rule.name] = str(error)
            return None
        self.failures.pop(rule.name, None)
        return found

    async def _act(
        self,
        alert_id: str,
        change: Callable[[Alert], Alert],
        *,
        kind: str,
        by: str,
        detail: str = "",
    ) -> Alert:
        async with self._changing:
            alert = self.book.alert(alert_id)
            if alert is None:
                episode = await self.episode(alert_id)
                raise AlertNotOpenError(alert_id, episode.alert.state)
            after = change(alert)
            if after == alert:
                raise AlertNotOpenError(alert_id, alert.state)
            event = AlertEvent(alert_id, self._clock.now_ns(), kind, by, detail)
            await self._keep(self.book.with_alert(after), event)
        return after

    async def _keep(self, book: AlertBook, *events: AlertEvent) -> None:
        await self.store.save(self.book, book, events=events)
        self.book = book


def _events(before: AlertBook, after: Sequence[Alert], now_ns: int) -> list[AlertEvent]:
    """What a round did to alerts."""
    events = []
    for alert in after:
        earlier = before.alert(alert.id)
        state = earlier.state if earlier is not None else AlertState.PENDING
        if alert.state is not state:
            kind = _kind(alert.state, state)
            events.append(AlertEvent(alert.id, now_ns, kind, detail=alert.why))
    return events


def _kind(state: AlertState, earlier: AlertState) -> str:
    """What it is called; a round only lets alerts fire, wake or end."""
    if state is AlertState.RESOLVED:
        return "resolved"
    return "unsnoozed" if earlier is AlertState.SNOOZED else "fired"
