"""When API keys were used last: from the reports of the workers into the registry."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from lukhas.errors import LukhasError
from lukhas.telemetry.health import PartHealth

if TYPE_CHECKING:
    from lukhas.storage.sql import Database

__all__ = ("KeyUses",)

_PART = "key-uses"
# In one transaction: a change of a key waits for it, and so do the other jobs of this process.
_AT_ONCE = 1000

_log = logging.getLogger("lukhas.admin")


class KeyUses:
    """Collects the uses of API keys and writes them into the registry, up to 1000 at a time.

    Of each key only the latest use counts. What cannot be written is kept and written later, so it
    holds no more than one time for each key.

    Args:
        state_dir: where the registry is.
        interval_s: how often to write.
    """

    def __init__(self, state_dir: Path, *, interval_s: float = 10.0) -> None:
        self._state_dir = state_dir
        self._interval_s = interval_s
        self._waiting: dict[str, int] = {}
        # What went last into the registry: who has just read it did not see this yet.
        self._written: dict[str, int] = {}
        self._database: Database | None = None
        self._failure = ""

    def keep(self, uses: Mapping[str, int]) -> None:
        """Takes uses in: Unix times in nanoseconds by key id, in any order."""
        waiting = self._waiting
        for key_id, used_ns in uses.items():
            if used_ns > waiting.get(key_id, 0):
                waiting[key_id] = used_ns

    def latest(self, key_id: str, written_ns: int | None) -> int | None:
        """When a key was used last (Unix time), as far as it is known; None for never.

        Args:
            key_id: the key.
            written_ns: what the registry says about it.
        """
        known_ns = max(self._waiting.get(key_id, 0), self._written.get(key_id, 0), written_ns or 0)
        return known_ns or None

    def parts(self) -> list[PartHealth]:
        """Its health."""
        return [PartHealth(_PART, "degraded" if self._failure else "ok", self._failure)]

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Writes once an interval while there is something to write, and at the end."""
        ending = asyncio.Event()
        writing = asyncio.create_task(self._run(ending))
        try:
            yield
        finally:
            # Not cancelled: it writes what is there, after a write that has begun.
            ending.set()
            await writing
            if self._database is not None:
                await self._database.close()
                self._database = None

    async def write(self) -> None:
        """Writes what was taken in since the last time; a failure is logged and shows in health."""
        uses, self._waiting = self._waiting, {}
        self._written = uses
        if not uses:
            return
        try:
            await self._write(uses)
        except Exception as error:  # noqa: BLE001 - the next round may go well, and it is logged
            self.keep(uses)
            if not self._failure:
                known = isinstance(error, LukhasError)
                _log.warning(
                    "uses of API keys are kept until they can be written: %s",
                    error,
                    exc_info=None if known else error,
                )
            self._failure = f"not written: {error}"
        else:
            self._failure = ""

    async def _run(self, ending: asyncio.Event) -> None:
        is_last = False
        while not is_last:
            with suppress(TimeoutError):
                await asyncio.wait_for(ending.wait(), self._interval_s)
            # Asked before the write: what comes during it is written too.
            is_last = ending.is_set()
            await self.write()

    async def _write(self, uses: Mapping[str, int]) -> None:
        # SQLAlchemy takes longer to load than all the rest of the admin plane.
        await asyncio.to_thread(_load)
        from lukhas.identity.key_schema import keep_uses
        from lukhas.storage.sql import open_database

        if self._database is None:
            # Its own: the last report comes when that of the admin API is closed already.
            self._database = await open_database(self._state_dir)
        for some in _split(uses, most=_AT_ONCE):
            async with self._database.writing() as connection:
                await keep_uses(connection, some)


def _split(uses: Mapping[str, int], *, most: int) -> Iterator[dict[str, int]]:
    left = iter(uses.items())
    while some := dict(islice(left, most)):
        yield some


def _load() -> None:
    import lukhas.identity.key_schema
    import lukhas.storage.sql  # noqa: F401 - so that it is there when it is needed
