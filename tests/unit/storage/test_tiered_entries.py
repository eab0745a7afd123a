"""Memory over the node's file: what comes up, and what happens when the file fails."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lukhas.errors import StoreError
from lukhas.policy.caching.purges import Purge
from lukhas.storage.entries import StoredResponse
from lukhas.storage.memory_entries import MemoryEntryStore
from lukhas.storage.node_entries import ClusterMark, NodeEntryStore
from lukhas.storage.node_entry_opening import open_node_entry_file
from lukhas.storage.tiered_entries import TieredEntryStore
from lukhas.units import MIB, SECOND_NS
from tests.unit.storage.test_node_entries import entry


class Failing:
    """Stands before a node's store; reads and writes fail while they are told to."""

    def __init__(self, node: NodeEntryStore) -> None:
        self._node = node
        self.reads = self.writes = True

    def __getattr__(self, name: str) -> object:
        wanted = {"get": "reads", "follow": "reads", "stats": "reads", "name": "reads"}
        is_watched = name in {"put", "remove", "purge", "note_mark"} or name in wanted
        if is_watched and not getattr(self, wanted.get(name, "writes")):
            return self._fail
        return getattr(self._node, name)

    @staticmethod
    def _fail(*_: object) -> None:
        raise StoreError("no space left")


class Remote:
    """A remote tier that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def save(
        self, entry: StoredResponse, ticket: int, superseded: tuple[StoredResponse, ...]
    ) -> None:
        self.told.append("save")

    def remove(self, entry: StoredResponse) -> None:
        self.told.append("remove")

    def purge(self, purge: Purge, sequence: int) -> None:
        self.told.append("purge")


class Tiers:
    """A store over a file that can fail, with a clock that stands still."""

    def __init__(self, folder: Path) -> None:
        self.now_ns = SECOND_NS
        self.node = Failing(NodeEntryStore(open_node_entry_file(folder, 16 * MIB)))
        self.store = TieredEntryStore(
            MemoryEntryStore(MIB), monotonic_ns=lambda: self.now_ns, look_every_ns=0
        )
        self.store.open_node(self.node)  # type: ignore[arg-type]


@pytest.fixture
def tiers(tmp_path: Path) -> Iterator[Tiers]:
    made = Tiers(tmp_path)
    yield made
    made.node.reads = made.node.writes = True
    made.store.close()


def put(store: TieredEntryStore, one: StoredResponse) -> None:
    assert store.put(one, store.ticket())


def test_what_memory_evicted_comes_up_again(tiers: Tiers) -> None:
    """Whole keys with `get`; single variants with `more`."""
    one, two = entry(), entry(body=b"two")
    two.selected_by = (b"other", None)
    put(tiers.store, one)
    put(tiers.store, two)
    assert tiers.store.more(one.key) is None
    tiers.store.memory.remove(one)
    assert [found.body for found in tiers.store.get(one.key) or ()] == [b"two"]
    assert {found.body for found in tiers.store.more(one.key) or ()} == {b"body", b"two"}
    tiers.store.memory.drop(one.key[:4])
    found = tiers.store.get(one.key) or ()
    assert [(up.body, up.tier) for up in found] == [(b"two", "node"), (b"body", "node")]
    assert tiers.store.get(entry(b"/none").key) is None
    assert tiers.store.get(entry(b"/none").key) is None
    assert tiers.store.more(entry(b"/none").key) is None


def test_what_is_too_large_for_memory_stays_below(tiers: Tiers) -> None:
    """It is served from there each time."""
    large = entry(body=b"x" * (MIB // 2 + 1))
    put(tiers.store, large)
    assert tiers.store.memory.get(large.key) is None
    (found,) = tiers.store.get(large.key) or ()
    assert found.body == large.body
    assert tiers.store.more(large.key)


def test_a_newer_version_of_another_worker_is_taken_over(tiers: Tiers) -> None:
    """Only one of the same variant that came later."""
    old, other = entry(), entry(body=b"other")
    other.selected_by = (b"other", None)
    put(tiers.store, old)
    assert not tiers.store.renewed(old)
    later = replace(old.terms.freshness, responded_ns=old.terms.freshness.responded_ns + 1)
    new = entry(body=b"new")
    new.terms = other.terms = replace(new.terms, freshness=later)
    node = tiers.store.node
    assert node is not None
    assert node.put(other, node.ticket())
    assert not tiers.store.renewed(old)
    assert node.put(new, node.ticket(), (old,))
    assert tiers.store.renewed(old)
    assert [(up.body, up.tier) for up in tiers.store.get(old.key) or ()] == [(b"new", "node")]
    assert not tiers.store.renewed(new)


def test_while_it_cannot_be_written_memory_goes_on(tiers: Tiers) -> None:
    """What is stored and purged is so here; the purge is written as soon as that is possible."""
    put(tiers.store, entry())
    tiers.node.writes = False
    put(tiers.store, entry(b"/2"))
    assert tiers.store.get(entry(b"/2").key)
    assert tiers.store.failure == "no space left"
    tiers.store.remove(entry(b"/3"))
    assert tiers.store.purge(Purge()) == 2
    tiers.store.apply_cluster(None, ClusterMark(b"12345678", 1))
    assert tiers.store.get(entry().key) is None
    tiers.node.writes = True
    tiers.now_ns += 2 * SECOND_NS
    assert tiers.store.get(entry().key) is None
    tiers.store.memory.purge(Purge())
    assert tiers.store.get(entry().key) is None
    assert tiers.store.failure == ""


def test_while_it_cannot_be_read_nothing_is_served(tiers: Tiers) -> None:
    """Nobody could know what others have purged; it is tried again after a second."""
    one = entry()
    put(tiers.store, one)
    tiers.node.reads = False
    assert tiers.store.get(one.key) is None
    assert tiers.store.more(one.key) is None
    assert not tiers.store.put(entry(b"/2"), tiers.store.ticket())
    assert tiers.store.node_stats() is None
    tiers.node.reads = True
    assert tiers.store.get(one.key) is None
    tiers.now_ns += 2 * SECOND_NS
    assert tiers.store.get(one.key)
    stats = tiers.store.node_stats()
    assert stats is not None
    assert stats.entries == 1


def test_a_look_up_that_fails_is_a_miss(tiers: Tiers) -> None:
    """It is told in health, and logged once."""
    tiers.store.get(entry().key)
    tiers.now_ns -= 1
    tiers.node.reads = False
    assert tiers.store.get(entry(b"/2").key) is None
    assert tiers.store.failure == "no space left"
    name, known = tiers.store.node_name()
    assert (len(name), known) == (8, None)


def test_too_many_purges_that_could_not_be_written_are_one_of_everything(tiers: Tiers) -> None:
    """The list has an end."""
    put(tiers.store, entry())
    tiers.node.writes = False
    for number in range(1025):
        tiers.store.purge(Purge(tag=str(number)))
    tiers.node.writes = True
    tiers.now_ns += 2 * SECOND_NS
    assert tiers.store.get(entry().key), "none of them was about this one"
    stats = tiers.store.node_stats()
    assert stats is not None
    assert stats.entries == 0


def test_the_remote_tier_is_told(tiers: Tiers) -> None:
    """What is stored, removed and purged here; not what came from there."""
    remote = Remote()
    tiers.store.open_remote(remote)
    put(tiers.store, entry())
    tiers.store.remove(entry())
    tiers.store.purge(Purge())
    assert remote.told == ["save", "remove", "purge"]
    assert tiers.store.adopt((entry(),), tiers.store.ticket())
    tiers.store.apply_cluster(Purge(), ClusterMark(b"12345678", 1))
    tiers.store.apply_cluster(None, ClusterMark(b"12345678", 2))
    assert tiers.store.get(entry().key) is None
    assert tiers.store.node_name()[1] == ClusterMark(b"12345678", 2)
    assert tiers.store.latest_ticket() == 2
    assert len(remote.told) == 3


def test_without_lower_tiers_it_is_memory() -> None:
    """Before it is opened, and after it is closed."""
    store = TieredEntryStore(MemoryEntryStore(MIB))
    put(store, entry())
    assert store.get(entry().key)
    assert store.get(entry(b"/2").key) is None
    assert store.more(entry().key) is None
    store.apply_cluster(Purge(), ClusterMark(b"12345678", 1))
    store.apply_cluster(None, ClusterMark(b"12345678", 2))
    assert store.get(entry().key) is None
    assert store.latest_ticket() == 1
    assert store.node_stats() is None
    assert store.node_name()[1] is None
    store.close()
