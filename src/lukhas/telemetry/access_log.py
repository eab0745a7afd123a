"""The access log of a process: a bounded queue, and lines written off the way of requests."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from lukhas.telemetry.access_lines import AccessEntry
from lukhas.telemetry.health import PartHealth
from lukhas.telemetry.line_file import LineFile
from lukhas.telemetry.own_thread import OwnThread

__all__ = ("AccessLog",)

_AT_ONCE = 64
_MOST_BYTES = 64 * 1024
_PAUSE_S = 0.1
_LAST_S = 2.0

_log = logging.getLogger("lukhas.telemetry")


class AccessLog:
    """Takes entries and writes their lines; for one thread, that of the event loop.

    A request only pays for appending to a queue. While the file or the stream is too slow, or
    cannot be written, entries are dropped and counted: no request waits for a log.

    Args:
        render: gives the line of an entry.
        file: where lines go.
        most: how many entries wait.

    Attributes:
        lines: how many lines were written.
        dropped: how many entries were not.
    """

    def __init__(
        self, render: Callable[[AccessEntry], bytes], file: LineFile, *, most: int = 10_000
    ) -> None:
        self._render = render
        self._file = file
        self._most = most
        self._entries: deque[AccessEntry] = deque()
        self._thread = OwnThread("access-log")
        self._turn = asyncio.Lock()
        self._failure = ""
        self._seen_dropped = 0
        self.lines = 0
        self.dropped = 0

    def take(self, entry: AccessEntry) -> None:
        """Takes an entry, or drops it if too many wait."""
        if len(self._entries) >= self._most:
            self.dropped += 1
        else:
            self._entries.append(entry)

    async def run(self) -> None:
        """Writes what there is ten times a second, until it is cancelled."""
        while True:
            await self.flush()
            await asyncio.sleep(_PAUSE_S)

    async def flush(self) -> None:
        """Writes everything that has come up to now."""
        async with self._turn:
            while self._entries:
                lines = await self._rendered()
                await self._written(lines)

    async def close(self) -> None:
        """Writes the rest, in two seconds at most."""
        try:
            async with asyncio.timeout(_LAST_S):
                await self.flush()
        except TimeoutError:
            _log.warning("the access log is too slow: the last requests are not in it")
        self._thread.run(self._file.close)
        self._thread.close()

    def parts(self) -> list[PartHealth]:
        """Its health: degraded while it cannot be written, or is too slow."""
        fresh = self.dropped - self._seen_dropped
        self._seen_dropped = self.dropped
        if self._failure:
            return [PartHealth("access-log", "degraded", self._failure)]
        if fresh:
            return [PartHealth("access-log", "degraded", f"{fresh} lines were dropped")]
        return [PartHealth("access-log", "ok")]

    async def _rendered(self) -> list[bytes]:
        """The next lines; requests get their turn in between."""
        lines: list[bytes] = []
        size = 0
        entries = self._entries
        while entries and size < _MOST_BYTES:
            for _ in range(min(_AT_ONCE, len(entries))):
                line = self._render(entries.popleft())
                size += len(line)
                lines.append(line)
            await asyncio.sleep(0)
        return lines

    async def _written(self, lines: list[bytes]) -> None:
        try:
            await self._thread.run(lambda: self._file.write(lines))
        except asyncio.CancelledError:
            # Nobody will know whether they are out.
            self.dropped += len(lines)
            raise
        except OSError as error:
            self.dropped += len(lines)
            if not self._failure:
                _log.warning("the access log cannot be written: %s", error)
            self._failure = f"it cannot be written: {error.strerror or error}"
            return
        if self._failure:
            _log.info("the access log is written again")
        self._failure = ""
        self.lines += len(lines)
