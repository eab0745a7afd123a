"""The tables of alerting."""

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from lukhas.analytics.alerts.alert_schema import ALERTS
from lukhas.storage.sql import Database

TABLES = frozenset(ALERTS.metadata.tables)


def differences(connection: Connection) -> Any:
    options = {"include_name": lambda name, kind, _: kind != "table" or name in TABLES}
    context = MigrationContext.configure(connection, opts=options)
    return compare_metadata(context, ALERTS.metadata)


async def test_tables_and_migrations_agree(database: Database) -> None:
    """What the migrations make is what the code expects."""
    async with database.reading() as connection:
        assert await connection.run_sync(differences) == []
