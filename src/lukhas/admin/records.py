"""What the admin plane keeps in its database: the audit, versions of settings, keys."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI

from lukhas.admin.audit import AuditEntry
from lukhas.clock import Clock

if TYPE_CHECKING:
    from lukhas.admin.audit_log import AuditLog
    from lukhas.admin.version_log import VersionLog
    from lukhas.identity.consumer_registry import ConsumerRegistry
    from lukhas.identity.key_registry import KeyRegistry
    from lukhas.storage.sql import Database

__all__ = ("AdminRecords",)


class AdminRecords:
    """Opens the database when it is needed first, and closes it with the app.

    It is an `AuditTrail`.

    Args:
        state_dir: where the database is.
        clock: the time.
    """

    def __init__(self, state_dir: Path, clock: Clock) -> None:
        self.state_dir = state_dir
        self.clock = clock
        self._stack = AsyncExitStack()
        self._opening = asyncio.Lock()
        self._database: Database | None = None
        self._audit: AuditLog | None = None
        self._versions: VersionLog | None = None
        self._keys: KeyRegistry | None = None
        self._opening_keys = asyncio.Lock()

    @asynccontextmanager
    async def lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        """Closes what was opened while the app lived."""
        async with self._stack:
            yield
        self._database = self._audit = self._versions = self._keys = None

    async def database(self) -> "Database":
        """The database.

        Raises:
            LukhasError: it cannot be opened.
        """
        async with self._opening:
            if self._database is None:
                # SQLAlchemy takes longer to load than all the rest of the admin plane.
                await asyncio.to_thread(_load)
                from lukhas.storage.sql import open_database

                self._database = await open_database(self.state_dir)
                self._stack.push_async_callback(self._database.close)
            return self._database

    async def audit(self) -> "AuditLog":
        """The audit.

        Raises:
            LukhasError: the database cannot be opened.
        """
        if self._audit is None:
            database = await self.database()
            from lukhas.admin.audit_log import AuditLog

            self._audit = AuditLog(database, self.clock)
        return self._audit

    async def versions(self) -> "VersionLog":
        """The versions of the settings.

        Raises:
            LukhasError: the database cannot be opened.
        """
        if self._versions is None:
            database = await self.database()
            from lukhas.admin.version_log import VersionLog

            self._versions = VersionLog(database)
        return self._versions

    async def keys(self) -> "KeyRegistry":
        """The registry of API keys.

        Raises:
            LukhasError: it cannot be opened.
        """
        async with self._opening_keys:
            if self._keys is None:
                database = await self.database()
                from lukhas.identity.key_registry import KeyRegistry
                from lukhas.identity.key_table import open_key_table
                from lukhas.identity.pepper import load_pepper

                pepper = load_pepper(self.state_dir)
                table = open_key_table(self.state_dir)
                keys = KeyRegistry(database, table=table, pepper=pepper, clock=self.clock)
                try:
                    await keys.open()
                except BaseException:
                    table.close()
                    raise
                self._stack.callback(table.close)
                self._keys = keys
            return self._keys

    async def consumers(self) -> "ConsumerRegistry":
        """The registry of consumers.

        Raises:
            LukhasError: it cannot be opened.
        """
        keys = await self.keys()
        from lukhas.identity.consumer_registry import ConsumerRegistry

        return ConsumerRegistry(await self.database(), keys=keys, clock=self.clock)

    async def prepare(self) -> None:
        """Makes sure that entries of the audit can be kept.

        Raises:
            LukhasError: they cannot.
        """
        await self.audit()

    async def append(self, entry: AuditEntry) -> None:
        """Keeps an entry of the audit.

        Raises:
            LukhasError: it cannot be kept.
        """
        await (await self.audit()).append(entry)


def _load() -> None:
    import lukhas.admin.audit_log
    import lukhas.admin.version_log  # noqa: F401 - so that it is there when it is needed
