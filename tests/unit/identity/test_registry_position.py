"""Whether an empty key table lacks keys."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lukhas.clock import SystemClock
from lukhas.identity.key_registry import open_key_registry
from lukhas.identity.key_table import KEY_TABLE_FILE, KeyTable, open_key_table
from lukhas.identity.registry_position import may_lack_keys
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.storage.sql import ADMIN_DATABASE_FILE, open_database


@pytest.fixture
async def table(tmp_path: Path) -> AsyncIterator[KeyTable]:
    opened = open_key_table(tmp_path)
    yield opened
    opened.close()


async def test_a_registry_without_keys_is_not_loaded_for_them(
    tmp_path: Path, table: KeyTable
) -> None:
    """Neither where there is none, nor where it was never used, nor where it is empty."""
    database = tmp_path / ADMIN_DATABASE_FILE
    assert not may_lack_keys(table, database)
    await (await open_database(tmp_path)).close()
    assert not may_lack_keys(table, database)
    async with open_key_registry(tmp_path, clock=SystemClock(), table=table):
        pass
    assert not may_lack_keys(table, database)


async def test_keys_that_are_not_in_the_table_are_missed(tmp_path: Path) -> None:
    """As after the loss of the table, or where a backup was put back."""
    async with open_key_registry(tmp_path, clock=SystemClock()) as registry:
        await registry.create("a", Tier.FREE)
        assert not may_lack_keys(registry._table, tmp_path / ADMIN_DATABASE_FILE)
    (tmp_path / KEY_TABLE_FILE).unlink()
    lost = open_key_table(tmp_path)
    assert may_lack_keys(lost, tmp_path / ADMIN_DATABASE_FILE)
    lost.close()


@pytest.mark.parametrize("content", ["", "no database at all, but long enough to be one" * 9])
def test_a_database_that_cannot_be_asked_may_have_keys(
    tmp_path: Path, table: KeyTable, content: str
) -> None:
    """Whoever opens it properly says what is wrong with it."""
    database = tmp_path / ADMIN_DATABASE_FILE
    database.write_text(content)
    assert may_lack_keys(table, database)
