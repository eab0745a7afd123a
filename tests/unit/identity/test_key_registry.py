"""The registry of API keys, on a real SQLite database and a real key table."""

import asyncio
import logging
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import update

from lukhas.errors import ConfigError, StoreError
from lukhas.identity.credentials import LOOK_INTERVAL_NS, CredentialCache
from lukhas.identity.key_registry import (
    KeyNotFoundError,
    KeyNotUsableError,
    KeyRegistry,
    open_key_registry,
)
from lukhas.identity.key_schema import KEY_REGISTRY, keep_uses
from lukhas.identity.key_table import KEY_TABLE_FILE, KeyTable, TablePosition, open_key_table
from lukhas.identity.pepper import PEPPER_FILE, load_pepper
from lukhas.policy.access.api_keys import ApiKeyRecord, Rejection, consumer_of
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.storage.sql import ADMIN_DATABASE_FILE, open_database
from lukhas.units import HOUR_NS, SECOND_NS

START_NS = 1_800_000_000 * SECOND_NS


class Hands:
    """A clock set by hand."""

    def __init__(self) -> None:
        self.time_ns = START_NS

    def now_ns(self) -> int:
        return self.time_ns


def _files_with(folder: Path, content: bytes) -> list[Path]:
    return [file for file in folder.iterdir() if content in file.read_bytes()]


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
async def table(tmp_path: Path) -> AsyncIterator[KeyTable]:
    opened = open_key_table(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
async def registry(tmp_path: Path, clock: Hands, table: KeyTable) -> AsyncIterator[KeyRegistry]:
    async with open_key_registry(tmp_path, clock=clock, table=table) as opened:
        yield opened


@pytest.fixture
def cache(tmp_path: Path, table: KeyTable) -> CredentialCache:
    return CredentialCache(table, load_pepper(tmp_path))


async def test_a_created_key_works_at_once(
    registry: KeyRegistry, table: KeyTable, cache: CredentialCache
) -> None:
    """The record is in registry and table, and the key is accepted."""
    issued = await registry.create(
        "acme", Tier.PREMIUM, tenant="north", environment="test", scopes=["read", "write"]
    )
    record = issued.record
    assert issued.text.startswith(f"lk_test_{record.key_id}_")
    assert (record.tier, record.consumer, record.tenant) == (Tier.PREMIUM, "acme", "north")
    assert (record.created_ns, record.scopes) == (START_NS, ("read", "write"))
    assert await registry.get(record.key_id) == record
    assert table.get(record.key_id) == record
    assert cache.consumer_for(issued.text.encode(), START_NS) == consumer_of(record)


async def test_expiry_is_kept(registry: KeyRegistry, cache: CredentialCache) -> None:
    """A key with an expiry is refused from then on."""
    issued = await registry.create("acme", Tier.FREE, expires_ns=START_NS + 5)
    assert issued.record.expires_ns == START_NS + 5
    assert not isinstance(cache.consumer_for(issued.text.encode(), START_NS + 4), Rejection)
    assert cache.consumer_for(issued.text.encode(), START_NS + 5) is Rejection.EXPIRED


async def test_a_revoked_key_stops(registry: KeyRegistry, cache: CredentialCache) -> None:
    """Revoked once and for all; the record stays to be seen."""
    issued = await registry.create("acme", Tier.FREE)
    cache.consumer_for(issued.text.encode(), START_NS)
    revoked = await registry.revoke(issued.record.key_id)
    assert revoked.revoked
    assert await registry.revoke(issued.record.key_id) == revoked
    assert await registry.get(issued.record.key_id) == revoked
    later_ns = START_NS + LOOK_INTERVAL_NS
    assert cache.consumer_for(issued.text.encode(), later_ns) is Rejection.REVOKED


async def test_rotation_keeps_the_id_and_a_grace_period(
    registry: KeyRegistry, cache: CredentialCache
) -> None:
    """Both secrets pass for an hour by default, then only the new one."""
    old = await registry.create("acme", Tier.FREE, environment="test")
    new = await registry.rotate(old.record.key_id)
    assert new.record.key_id == old.record.key_id
    assert new.text.startswith(f"lk_test_{old.record.key_id}_")
    assert new.record.previous_expires_ns == START_NS + HOUR_NS
    consumer = consumer_of(old.record)
    assert cache.consumer_for(old.text.encode(), START_NS + HOUR_NS - 1) == consumer
    assert cache.consumer_for(new.text.encode(), START_NS + HOUR_NS - 1) == consumer
    assert cache.consumer_for(old.text.encode(), START_NS + HOUR_NS) is Rejection.EXPIRED
    assert cache.consumer_for(new.text.encode(), START_NS + HOUR_NS) == consumer


async def test_a_second_rotation_ends_the_oldest_secret(
    registry: KeyRegistry, cache: CredentialCache
) -> None:
    """At most two secrets live."""
    first = await registry.create("acme", Tier.FREE)
    second = await registry.rotate(first.record.key_id)
    third = await registry.rotate(first.record.key_id)
    answers = [cache.consumer_for(key.text.encode(), START_NS) for key in (first, second, third)]
    assert answers == [Rejection.WRONG_SECRET] + [consumer_of(first.record)] * 2


async def test_rotation_without_grace_ends_the_old_secret(
    registry: KeyRegistry, cache: CredentialCache
) -> None:
    """For a leaked key: the old secret is refused at once."""
    old = await registry.create("acme", Tier.FREE)
    new = await registry.rotate(old.record.key_id, grace_s=0)
    assert len(new.record.secret_hashes) == 1
    assert new.record.previous_expires_ns is None
    assert cache.consumer_for(old.text.encode(), START_NS) is Rejection.WRONG_SECRET


async def test_dead_keys_are_not_rotated(registry: KeyRegistry, clock: Hands) -> None:
    """Neither a revoked nor an expired key comes back to life."""
    revoked = (await registry.create("acme", Tier.FREE)).record.key_id
    expired = (await registry.create("acme", Tier.FREE, expires_ns=START_NS + 1)).record.key_id
    await registry.revoke(revoked)
    clock.time_ns += 1
    with pytest.raises(KeyNotUsableError, match="revoked"):
        await registry.rotate(revoked)
    with pytest.raises(KeyNotUsableError, match="expired"):
        await registry.rotate(expired)


@pytest.mark.parametrize("grace_s", [-1, 30 * 86_400 + 1, float("nan")])
async def test_an_odd_grace_period_is_refused(registry: KeyRegistry, grace_s: float) -> None:
    """A grace period is 0 s to 30 days."""
    with pytest.raises(ConfigError, match="grace period"):
        await registry.rotate("0123456789ABCDEF", grace_s=grace_s)


async def test_an_unknown_id_is_told(registry: KeyRegistry) -> None:
    """get gives None, changes raise with the id."""
    assert await registry.get("nobody") is None
    with pytest.raises(KeyNotFoundError, match="nobody") as caught:
        await registry.revoke("nobody")
    assert caught.value.key_id == "nobody"
    with pytest.raises(KeyNotFoundError, match="nobody"):
        await registry.rotate("nobody")


async def test_keys_are_listed_by_age(registry: KeyRegistry, clock: Hands) -> None:
    """The oldest first, by tenant, in pages."""
    made: list[ApiKeyRecord] = []
    for tenant in ("north", "south", "north"):
        clock.time_ns += 1
        made.append((await registry.create("acme", Tier.FREE, tenant=tenant)).record)
    assert await registry.list() == tuple(made)
    assert await registry.list(tenant="north") == (made[0], made[2])
    assert await registry.list(limit=1, offset=1) == (made[1],)


@pytest.mark.parametrize(
    ("consumer", "options", "message"),
    [
        ("", {}, "name"),
        ("a" * 129, {}, "name"),
        ("a\nb", {}, "name"),
        ("acme", {"tenant": "no blanks"}, "tenant"),
        ("acme", {"tenant": "t" * 65}, "tenant"),
        ("acme", {"environment": "Live"}, "environment"),
        ("acme", {"scopes": ["no blanks"]}, "scopes"),
        ("acme", {"scopes": [""]}, "scopes"),
        ("acme", {"scopes": ["s"] * 17}, "scopes"),
        ("acme", {"expires_ns": START_NS}, "expired already"),
    ],
)
async def test_wrong_arguments_make_no_key(
    registry: KeyRegistry, consumer: str, options: dict[str, object], message: str
) -> None:
    """Each argument is checked, and nothing is stored."""
    with pytest.raises(ConfigError, match=message):
        await registry.create(consumer, Tier.FREE, **options)  # type: ignore[arg-type]
    assert await registry.list() == ()


async def test_no_secret_is_shown_or_stored(
    registry: KeyRegistry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither repr, log nor any file of the state directory holds a key's secret."""
    with caplog.at_level(logging.DEBUG):
        issued = await registry.create("acme", Tier.FREE)
        rotated = await registry.rotate(issued.record.key_id)
    for key in (issued, rotated):
        secret = key.text[-49:-6]
        assert secret not in repr(key)
        assert secret not in caplog.text
        assert not _files_with(tmp_path, secret.encode())


async def test_a_lost_table_is_filled_again(tmp_path: Path, clock: Hands) -> None:
    """The key table is a copy: without it, opening the registry makes it anew."""
    async with open_key_registry(tmp_path, clock=clock) as registry:
        kept = (await registry.create("acme", Tier.FREE)).record
        gone = await registry.revoke((await registry.create("bad", Tier.FREE)).record.key_id)
    (tmp_path / KEY_TABLE_FILE).unlink()
    (tmp_path / f"{KEY_TABLE_FILE}-lock").unlink()
    async with open_key_registry(tmp_path, clock=clock):
        pass
    table = open_key_table(tmp_path)
    assert table.get(kept.key_id) == kept
    assert table.get(gone.key_id) == gone
    table.close()


async def test_a_restored_backup_rules_the_table(tmp_path: Path, clock: Hands) -> None:
    """After an older database is put back, keys made since are gone from the table."""
    async with open_key_registry(tmp_path, clock=clock) as registry:
        kept = (await registry.create("acme", Tier.FREE)).record
    shutil.copy(tmp_path / ADMIN_DATABASE_FILE, tmp_path / "backup")
    async with open_key_registry(tmp_path, clock=clock) as registry:
        later = (await registry.create("late", Tier.FREE)).record
    shutil.copy(tmp_path / "backup", tmp_path / ADMIN_DATABASE_FILE)
    async with open_key_registry(tmp_path, clock=clock):
        pass
    table = open_key_table(tmp_path)
    assert table.get(kept.key_id) == kept
    assert table.get(later.key_id) is None
    table.close()


async def test_changes_of_another_node_are_copied(
    registry: KeyRegistry, table: KeyTable, tmp_path: Path, clock: Hands
) -> None:
    """A registry of another node on the same database: synchronise brings its changes here."""
    other_node = tmp_path / "other"
    other_node.mkdir()
    shutil.copy(tmp_path / PEPPER_FILE, other_node / PEPPER_FILE)
    url = f"sqlite:///{tmp_path / ADMIN_DATABASE_FILE}"
    mine = (await registry.create("acme", Tier.FREE)).record
    async with open_key_registry(other_node, clock=clock, url=url) as other:
        theirs = (await other.create("other", Tier.BASIC)).record
        await other.revoke(mine.key_id)
    assert table.get(theirs.key_id) is None
    assert await registry.synchronise()
    assert not await registry.synchronise()
    assert table.get(theirs.key_id) == theirs
    found = table.get(mine.key_id)
    assert found is not None
    assert found.revoked


async def test_concurrent_changes_all_arrive(registry: KeyRegistry, table: KeyTable) -> None:
    """Keys made at the same time are all in the table, each with its own revision."""
    issued = await asyncio.gather(*[registry.create(f"c{n}", Tier.FREE) for n in range(8)])
    await asyncio.gather(*[registry.revoke(key.record.key_id) for key in issued[:4]])
    found = [table.get(key.record.key_id) for key in issued]
    assert [record.revoked for record in found if record] == [True] * 4 + [False] * 4
    assert table.position().revision == 12


async def test_processes_may_open_at_once(tmp_path: Path, clock: Hands) -> None:
    """Four processes at first use: one schema, one registry, every key in the table."""
    code = (
        "import asyncio, sys, pathlib\n"
        "from lukhas.clock import SystemClock\n"
        "from lukhas.identity.key_registry import open_key_registry\n"
        "from lukhas.policy.rate_limiting.tiers import Tier\n"
        "async def main():\n"
        "    path = pathlib.Path(sys.argv[1])\n"
        "    async with open_key_registry(path, clock=SystemClock()) as registry:\n"
        "        for _ in range(3):\n"
        "            print((await registry.create('acme', Tier.FREE)).record.key_id)\n"
        "asyncio.run(main())"
    )
    running = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "error", "-c", code, str(tmp_path)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(4)
    ]
    outputs = await asyncio.gather(*[process.communicate() for process in running])
    assert [errors for _, errors in outputs] == [b""] * 4
    made = {key_id for output, _ in outputs for key_id in output.decode().split()}
    assert len(made) == 12
    async with open_key_registry(tmp_path, clock=clock) as registry:
        assert {record.key_id for record in await registry.list()} == made
    table = open_key_table(tmp_path)
    assert all(table.get(key_id) is not None for key_id in made)
    table.close()


async def test_another_pepper_is_noticed(tmp_path: Path, clock: Hands) -> None:
    """A registry whose pepper was lost or swapped does not open: no key could ever pass."""
    async with open_key_registry(tmp_path, clock=clock):
        pass
    (tmp_path / PEPPER_FILE).unlink()
    with pytest.raises(StoreError, match="another pepper"):
        async with open_key_registry(tmp_path, clock=clock):
            pass


async def test_a_full_table_makes_no_key(tmp_path: Path, clock: Hands) -> None:
    """Where the table has no room, nothing is committed either."""

    class Full(KeyTable):
        __slots__ = ()

        def check_room(self) -> None:
            raise self._full()

    opened = open_key_table(tmp_path)
    full = Full(opened._node)
    async with open_key_registry(tmp_path, clock=clock, table=full) as registry:
        with pytest.raises(StoreError, match="maximum"):
            await registry.create("acme", Tier.FREE)
        assert await registry.list() == ()
    opened.close()


async def test_a_table_that_never_stands_still_is_told(tmp_path: Path, clock: Hands) -> None:
    """If every attempt to copy is overtaken, the caller hears of it instead of waiting on."""

    class Restless(KeyTable):
        __slots__ = ()

        def position(self) -> TablePosition:
            return TablePosition("elsewhere", 1)

    opened = open_key_table(tmp_path)
    with pytest.raises(StoreError, match="all the time"):
        async with open_key_registry(tmp_path, clock=clock, table=Restless(opened._node)):
            pass
    opened.close()


async def test_a_failed_database_is_a_store_error(tmp_path: Path, clock: Hands) -> None:
    """A change that the database refuses is told, and the table stays as it was."""
    async with open_key_registry(tmp_path, clock=clock) as registry:
        database = await open_database(tmp_path)
        async with database.writing() as connection:
            await connection.execute(update(KEY_REGISTRY).values(pepper_fingerprint="x"))
            await connection.exec_driver_sql("DROP TABLE api_keys")
        await database.close()
        with pytest.raises(StoreError, match="api_keys"):
            await registry.create("acme", Tier.FREE)


async def test_a_registry_that_cannot_begin_is_told(
    tmp_path: Path, clock: Hands, table: KeyTable
) -> None:
    """A first use that the database refuses is an error, not taken for another's success."""
    database = await open_database(tmp_path)
    async with database.writing() as connection:
        await connection.exec_driver_sql(
            "CREATE TRIGGER refuse BEFORE INSERT ON key_registry "
            "BEGIN SELECT json('refused by the trigger'); END"
        )
    registry = KeyRegistry(database, table=table, pepper=load_pepper(tmp_path), clock=clock)
    with pytest.raises(StoreError, match="malformed JSON"):
        await registry.open()
    await database.close()


async def keep(folder: Path, uses: dict[str, int]) -> None:
    database = await open_database(folder)
    async with database.writing() as connection:
        await keep_uses(connection, uses)
    await database.close()


async def test_the_latest_use_is_kept(registry: KeyRegistry, tmp_path: Path) -> None:
    """Whatever order reports come in; a key that is not there is passed over."""
    first, second, third = [(await registry.create("acme", Tier.FREE)).record for _ in range(3)]
    assert first.last_used_ns is None
    await keep(tmp_path, {first.key_id: 5, second.key_id: 9, "gone": 7})
    await keep(tmp_path, {first.key_id: 8, second.key_id: 3})
    listed = {record.key_id: record.last_used_ns for record in await registry.list()}
    assert listed == {first.key_id: 8, second.key_id: 9, third.key_id: None}
    rotated = await registry.rotate(first.key_id)
    assert rotated.record.last_used_ns == 8
    await registry.revoke(first.key_id)
    found = await registry.get(first.key_id)
    assert found is not None
    assert found.last_used_ns == 8


async def test_a_use_is_no_change(
    registry: KeyRegistry, table: KeyTable, cache: CredentialCache, tmp_path: Path, clock: Hands
) -> None:
    """The table of the workers stays as it is, so they go on with what they have verified."""
    issued = await registry.create("acme", Tier.FREE)
    before = table.position(), table.generation(), table.get(issued.record.key_id)
    verified = cache.consumer_for(issued.text.encode(), clock.now_ns())
    await keep(tmp_path, {issued.record.key_id: START_NS})
    assert not await registry.synchronise()
    assert (table.position(), table.generation(), table.get(issued.record.key_id)) == before
    clock.time_ns += LOOK_INTERVAL_NS
    assert cache.consumer_for(issued.text.encode(), clock.now_ns()) is verified
