"""How far the registry of API keys is, asked without everything that changing it needs."""

import sqlite3
from contextlib import closing
from pathlib import Path

from lukhas.identity.key_table import KeyTable, TablePosition

__all__ = ("may_lack_keys",)

_WAIT_S = 1.0


def may_lack_keys(table: KeyTable, database: Path) -> bool:
    """Whether an empty key table may lack keys that the registry has.

    SQLAlchemy takes longer to load than a worker to start, so the database is asked without it.

    Args:
        table: the table.
        database: the SQLite file of the registry.

    Raises:
        StoreError: the table cannot be read.
    """
    if table.count() or not database.exists():
        return False
    try:
        with closing(
            sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=_WAIT_S)
        ) as connection:
            row = connection.execute("SELECT registry_id, revision FROM key_registry").fetchone()
    except sqlite3.Error:
        # Perhaps of an earlier version: whoever opens it properly brings it up to date.
        return True
    # Without a row there has never been a key.
    return row is not None and TablePosition(*row) != table.position()
