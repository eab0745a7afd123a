"""Alerting in the admin process: opened in the background, looked after while the app lives."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from fastapi import FastAPI, HTTPException

from lukhas.admin.alert_plan import alert_plan, channel_of
from lukhas.admin.app import AdminLifespan
from lukhas.admin.history_access import HistoryAccess
from lukhas.admin.state import AdminState
from lukhas.analytics.alerts.live_series import LiveSeries, NodeView
from lukhas.analytics.alerts.series_source import SeriesSource
from lukhas.analytics.alerts.stored_series import StoredSeries
from lukhas.analytics.levels import Retention
from lukhas.config.settings import Settings
from lukhas.errors import LukhasError
from lukhas.telemetry.health import PartHealth, PartState
from lukhas.units import DAY_NS

if TYPE_CHECKING:
    from lukhas.analytics.alerts.dispatch import Dispatch
    from lukhas.analytics.alerts.opening import OpenAlerts
    from lukhas.analytics.alerts.watch import AlertWatch

__all__ = ("AlertDesk",)

_log = logging.getLogger("lukhas.alerts")
_PART = "alerts"
_OPENING = "alerting is being opened"


class AlertDesk:
    """Runs the watch and the dispatch of a node.

    Args:
        settings: all settings.
        tick_s: how long the watch and the dispatch rest between two rounds.
        history: where values come from that are longer ago than memory; None for none.

    Attributes:
        settings: all settings.
        failure: why it cannot be asked now; empty if it can.
        dead_letters: how many messages of the last day were given up, as counted last.
    """

    def __init__(
        self, settings: Settings, *, tick_s: float = 1.0, history: HistoryAccess | None = None
    ) -> None:
        self.settings = settings
        self._history = history
        self._tick_s = tick_s
        self.failure = _OPENING if settings.alerts.enabled else "alerts are off"
        self.dead_letters = 0
        self._watch: AlertWatch | None = None
        self._dispatch: Dispatch | None = None

    @property
    def watch(self) -> "AlertWatch":
        """The watch.

        Raises:
            HTTPException: alerting is off, or cannot be opened.
        """
        if self._watch is None:
            raise HTTPException(503, self.failure)
        return self._watch

    @property
    def dispatch(self) -> "Dispatch":
        """The dispatch.

        Raises:
            HTTPException: alerting is off, or cannot be opened.
        """
        if self._dispatch is None:
            raise HTTPException(503, self.failure)
        return self._dispatch

    def lifespan(self) -> AdminLifespan:
        """Runs for as long as the app lives; nothing that it does keeps the app from starting."""

        @asynccontextmanager
        async def running(app: FastAPI) -> AsyncIterator[None]:
            if not self.settings.alerts.enabled:
                yield
                return
            state: AdminState = app.state.admin
            others = state.own_parts
            state.own_parts = lambda: [*others(), self.part()]
            task = asyncio.create_task(self._run(state, others))
            try:
                yield
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

        return running

    def part(self) -> PartHealth:
        """How well alerting is: a channel that fails, or a rule that cannot be looked at, shows."""
        if self.failure:
            state: PartState = "ok" if self.failure == _OPENING else "degraded"
            return PartHealth(_PART, state, self.failure)
        problems = [f"channel {name}: {why}" for name, why in self.dispatch.failing.items()]
        problems += [f"rule {name}: {why}" for name, why in self.watch.failures.items()]
        if self.dead_letters:
            problems.append(f"{self.dead_letters} messages were given up")
        return PartHealth(_PART, "degraded" if problems else "ok", "; ".join(problems))

    async def _run(self, state: AdminState, others: Callable[[], list[PartHealth]]) -> None:
        node = NodeView(
            totals=lambda: state.totals,
            workers_wanted=lambda: state.node().workers_wanted,
            parts=lambda: [*state.totals.parts(state.clock.now_ns()), *others()],
            state_dir=self.settings.state_dir,
        )
        live = LiveSeries(node)
        series = self._series(live, state)
        # SQLAlchemy takes longer to load than all the rest of the admin plane.
        open_alerts = await asyncio.to_thread(_loaded)
        plan = alert_plan(self.settings.alerts)
        channels = [channel_of(each) for each in self.settings.alerts.channels]
        while True:
            try:
                async with open_alerts(
                    self.settings.state_dir, plan, channels, source=series, clock=state.clock
                ) as (watch, dispatch):
                    self._watch, self._dispatch, self.failure = watch, dispatch, ""
                    async with asyncio.TaskGroup() as tasks:
                        tasks.create_task(self._look(watch, live, state))
                        tasks.create_task(self._deliver(watch, dispatch, state))
            except LukhasError as error:
                self._watch = self._dispatch = None
                self.failure = f"alerting cannot be opened: {error}"
                _log.warning("%s", self.failure)
            await asyncio.sleep(10 * self._tick_s)

    def _series(self, live: LiveSeries, state: AdminState) -> SeriesSource:
        history = self._history
        if history is None:
            return StoredSeries(live, lambda: None, clock=state.clock, retention=Retention())
        return StoredSeries(
            live, lambda: history.reader, clock=state.clock, retention=history.retention
        )

    async def _look(self, watch: "AlertWatch", live: LiveSeries, state: AdminState) -> None:
        while True:
            live.collect(state.clock.now_ns())
            try:
                await watch.look()
            except LukhasError as error:
                _log.warning("alerts cannot be kept: %s", error)
            except Exception:  # noqa: BLE001 - the next round may go well, and it is logged
                _log.exception("a round of alerting failed")
            await asyncio.sleep(self._tick_s)

    async def _deliver(self, watch: "AlertWatch", dispatch: "Dispatch", state: AdminState) -> None:
        from lukhas.analytics.alerts.renewal import AlertRenewal

        renewal = AlertRenewal(watch, dispatch, clock=state.clock)
        while True:
            try:
                await dispatch.deliver_due()
                await renewal.renew_due()
                since_ns = state.clock.now_ns() - DAY_NS
                self.dead_letters = await dispatch.outbox.count("dead", since_ns=since_ns)
            except LukhasError as error:
                _log.warning("messages about alerts cannot be read: %s", error)
            await asyncio.sleep(self._tick_s)


def _loaded() -> "OpenAlerts":
    from lukhas.analytics.alerts.opening import open_alerts

    return open_alerts
