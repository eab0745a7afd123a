"""Opens the history for the admin process, and closes it as the last thing."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lukhas.analytics.levels import DAY_S, HOUR_S, MINUTE_S, Retention
from lukhas.analytics.questions import ReadsHistory
from lukhas.analytics.reports import ReportPlan, write_due_report
from lukhas.clock import Clock
from lukhas.config.analytics import AnalyticsSettings
from lukhas.errors import LukhasError
from lukhas.storage.node import prepare_state_dir
from lukhas.telemetry.health import PartHealth
from lukhas.telemetry.series import HistoryDelta
from lukhas.units import SECOND_NS

if TYPE_CHECKING:
    from lukhas.analytics.history import History
__all__ = ("HISTORY_FILE", "HistoryAccess", "retention_of")

HISTORY_FILE = "history.sqlite"
_REPORTS_S = 10.0

_log = logging.getLogger("lukhas.history")


def retention_of(settings: AnalyticsSettings) -> Retention:
    """For how long each level is kept."""
    return Retention(
        seconds_s=settings.keep_seconds_min * MINUTE_S,
        minutes_s=settings.keep_minutes_h * HOUR_S,
        hours_s=settings.keep_hours_days * DAY_S,
        days_s=settings.keep_days_days * DAY_S,
    )


class HistoryAccess:
    """The history, for as long as the admin process lives.

    What cannot be opened is told to whoever asks, and in health; everything else goes on.

    Args:
        state_dir: where `history.sqlite` is, if no URL is given.
        clock: the time.
        url: the URL of a PostgreSQL database, or of another SQLite file; may be empty.
        retention: how long it is kept.
        reports: which files are written of it, if any.
        most_watchers: how many may follow it live.

    Attributes:
        clock: the time.
        retention: how long it is kept.
        history: while it is open.
        reader: answers questions about it, while it is open.
        failure: why it is not; empty while it is, and when it is switched off.
        watchers: how many follow it live.
        closing: set when those are to be let go.
    """

    def __init__(
        self,
        state_dir: Path,
        clock: Clock,
        *,
        url: str = "",
        retention: Retention | None = None,
        reports: ReportPlan | None = None,
        most_watchers: int = 100,
    ) -> None:
        self._state_dir = state_dir
        self.clock = clock
        self._url = url
        self.retention = retention or Retention()
        self._reports = reports
        self._report_failure = ""
        self.most_watchers = most_watchers
        self.history: History | None = None
        self.reader: ReadsHistory | None = None
        self.failure = "it is not open yet"
        self.watchers = 0
        self.closing = asyncio.Event()

    def keep(self, delta: HistoryDelta, now_ns: int) -> None:
        """Takes in what a report of a worker brought."""
        if self.history is not None:
            self.history.keep(delta, now_ns)

    def latest(self) -> tuple[int, HistoryDelta]:
        """The second that was written last, and what came in it; second 0 before any."""
        return self.history.latest if self.history is not None else (0, HistoryDelta())

    def parts(self) -> list[PartHealth]:
        """Its health."""
        if self.history is not None:
            return [self.history.part(), *self._report_parts()]
        return [PartHealth("history", "degraded", f"not kept: {self.failure}")]

    def _report_parts(self) -> list[PartHealth]:
        if self._reports is None:
            return []
        failure = self._report_failure
        return [PartHealth("reports", "degraded" if failure else "ok", failure)]

    async def _write_reports(self, reader: ReadsHistory, plan: ReportPlan) -> None:
        while True:
            now_s = self.clock.now_ns() // SECOND_NS
            self._report_failure = await write_due_report(reader, plan, now_s)
            await asyncio.sleep(_REPORTS_S)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Open inside the block; what has come in is written at its end."""
        # Here and not above: it takes a quarter of a second, which the first answer need not wait.
        from lukhas.analytics.history import History
        from lukhas.analytics.reading import HistoryReader
        from lukhas.storage.sql import open_database

        try:
            url = self._url or f"sqlite:///{prepare_state_dir(self._state_dir) / HISTORY_FILE}"
            database = await open_database(self._state_dir, url=url)
        except LukhasError as error:
            self.failure = str(error)
            _log.warning("no history is kept: %s", error)
            yield
            return
        try:
            history = History(database, self.clock, retention=self.retention)
            async with history.running():
                self.history, self.reader, self.failure = history, HistoryReader(history), ""
                async with self._reporting(self.reader):
                    yield
        finally:
            self.history = self.reader = None
            await database.close()

    @asynccontextmanager
    async def _reporting(self, reader: ReadsHistory) -> AsyncIterator[None]:
        if self._reports is None:
            yield
            return
        writing = asyncio.create_task(self._write_reports(reader, self._reports))
        try:
            yield
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
