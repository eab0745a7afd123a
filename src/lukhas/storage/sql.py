"""The admin plane's database: SQLite in the state directory, or PostgreSQL by URL."""

import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from errno import EACCES, EISDIR
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkstemp
from typing import TYPE_CHECKING, Any

from sqlalchemy import event, inspect, text
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from lukhas.errors import ConfigError, NotAvailableError, StateDirError, StoreError
from lukhas.storage.migrations import HEAD_REVISION, REVISIONS
from lukhas.storage.node import prepare_state_dir

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import DBAPIConnection

__all__ = ("ADMIN_DATABASE_FILE", "Database", "open_database")

ADMIN_DATABASE_FILE = "admin.sqlite"
_BUSY_TIMEOUT_MS = 15_000
_WRITES = "lukhas_writes"
# Any fixed number: all processes that migrate this schema take the same lock.
_MIGRATION_LOCK = 0x6C756B686173
_URL_HINT = 'write it like "postgresql://user:password@host:5432/name"'


class Database:
    """An open database whose schema is up to date.

    Attributes:
        engine: SQLAlchemy's engine; use `reading` and `writing`, which map errors.
        place: the URL without its password, for messages.
    """

    __slots__ = ("engine", "place")

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.place = engine.url.render_as_string(hide_password=True)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection in a transaction that only reads.

        Raises:
            StoreError: the database failed, or did not answer in time.
        """
        with _ErrorMapping(self.place):
            async with self.engine.connect() as connection, connection.begin():
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A connection in a transaction that writes; undone whole when the block raises.

        On SQLite the write lock is taken at its begin, so what it reads stays true until its end.

        Raises:
            StoreError: the database failed, or the lock was not free in time.
        """
        with _ErrorMapping(self.place):
            async with self.engine.connect() as connection:
                await connection.execution_options(**{_WRITES: True})
                async with connection.begin():
                    yield connection

    async def close(self) -> None:
        """Closes all connections."""
        await self.engine.dispose()


async def open_database(state_dir: Path, *, url: str = "") -> Database:
    """Opens the database and brings its schema up to date.

    Any number of processes may do so at once: one migrates, the others wait for it.

    Args:
        state_dir: where `admin.sqlite` is, if no URL is given.
        url: a PostgreSQL URL, or an SQLite URL for another file; empty for `admin.sqlite`.

    Raises:
        ConfigError: the URL cannot be read.
        NotAvailableError: the URL needs a driver that is not installed.
        StateDirError: the SQLite file cannot be made or written.
        StoreError: the database does not answer, or was made by a newer version.
    """
    database = Database(_engine(state_dir, url))
    try:
        await _bring_up_to_date(database)
    except BaseException:
        await database.close()
        raise
    return database


def _engine(state_dir: Path, url: str) -> AsyncEngine:
    if not url:
        path = prepare_state_dir(state_dir) / ADMIN_DATABASE_FILE
        return _sqlite_engine(URL.create("sqlite+aiosqlite", database=str(path)))
    try:
        parsed = make_url(url)
    except ArgumentError:
        # The message must not show the URL, which may hold a password.
        raise ConfigError("the database URL cannot be read", hint=_URL_HINT) from None
    match parsed.get_backend_name():
        case "sqlite":
            return _sqlite_engine(parsed.set(drivername="sqlite+aiosqlite"))
        case "postgresql" | "postgres":
            return _postgresql_engine(parsed.set(drivername="postgresql+asyncpg"))
        case other:
            raise ConfigError(f"{other!r} is not a database known here", hint=_URL_HINT)


def _sqlite_engine(url: URL) -> AsyncEngine:
    path = url.database
    if not path or path == ":memory:" or path.startswith("file:"):
        raise ConfigError(
            "an SQLite URL must name a file", hint='write it like "sqlite:////var/lib/admin.sqlite"'
        )
    try:
        _make_sqlite_file(Path(path))
    except sqlite3.Error as error:
        raise StoreError(f"{path} cannot be made: {error}") from error
    except OSError as error:
        raise StateDirError(
            f"{path} cannot be opened ({error.strerror}): check the directory and its owner"
        ) from error
    engine = create_async_engine(url, hide_parameters=True)
    event.listen(engine.sync_engine, "connect", _set_up_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _make_sqlite_file(path: Path) -> None:
    """Makes the file, if it is not there, ready for any number of openers at once.

    It appears under its name only once it is in WAL mode: of two connections that switch it
    at the same time, SQLite fails one without waiting.
    """
    if path.exists():
        # Never opened here: closing a file drops the locks that SQLite holds on it in this process.
        if path.is_dir():
            raise OSError(EISDIR, os.strerror(EISDIR))
        if not os.access(path, os.R_OK | os.W_OK):
            raise OSError(EACCES, os.strerror(EACCES))
        return
    # SQLite would make it readable by others; its side files take over this mode.
    descriptor, name = mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(descriptor)
    temporary = Path(name)
    try:
        with closing(sqlite3.connect(temporary, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        with suppress(FileExistsError):
            path.hardlink_to(temporary)
    finally:
        temporary.unlink()


def _postgresql_engine(url: URL) -> AsyncEngine:
    if find_spec("asyncpg") is None:
        raise NotAvailableError(
            "PostgreSQL", "install the extra: pip install 'lukhas-api-optimizer[postgres]'"
        )
    return create_async_engine(
        url, hide_parameters=True, pool_pre_ping=True, connect_args={"timeout": 5}
    )


def _set_up_sqlite(connection: "DBAPIConnection", _record: object) -> None:
    # None: the driver starts no transactions of its own; `_begin_sqlite` does.
    connection.isolation_level = None
    cursor = connection.cursor()
    try:
        # The timeout first: switching to WAL may have to wait for another process.
        cursor.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode = WAL")
        # FULL: a key that was revoked stays revoked after a power failure.
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
    finally:
        cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    # A transaction that first reads and then writes cannot wait for the lock: it fails at once.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


async def _bring_up_to_date(database: Database) -> None:
    async with database.reading() as connection:
        revision = await connection.run_sync(_schema_revision)
    if revision == HEAD_REVISION:
        return
    if revision is not None and revision not in REVISIONS:
        raise StoreError(
            f"{database.place} has schema {revision}, which a newer version made: "
            "run that version, or restore a backup made before the upgrade"
        )
    async with database.writing() as connection:
        if connection.dialect.name == "postgresql":
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
        await connection.run_sync(_upgrade)


def _schema_revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: Any = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def _upgrade(connection: Connection) -> None:
    # Only here: importing it costs more than everything else an up-to-date database needs.
    from alembic import command
    from alembic.config import Config

    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


class _ErrorMapping:
    """Turns what a database raises into `StoreError`, without the values it was given."""

    __slots__ = ("_place",)

    def __init__(self, place: str) -> None:
        self._place = place

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, DBAPIError):
            raise StoreError(f"{self._place}: {error.orig}") from error
        # asyncpg passes on a refused or timed out connection as it is.
        if isinstance(error, SQLAlchemyError | OSError | TimeoutError):
            raise StoreError(f"{self._place}: {error}") from error
