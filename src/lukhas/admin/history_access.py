"""Opens the history for the admin process, and closes it as the last thing."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from lukhas.analytics.history import History
from lukhas.analytics.levels import Retention
from lukhas.clock import Clock
from lukhas.errors import LukhasError
from lukhas.storage.node import prepare_state_dir
from lukhas.storage.sql import open_database
from lukhas.telemetry.health import PartHealth
from lukhas.telemetry.series import HistoryDelta

__all__ = ("HISTORY_FILE", "HistoryAccess")

HISTORY_FILE = "history.sqlite"

_log = logging.getLogger("lukhas.history")


class HistoryAccess:
    """The history, for as long as the admin process lives.

    What cannot be opened is told to whoever asks, and in health; everything else goes on.

    Args:
        state_dir: where `history.sqlite` is, if no URL is given.
        clock: the time.
        url: the URL of a PostgreSQL database, or of another SQLite file; may be empty.
        retention: how long it is kept.
        most_watchers: how many may follow it live.

    Attributes:
        history: while it is open.
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
        most_watchers: int = 100,
    ) -> None:
        self._state_dir = state_dir
        self._clock = clock
        self._url = url
        self._retention = retention
        self.most_watchers = most_watchers
        self.history: History | None = None
        self.failure = "it is not open yet"
        self.watchers = 0
        self.closing = asyncio.Event()

    def keep(self, delta: HistoryDelta, now_ns: int) -> None:
        """Takes in what a report of a worker brought."""
        if self.history is not None:
            self.history.keep(delta, now_ns)

    def parts(self) -> list[PartHealth]:
        """Its health."""
        if self.history is not None:
            return [self.history.part()]
        return [PartHealth("history", "degraded", f"not kept: {self.failure}")]

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Open inside the block; what has come in is written at its end."""
        try:
            url = self._url or f"sqlite:///{prepare_state_dir(self._state_dir) / HISTORY_FILE}"
            database = await open_database(self._state_dir, url=url)
        except LukhasError as error:
            self.failure = str(error)
            _log.warning("no history is kept: %s", error)
            yield
            return
        try:
            history = History(database, self._clock, retention=self._retention)
            async with history.running():
                self.history, self.failure = history, ""
                yield
        finally:
            self.history = None
            await database.close()
