"""The admin plane's database."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.engine import Connection

import lukhas.storage.migrations
from lukhas.errors import ConfigError, NotAvailableError, StateDirError, StoreError
from lukhas.identity.key_schema import API_KEYS
from lukhas.storage import sql
from lukhas.storage.migrations import HEAD_REVISION, REVISIONS
from lukhas.storage.sql import ADMIN_DATABASE_FILE, Database, open_database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_database(tmp_path)
    yield opened
    await opened.close()


async def test_a_new_database_has_the_newest_schema(database: Database, tmp_path: Path) -> None:
    """Opening makes a private file in WAL mode and applies all migrations."""
    assert (tmp_path / ADMIN_DATABASE_FILE).stat().st_mode & 0o777 == 0o600
    async with database.reading() as connection:
        assert (await connection.scalar(text("PRAGMA journal_mode"))) == "wal"
        assert (await connection.scalar(text("PRAGMA busy_timeout"))) == 15_000
        assert (await connection.scalar(text("PRAGMA synchronous"))) == 2
        assert (await connection.scalar(text("PRAGMA foreign_keys"))) == 1
        revision = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    assert revision == HEAD_REVISION


async def test_tables_and_migrations_agree(database: Database) -> None:
    """What the migrations make is what the code expects: nothing is left to migrate."""
    async with database.reading() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(
                MigrationContext.configure(
                    sync,
                    opts={"include_name": lambda name, kind, _: kind != "table" or name in TABLES},
                ),
                API_KEYS.metadata,
            )
        )
    assert differences == []


TABLES = frozenset(API_KEYS.metadata.tables)


def test_the_known_revisions_are_the_scripts() -> None:
    """The list that spares loading Alembic is the list of scripts, in order."""
    config = Config()
    folder = Path(lukhas.storage.migrations.__file__).parent
    config.set_main_option("script_location", str(folder))
    scripts = ScriptDirectory.from_config(config).walk_revisions()
    assert tuple(script.revision for script in scripts)[::-1] == REVISIONS


async def test_an_up_to_date_database_is_not_migrated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second open looks at the version and does no more."""
    await (await open_database(tmp_path)).close()

    def never(_connection: object) -> None:
        raise AssertionError("migrated again")

    monkeypatch.setattr(sql, "_upgrade", never)
    await (await open_database(tmp_path)).close()


async def test_opening_at_once_migrates_once(tmp_path: Path) -> None:
    """Several opens of a new database wait for the one that migrates."""
    for round_number in range(5):
        state_dir = tmp_path / str(round_number)
        opened = await asyncio.gather(*[open_database(state_dir) for _ in range(6)])
        for database in opened:
            await database.close()
        assert {path.name for path in state_dir.iterdir()} == {ADMIN_DATABASE_FILE}


async def test_a_file_that_sqlite_cannot_make_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What SQLite says when it makes the file is told with the path; nothing stays behind."""

    def full(*_args: object, **_named: object) -> sqlite3.Connection:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(sqlite3, "connect", full)
    with pytest.raises(StoreError, match=r"admin\.sqlite cannot be made: database or disk is full"):
        await open_database(tmp_path)
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240


async def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """A database that a later version made is left alone, with what to do."""
    await (await open_database(tmp_path)).close()
    connection = sqlite3.connect(tmp_path / ADMIN_DATABASE_FILE)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="newer version"):
        await open_database(tmp_path)


async def test_a_write_is_whole_or_undone(database: Database) -> None:
    """A block that raises leaves nothing behind, schema changes included."""

    async def write_and_fail() -> None:
        async with database.writing() as connection:
            await connection.execute(text("CREATE TABLE half (x INTEGER)"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await write_and_fail()
    async with database.writing() as connection:
        await connection.execute(text("CREATE TABLE whole (x INTEGER)"))
    async with database.reading() as connection:
        names = await connection.scalars(text("SELECT name FROM sqlite_master"))
        assert {"half", "whole"} & set(names) == {"whole"}


async def test_writers_take_turns(database: Database) -> None:
    """Concurrent read-modify-write transactions lose no update."""
    async with database.writing() as connection:
        await connection.execute(text("CREATE TABLE counter (x INTEGER)"))
        await connection.execute(text("INSERT INTO counter VALUES (0)"))

    async def count() -> None:
        async with database.writing() as connection:
            x = await connection.scalar(text("SELECT x FROM counter"))
            await connection.execute(text("UPDATE counter SET x = :x"), {"x": x + 1})

    await asyncio.gather(*[count() for _ in range(10)])
    async with database.reading() as connection:
        assert await connection.scalar(text("SELECT x FROM counter")) == 10


async def test_errors_do_not_show_values(database: Database) -> None:
    """A failed statement becomes a StoreError that names the place, not the values."""
    with pytest.raises(StoreError, match="no such table: nowhere") as caught:
        async with database.reading() as connection:
            await connection.execute(text("SELECT * FROM nowhere WHERE x = :x"), {"x": "hunter2"})
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in str(caught.value.__cause__)
    assert ADMIN_DATABASE_FILE in str(caught.value)


async def test_a_foreign_file_is_a_store_error(tmp_path: Path) -> None:
    """A file that is not SQLite's is told as such and left alone."""
    file = tmp_path / ADMIN_DATABASE_FILE
    file.write_bytes(b"junk" * 1000)
    with pytest.raises(StoreError, match="not a database"):
        await open_database(tmp_path)
    assert file.read_bytes() == b"junk" * 1000


async def test_a_file_that_cannot_be_opened_is_a_state_dir_error(tmp_path: Path) -> None:
    """What the file system refuses is told with the path."""
    (tmp_path / ADMIN_DATABASE_FILE).mkdir()
    with pytest.raises(StateDirError, match="cannot be opened"):
        await open_database(tmp_path)


async def test_a_file_of_somebody_else_is_a_state_dir_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that may not be written is left alone."""
    await (await open_database(tmp_path)).close()
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path).is_dir())
    with pytest.raises(StateDirError, match="Permission denied"):
        await open_database(tmp_path)


async def test_an_sqlite_url_names_another_file(tmp_path: Path) -> None:
    """With a URL the state directory is not used."""
    url = f"sqlite:///{tmp_path / 'other.sqlite'}"
    await (await open_database(tmp_path / "state", url=url)).close()
    assert (tmp_path / "other.sqlite").exists()
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("url", ["nonsense", "sqlite://", "sqlite:///:memory:", "mysql://h/d"])
async def test_a_wrong_url_is_a_config_error(tmp_path: Path, url: str) -> None:
    """A URL that cannot be used is refused with the form it should have."""
    with pytest.raises(ConfigError, match="write it like"):
        await open_database(tmp_path, url=url)


async def test_a_wrong_url_is_not_shown(tmp_path: Path) -> None:
    """A URL may hold a password, so the message does not repeat it."""
    with pytest.raises(ConfigError) as caught:
        await open_database(tmp_path, url="://user:hunter2@host")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg"])
async def test_postgresql_without_driver_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """A missing driver is told with the extra to install."""
    monkeypatch.setattr(sql, "find_spec", lambda _name: None)
    with pytest.raises(NotAvailableError, match=r"lukhas-api-optimizer\[postgres\]"):
        await open_database(tmp_path, url=f"{scheme}://user:hunter2@127.0.0.1/lukhas")


async def test_the_place_hides_the_password(tmp_path: Path) -> None:
    """Messages name the database without its password."""
    pytest.importorskip("asyncpg")
    with pytest.raises(StoreError) as caught:
        await open_database(tmp_path, url="postgresql://user:hunter2@127.0.0.1:1/lukhas")
    assert "127.0.0.1" in str(caught.value)
    assert "hunter2" not in str(caught.value)


async def test_a_lost_connection_is_a_store_error(database: Database) -> None:
    """Drivers pass errors of the network on as they are: they too become StoreError."""

    async def lose() -> None:
        async with database.reading():
            raise ConnectionResetError("gone")

    with pytest.raises(StoreError, match="gone"):
        await lose()


async def test_consumers_are_made_of_the_keys_there_were(tmp_path: Path) -> None:
    """One for each name and tenant, with the tier of its newest key (migration 0041)."""
    opened = await open_database(tmp_path)
    config = Config()
    folder = Path(lukhas.storage.migrations.__file__).parent
    config.set_main_option("script_location", str(folder))
    key = (
        "INSERT INTO api_keys (key_id, environment, consumer, tenant, tier, scopes, created_ns,"
        " secret_hash, revision) VALUES (:id, 'live', :name, :tenant, :tier, '[]', :at, 'x', 1)"
    )
    async with opened.writing() as connection:

        def again(sync: Connection) -> None:
            config.attributes["connection"] = sync
            command.downgrade(config, "0036")
            for number, (name, tenant, tier) in enumerate(
                [("a", "", "free"), ("a", "", "basic"), ("a", "t", "premium")]
            ):
                values = {"id": str(number), "name": name, "tenant": tenant, "tier": tier}
                sync.execute(text(key), {**values, "at": number})
            command.upgrade(config, "head")

        await connection.run_sync(again)
        query = text("SELECT name, tenant, tier, created_ns FROM consumers ORDER BY tenant")
        found = [tuple(row) for row in await connection.execute(query)]
    assert found == [("a", "", "basic", 0), ("a", "t", "premium", 2)]
    await opened.close()
