"""The key table of a node."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from lukhas.errors import StoreError
from lukhas.identity.key_table import (
    KEY_TABLE_FILE,
    KeyTable,
    TablePosition,
    open_key_table,
)
from lukhas.policy.access.api_keys import ApiKeyRecord
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.storage.node import NodeEnvironment
from lukhas.units import MIB

RECORD = ApiKeyRecord(
    key_id="0123456789ABCDEF",
    secret_hashes=(b"a" * 32, b"b" * 32),
    tier=Tier.ENTERPRISE,
    consumer="Zoë & Söhne",
    tenant="north",
    created_ns=1_800_000_000_000_000_000,
    expires_ns=2**62,
    previous_expires_ns=5,
    revoked=True,
    scopes=("read", "write"),
)
PLAIN = ApiKeyRecord("FEDCBA9876543210", (b"c" * 32,), Tier.FREE, "acme", "", 1)
START = TablePosition()


@pytest.fixture
def table(tmp_path: Path) -> Iterator[KeyTable]:
    opened = open_key_table(tmp_path)
    yield opened
    opened.close()


def test_records_come_back_as_they_were(table: KeyTable) -> None:
    """Every field survives; an unknown id gives None."""
    table.put(RECORD)
    table.put(PLAIN)
    assert table.get(RECORD.key_id) == RECORD
    assert table.get(PLAIN.key_id) == PLAIN
    assert table.get("nobody") is None
    assert table.count() == 2


def test_every_change_raises_the_generation(table: KeyTable) -> None:
    """Put and remove raise it; removing nothing does not."""
    assert table.generation() == 0
    table.put(RECORD)
    assert table.generation() == 1
    table.put(RECORD)
    assert table.generation() == 2
    table.remove(RECORD.key_id)
    assert table.generation() == 3
    assert table.get(RECORD.key_id) is None
    table.remove(RECORD.key_id)
    assert table.generation() == 3


def test_following_moves_the_position(table: KeyTable) -> None:
    """Changes are taken over, what did not change stays, put keeps the position."""
    first, second = TablePosition("r", 1), TablePosition("r", 2)
    assert table.follow([RECORD], seen=START, reached=first)
    assert table.position() == first
    assert table.follow([PLAIN], seen=first, reached=second)
    assert table.get(RECORD.key_id) == RECORD
    assert table.get(PLAIN.key_id) == PLAIN
    table.put(replace(PLAIN, consumer="new"))
    assert table.position() == second
    assert table.generation() == 3


def test_a_stale_follower_is_turned_away(table: KeyTable) -> None:
    """Who read the registry before another moved the table changes nothing."""
    reached = TablePosition("r", 2)
    assert table.follow([replace(RECORD, revoked=True)], seen=START, reached=reached)
    stale = replace(RECORD, revoked=False)
    assert not table.follow([stale], seen=START, reached=TablePosition("r", 1))
    found = table.get(RECORD.key_id)
    assert found is not None
    assert found.revoked
    assert table.position() == reached
    assert table.generation() == 1


@pytest.mark.parametrize("reached", [TablePosition("other", 9), TablePosition("r", 3)])
def test_another_registry_replaces_everything(table: KeyTable, reached: TablePosition) -> None:
    """Another registry, or an earlier revision (a restored backup): the rest goes."""
    seen = TablePosition("r", 5)
    assert table.follow([RECORD], seen=START, reached=seen)
    assert table.follow([PLAIN], seen=seen, reached=reached)
    assert table.get(RECORD.key_id) is None
    assert table.get(PLAIN.key_id) == PLAIN
    assert table.count() == 1
    assert table.generation() == 2


def test_a_full_table_says_what_to_do(tmp_path: Path) -> None:
    """Beyond the maximum nothing is added, and replacing still works."""
    node = NodeEnvironment(tmp_path / "keys.lmdb", map_size_bytes=MIB)
    table = KeyTable(node, max_keys=1)
    table.check_room()
    table.put(RECORD)
    with pytest.raises(StoreError, match="maximum of 1"):
        table.put(PLAIN)
    with pytest.raises(StoreError, match="maximum of 1"):
        table.check_room()
    table.put(replace(RECORD, revoked=False))
    assert table.get(PLAIN.key_id) is None
    assert table.count() == 1
    assert table.generation() == 2
    table.close()


def test_unreadable_records_are_store_errors(tmp_path: Path) -> None:
    """A record of another form is an error that says what to do, and shows no value."""
    node = NodeEnvironment(tmp_path / "keys.lmdb", map_size_bytes=MIB)
    table = KeyTable(node)
    with node.writing() as transaction:
        transaction.put(b"k:bad", msgspec.msgpack.encode(["hunter2"]))
    with pytest.raises(StoreError, match="cannot be read") as caught:
        table.get("bad")
    assert "hunter2" not in str(caught.value)
    with node.writing() as transaction:
        transaction.put(b"meta", b"\xff")
    with pytest.raises(StoreError, match="cannot be read"):
        table.generation()
    table.close()


def test_processes_share_the_table(table: KeyTable, tmp_path: Path) -> None:
    """What one process writes, another that has the table open reads at once."""
    code = (
        "import sys, pathlib\n"
        "from lukhas.identity.key_table import open_key_table\n"
        "table = open_key_table(pathlib.Path(sys.argv[1]))\n"
        "for line in sys.stdin:\n"
        "    found = table.get(line.strip())\n"
        "    print(table.generation(), found and found.consumer, flush=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        for expected in ("0 None", "1 acme", "2 None"):
            other.stdin.write(f"{PLAIN.key_id}\n")
            other.stdin.flush()
            assert other.stdout.readline().strip() == expected
            if expected == "0 None":
                table.put(PLAIN)
            else:
                table.remove(PLAIN.key_id)
        other.stdin.close()


def test_the_files_are_private(table: KeyTable, tmp_path: Path) -> None:
    """Data and lock file are for their owner only."""
    table.put(PLAIN)
    for name in (KEY_TABLE_FILE, f"{KEY_TABLE_FILE}-lock"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
