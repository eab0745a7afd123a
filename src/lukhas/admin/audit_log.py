"""The audit in the admin database. Entries are added and read; nothing here changes one."""

from collections.abc import Sequence

from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
)

from lukhas.admin.audit import AuditEntry
from lukhas.clock import Clock
from lukhas.storage.sql import Database

__all__ = ("MOST_ENTRIES", "AuditLog")

MOST_ENTRIES = 100_000
"""How many entries are kept; the oldest go first."""

_TRIM_EVERY = 256

_AUDIT = Table(
    "admin_audit",
    MetaData(),
    Column("at_ns", BigInteger, primary_key=True, autoincrement=False),
    Column("by", String(64), nullable=False),
    Column("role", String(16), nullable=False),
    Column("action", String(64), nullable=False),
    Column("target", String(200), nullable=False),
    Column("detail", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("address", String(64), nullable=False),
)


class AuditLog:
    """Entries of the audit, by time.

    Args:
        database: where they are.
        clock: the time.
        most: how many are kept.
    """

    def __init__(self, database: Database, clock: Clock, *, most: int = MOST_ENTRIES) -> None:
        self._database = database
        self._clock = clock
        self._most = most
        self._appended = 0

    async def append(self, entry: AuditEntry) -> None:
        """Keeps an entry, at a time that no other has.

        Raises:
            StoreError: the database failed.
        """
        values = {
            column.name: getattr(entry, column.name)
            for column in _AUDIT.columns
            if column.name != "at_ns"
        }
        async with self._database.writing() as connection:
            last = (await connection.execute(select(func.max(_AUDIT.c.at_ns)))).scalar()
            at_ns = max(self._clock.now_ns(), (last or 0) + 1)
            await connection.execute(insert(_AUDIT).values(at_ns=at_ns, **values))
            if self._appended % _TRIM_EVERY == 0:
                kept = select(_AUDIT.c.at_ns).order_by(_AUDIT.c.at_ns.desc()).offset(self._most)
                oldest = (await connection.execute(kept.limit(1))).scalar()
                if oldest is not None:
                    await connection.execute(delete(_AUDIT).where(_AUDIT.c.at_ns <= oldest))
            self._appended += 1

    async def entries(self, *, limit: int, before_ns: int | None = None) -> Sequence[AuditEntry]:
        """Entries, the newest first.

        Args:
            limit: how many at most.
            before_ns: only those before this time; None for the newest of all.

        Raises:
            StoreError: the database failed.
        """
        query = select(_AUDIT).order_by(_AUDIT.c.at_ns.desc()).limit(limit)
        if before_ns is not None:
            query = query.where(_AUDIT.c.at_ns < before_ns)
        async with self._database.reading() as connection:
            return [AuditEntry(**row) for row in (await connection.execute(query)).mappings()]
