"""What stands on the shelves of a node's file."""

from pathlib import Path

import pytest

from lukhas.storage import node_listing
from lukhas.storage.entries import StoredResponse
from lukhas.storage.node_entries import NodeEntryStore
from lukhas.storage.node_entry_opening import open_node_entry_file
from lukhas.storage.node_listing import largest_entries
from lukhas.units import MIB
from tests.unit.cli.test_purge import entry


def with_body(path: bytes, size: int) -> StoredResponse:
    made = entry(path, "tag")
    made.body = b"x" * size
    return made


def test_the_largest_come_first(tmp_path: Path) -> None:
    """With what they take, from whichever key they are; not more than were asked for."""
    file = open_node_entry_file(tmp_path, 256 * MIB)
    store = NodeEntryStore(file)
    for number, size in enumerate((10, 30_000, 200, 9000)):
        assert store.put(with_body(b"/%d" % number, size), store.ticket())
    found = largest_entries(file, 3)
    assert [each.response.key[2] for each in found] == [b"/1", b"/3", b"/2"]
    assert [each.taken_bytes for each in found] == sorted(
        (each.taken_bytes for each in found), reverse=True
    )
    assert found[0].taken_bytes >= 30_000
    assert found[0].response.tags == frozenset({"tag"})
    store.close()


def test_only_the_newest_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it never takes long, however full the file is."""
    monkeypatch.setattr(node_listing, "MOST_LOOKED_AT", 2)
    file = open_node_entry_file(tmp_path, 256 * MIB)
    store = NodeEntryStore(file)
    for number, size in enumerate((30_000, 20_000, 10)):
        assert store.put(with_body(b"/%d" % number, size), store.ticket())
    assert [each.response.key[2] for each in largest_entries(file, 5)] == [b"/1", b"/2"]
    store.close()


def test_what_is_damaged_is_left_out(tmp_path: Path) -> None:
    """The rest is told."""
    file = open_node_entry_file(tmp_path, 256 * MIB)
    store = NodeEntryStore(file)
    for path in (b"/a", b"/b"):
        assert store.put(with_body(path, 100), store.ticket())
    with file.writing() as (transaction, _state):
        newest = file.newest(transaction, 1)[0]
        value = transaction.get(newest.key, db=file.entries)
        assert value is not None
        transaction.put(newest.key, value[:-1] + b"!", db=file.entries)
    assert [each.response.key[2] for each in largest_entries(file, 5)] == [b"/a"]
    store.close()
