"""Opens alerting on the admin database."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

from lukhas.analytics.alerts.alert_store import AlertStore
from lukhas.analytics.alerts.channels import Channel
from lukhas.analytics.alerts.dispatch import Dispatch
from lukhas.analytics.alerts.outbox import Outbox
from lukhas.analytics.alerts.series_source import SeriesSource
from lukhas.analytics.alerts.watch import AlertWatch
from lukhas.clock import Clock
from lukhas.policy.alerting.rounds import AlertPlan
from lukhas.storage.sql import open_database

__all__ = ("OpenAlerts", "open_alerts")


class OpenAlerts(Protocol):
    """Opens alerting, see `open_alerts`."""

    def __call__(
        self,
        state_dir: Path,
        plan: AlertPlan,
        channels: Sequence[Channel],
        *,
        source: SeriesSource,
        clock: Clock,
    ) -> AbstractAsyncContextManager[tuple[AlertWatch, Dispatch]]:
        """Opens it."""
        ...


@asynccontextmanager
async def open_alerts(
    state_dir: Path,
    plan: AlertPlan,
    channels: Sequence[Channel],
    *,
    source: SeriesSource,
    clock: Clock,
) -> AsyncIterator[tuple[AlertWatch, Dispatch]]:
    """A watch and a dispatch on the database in the state directory.

    Args:
        state_dir: where the database is.
        plan: what settings say.
        channels: where people are told.
        source: where values come from.
        clock: the time.

    Raises:
        StateDirError: the database cannot be made.
        StoreError: it failed.
    """
    database = await open_database(state_dir)
    try:
        watch = AlertWatch(plan, channels, store=AlertStore(database), source=source, clock=clock)
        await watch.open()
        yield watch, Dispatch(Outbox(database), channels, clock=clock)
    finally:
        await database.close()
