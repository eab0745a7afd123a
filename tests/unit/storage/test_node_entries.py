"""The store of the node: damage, restarts, purges that others missed or did not finish."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lukhas.errors import ConfigError, StateDirError, StoreError
from lukhas.http.headers import Headers
from lukhas.policy.caching.freshness import Freshness
from lukhas.policy.caching.purges import Purge
from lukhas.policy.caching.terms import ReuseTerms
from lukhas.storage import node_entry_opening
from lukhas.storage.entries import StoredResponse
from lukhas.storage.entry_codec import decode_entry, decode_purge
from lukhas.storage.memory_entries import MemoryEntryStore
from lukhas.storage.node_entries import ClusterMark, NodeEntryStore
from lukhas.storage.node_entry_file import NodeEntryFile
from lukhas.storage.node_entry_opening import ENTRIES_FILE, open_node_entry_file
from lukhas.storage.purge_log import PurgeLog
from lukhas.storage.tiered_entries import TieredEntryStore
from lukhas.units import MIB, SECOND_NS

TERMS = ReuseTerms(
    Freshness(5 * SECOND_NS, SECOND_NS, 60 * SECOND_NS, "max-age"),
    no_cache=False,
    must_revalidate=True,
    stale_if_error_s=1,
    for_credentials=True,
    for_cookies=False,
    stale_while_revalidate_s=2,
    stale_if_unreachable_s=3,
    fetch_ns=4,
    early_refresh=0.5,
)


def entry(
    path: bytes = b"/", *, body: bytes = b"body", tags: tuple[str, ...] = ()
) -> StoredResponse:
    return StoredResponse(
        ("http", b"a.example", path, b"q", ("tenant", "key", b"\0digest")),
        status=203,
        headers=Headers([(b"a", b"1"), (b"a", b"2"), (b"set-cookie", b"x")]),
        body=body,
        vary=(b"accept", b"x"),
        selected_by=(b"text/html", None),
        selected_raw=(b"text/html", None),
        terms=TERMS,
        tags=frozenset(tags),
        filled_by=-7,
    )


@pytest.fixture
def file(tmp_path: Path) -> Iterator[NodeEntryFile]:
    opened = open_node_entry_file(tmp_path, 16 * MIB)
    yield opened
    opened.close()


@pytest.fixture
def store(file: NodeEntryFile) -> NodeEntryStore:
    return NodeEntryStore(file)


def put(store: NodeEntryStore, *entries: StoredResponse) -> None:
    for one in entries:
        assert store.put(one, store.ticket())


def test_everything_of_a_response_is_kept(store: NodeEntryStore) -> None:
    """What the cache decides by, byte for byte."""
    kept = entry(tags=("red", "blue"))
    kept.watch()
    put(store, kept)
    (found,) = store.get(kept.key) or ()
    for name in StoredResponse.__slots__:
        if name not in {"headers", "mark", "ready_head", "tier"}:
            assert getattr(found, name) == getattr(kept, name), name
    assert found.headers.raw == kept.headers.raw
    assert found.ready_head == kept.ready_head


def test_what_is_damaged_counts_as_absent(file: NodeEntryFile, store: NodeEntryStore) -> None:
    """Any changed byte, a value cut short, or one that lies under another key; it is replaced."""
    good = entry()
    put(store, good)
    with file.reading() as transaction:
        (key,) = file.keys_from(transaction, b"", b"", 9)
        value = transaction.get(key, db=file.entries)
    assert value is not None
    flipped = bytearray(value)
    for at in range(0, len(value), 7):
        flipped[at] ^= 1
        with file.writing() as (transaction, _state):
            transaction.put(key, bytes(flipped), db=file.entries)
        assert store.get(good.key) is None
        flipped[at] ^= 1
    for short in (value[:5], value[:-1], b""):
        with file.writing() as (transaction, _state):
            transaction.put(key, short, db=file.entries)
        assert store.get(good.key) is None
    other = entry(b"/other")
    put(store, other)
    with file.writing() as (transaction, _state):
        (moved,) = {*file.keys_from(transaction, b"", b"", 9)} - {key}
        transaction.put(moved, value, db=file.entries)
    assert store.get(other.key) is None
    put(store, entry(), entry(b"/other"))
    assert store.get(good.key)
    assert store.purge(Purge(path_prefix=b"/o")) == 1


def test_apis_in_one_file_see_only_their_own(file: NodeEntryFile) -> None:
    """Though their addresses be the same; a purge meets all."""
    one, two = NodeEntryStore(file, space=b"1"), NodeEntryStore(file, space=b"2")
    put(one, entry(body=b"one"))
    assert two.get(entry().key) is None
    put(two, entry(body=b"two"))
    assert [found.body for found in one.get(entry().key) or ()] == [b"one"]
    assert one.purge(Purge(resource=entry().key[:4])) == 2


def test_what_is_no_entry_is_told() -> None:
    """A purge that cannot be read counts as one of everything."""
    assert decode_entry(b"\xc1") is None
    assert decode_purge(b"\xc1") == Purge()


def test_the_used_ones_stay_when_room_is_needed(tmp_path: Path) -> None:
    """SIEVE: what was read since the hand passed gets another chance."""
    opened = open_node_entry_file(tmp_path, 16 * MIB, limit_bytes=100_000)
    store = NodeEntryStore(opened)
    hot = entry(b"/hot")
    put(store, hot)
    for number in range(400):
        (found,) = store.get(hot.key) or ()
        store.touch(found)
        put(store, entry(b"/%d" % number, body=b"x" * 500))
    assert store.get(hot.key)
    assert store.get(entry(b"/0").key) is None
    stats = store.stats()
    assert stats.evicted > 200
    assert stats.used_bytes <= stats.limit_bytes
    opened.close()


def test_a_key_has_only_so_many_variants(store: NodeEntryStore) -> None:
    """The oldest one goes."""
    for number in range(25):
        one = entry()
        one.selected_by = (b"%d" % number, None)
        put(store, one)
    found = store.get(entry().key) or ()
    assert len(found) == 20
    assert found[0].selected_by == (b"24", None)


def test_a_purge_of_many_is_done_in_steps(file: NodeEntryFile, store: NodeEntryStore) -> None:
    """Hard and soft, by tag and by prefix; the others stay."""
    for number in range(1300):
        put(store, entry(b"/%d/%d" % (number % 2, number), tags=("all",)))
    put(store, entry(b"/stays"))
    assert store.purge(Purge(tag="all", soft=True)) == 1300
    (found,) = store.get(entry(b"/0/0").key) or ()
    assert found.terms.outdated
    assert store.purge(Purge(path_prefix=b"/0/")) == 650
    assert store.purge(Purge(tag="all", authority=b"b.example")) == 0
    assert store.purge(Purge(tag="all")) == 650
    assert store.purge(Purge(soft=True)) == 1
    assert store.purge(Purge()) == 1


def test_an_unfinished_purge_counts_at_once(file: NodeEntryFile, store: NodeEntryStore) -> None:
    """Whoever began it may have died: what it fits is not served, or only as stale."""
    put(store, entry(b"/a"), entry(b"/b"), entry(b"/c"))
    log = PurgeLog(file)
    with file.writing() as (transaction, state):
        log.add(transaction, state, Purge(path_prefix=b"/a"))
        log.add(transaction, state, Purge(path_prefix=b"/b", soft=True))
    assert store.get(entry(b"/a").key) is None
    (found,) = store.get(entry(b"/b").key) or ()
    assert found.terms.outdated
    put(store, entry(b"/a"))
    assert store.get(entry(b"/a").key)
    (found,) = store.get(entry(b"/c").key) or ()
    assert not found.terms.outdated


def test_an_unfinished_purge_that_falls_out_of_the_log_takes_everything(
    file: NodeEntryFile, store: NodeEntryStore
) -> None:
    """Nobody would know any more what it was to take."""
    put(store, entry())
    with file.writing() as (transaction, state):
        PurgeLog(file).add(transaction, state, Purge(path_prefix=b"/never"))
    for _ in range(4096):
        store.purge(Purge(tag="other"))
    assert store.get(entry().key) is None


def test_who_missed_purges_forgets_everything(file: NodeEntryFile) -> None:
    """In its memory, and for what it asked for before."""
    busy, idle = NodeEntryStore(file), TieredEntryStore(MemoryEntryStore(MIB), look_every_ns=0)
    idle.open_node(NodeEntryStore(file))
    kept = entry()
    before = idle.ticket()
    assert idle.put(kept, before)
    for _ in range(4100):
        busy.purge(Purge(tag="other"))
    assert not idle.memory.get(kept.key) or idle.get(kept.key)
    (again,) = idle.get(kept.key) or ()
    assert again is not kept
    assert not idle.admits(kept.key[:4], before)


def test_what_another_worker_replaced_is_read_again(file: NodeEntryFile) -> None:
    """So one worker's confirmation serves all; also if there were very many of them."""
    one, two = (TieredEntryStore(MemoryEntryStore(4 * MIB), look_every_ns=0) for _ in range(2))
    one.open_node(NodeEntryStore(file))
    two.open_node(NodeEntryStore(file))
    for rounds in (1, 1100):
        one.put(entry(body=b"old"), one.ticket())
        assert [found.body for found in two.get(entry().key) or ()] == [b"old"]
        for number in range(rounds):
            one.put(entry(body=b"%d" % number), one.ticket(), one.get(entry().key) or ())
        assert [found.body for found in two.get(entry().key) or ()] == [b"%d" % (rounds - 1)]


def test_a_purge_of_the_cluster_is_done_once_a_node(file: NodeEntryFile) -> None:
    """Whichever worker hears of it first."""
    one, two = NodeEntryStore(file), NodeEntryStore(file)
    mark = ClusterMark(b"12345678", 7)
    put(one, entry())
    assert one.purge(Purge(), mark) == 1
    put(one, entry())
    assert two.purge(Purge(), mark) == 0
    assert two.cluster_mark() == mark
    two.note_mark(ClusterMark(b"12345678", 8))
    assert one.cluster_mark() == ClusterMark(b"12345678", 8)
    assert one.name() == two.name()
    assert two.purge(Purge(), ClusterMark(b"another1", 1)) == 1


def test_a_file_of_another_start_of_the_machine_is_thrown_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be torn, for nothing is synced; one of this start is read again."""
    for boot, stays in ((b"", True), (b"one", True), (b"one", True), (b"two", False)):
        (tmp_path / "boot").write_bytes(boot)
        monkeypatch.setattr(node_entry_opening, "_BOOT_ID", tmp_path / "boot")
        opened = open_node_entry_file(tmp_path, 16 * MIB)
        store = NodeEntryStore(opened)
        if boot:
            assert (store.get(entry().key) is not None) == stays
        put(store, entry())
        opened.close()
    monkeypatch.setattr(node_entry_opening, "_BOOT_ID", tmp_path / "none")
    open_node_entry_file(tmp_path, 16 * MIB).close()


def test_what_is_no_lmdb_file_is_thrown_away(tmp_path: Path) -> None:
    """The cache begins empty; a file that is open already is left alone."""
    (tmp_path / ENTRIES_FILE).write_bytes(os.urandom(20_000))
    opened = open_node_entry_file(tmp_path, 16 * MIB)
    put(NodeEntryStore(opened), entry())
    with pytest.raises(StoreError, match="already"):
        open_node_entry_file(tmp_path, 16 * MIB)
    assert NodeEntryStore(opened).get(entry().key)
    opened.close()


def test_too_little_room_and_no_room_are_told(tmp_path: Path) -> None:
    """Before anything is made."""
    with pytest.raises(ConfigError, match=r"cache.disk_bytes"):
        open_node_entry_file(tmp_path, 1)
    (tmp_path / (ENTRIES_FILE + "-boot")).mkdir()
    with pytest.raises(StateDirError, match="Is a directory"):
        open_node_entry_file(tmp_path, 16 * MIB)


def test_a_closed_file_is_an_error_of_the_store(file: NodeEntryFile, store: NodeEntryStore) -> None:
    """Whatever is asked of it."""
    one = entry()
    put(store, one)
    file.close()
    for act in (
        lambda: store.get(one.key),
        store.follow,
        store.stats,
        lambda: store.put(one, 0),
        lambda: store.remove(one),
        lambda: store.purge(Purge()),
    ):
        with pytest.raises(StoreError):
            act()
