"""The versions of settings changed over the admin API, in the admin database."""

from collections.abc import Sequence

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    MetaData,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
)

from lukhas.admin.config_version import ConfigVersion
from lukhas.storage.sql import Database

__all__ = ("MOST_VERSIONS", "VersionLog")

MOST_VERSIONS = 200
"""How many versions are kept; the oldest go first."""

_VERSIONS = Table(
    "config_versions",
    MetaData(),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("at_ns", BigInteger, nullable=False),
    Column("by", String(64), nullable=False),
    Column("note", Text, nullable=False),
    Column("document", JSON, nullable=False),
)


class VersionLog:
    """Keeps versions, a bounded number of them.

    Args:
        database: where they are.
        most: how many are kept.
    """

    def __init__(self, database: Database, *, most: int = MOST_VERSIONS) -> None:
        self._database = database
        self._most = most

    async def keep(self, made: ConfigVersion) -> None:
        """Keeps a version.

        Raises:
            StoreError: the database failed, or the number is taken.
        """
        values = {column.name: getattr(made, column.name) for column in _VERSIONS.columns}
        async with self._database.writing() as connection:
            await connection.execute(insert(_VERSIONS).values(**values))
            kept = select(_VERSIONS.c.version).order_by(_VERSIONS.c.version.desc())
            oldest = (await connection.execute(kept.offset(self._most).limit(1))).scalar()
            if oldest is not None:
                await connection.execute(delete(_VERSIONS).where(_VERSIONS.c.version <= oldest))

    async def forget(self, version: int) -> None:
        """Takes back a version that came to nothing.

        Raises:
            StoreError: the database failed.
        """
        async with self._database.writing() as connection:
            await connection.execute(delete(_VERSIONS).where(_VERSIONS.c.version == version))

    async def last(self) -> int:
        """The highest number that is taken; 0 if none is.

        Raises:
            StoreError: the database failed.
        """
        async with self._database.reading() as connection:
            found = (await connection.execute(select(func.max(_VERSIONS.c.version)))).scalar()
        return int(found or 0)

    async def get(self, version: int) -> ConfigVersion | None:
        """A version; None if it is not kept.

        Raises:
            StoreError: the database failed.
        """
        async with self._database.reading() as connection:
            query = select(_VERSIONS).where(_VERSIONS.c.version == version)
            row = (await connection.execute(query)).mappings().one_or_none()
        return None if row is None else ConfigVersion(**row)

    async def list(self) -> Sequence[ConfigVersion]:
        """All versions that are kept, the newest first.

        Raises:
            StoreError: the database failed.
        """
        async with self._database.reading() as connection:
            query = select(_VERSIONS).order_by(_VERSIONS.c.version.desc())
            rows = (await connection.execute(query)).mappings()
            return [ConfigVersion(**row) for row in rows]
