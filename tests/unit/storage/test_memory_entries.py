"""lukhas.storage.memory_entries."""

import pytest

from lukhas.errors import ConfigError
from lukhas.http.headers import Headers
from lukhas.policy.caching.freshness import Freshness
from lukhas.policy.caching.keys import Partition
from lukhas.policy.caching.purges import Purge
from lukhas.policy.caching.terms import ReuseTerms
from lukhas.storage.entries import StoredResponse
from lukhas.storage.memory_entries import MAX_VARIANTS, MemoryEntryStore

TERMS = ReuseTerms(
    freshness=Freshness(0, 0, 60, "max-age"),
    no_cache=False,
    must_revalidate=False,
    stale_if_error_s=0,
    for_credentials=True,
    for_cookies=True,
)
UNIT = 10_000


def entry(
    path: bytes = b"/",
    *,
    host: bytes = b"a.example",
    partition: Partition = "",
    variant: bytes | None = None,
    size_bytes: int = UNIT,
) -> StoredResponse:
    made = StoredResponse(
        ("http", host, path, b"", partition),
        status=200,
        headers=Headers([]),
        body=b"",
        vary=() if variant is None else (b"x",),
        selected_by=() if variant is None else (variant,),
        selected_raw=None,
        terms=TERMS,
    )
    made.size_bytes = size_bytes
    return made


def put(store: MemoryEntryStore, *entries: StoredResponse) -> None:
    for each in entries:
        assert store.put(each, store.ticket())


def room_for(count: int) -> MemoryEntryStore:
    return MemoryEntryStore(count * UNIT)


def holds(store: MemoryEntryStore, each: StoredResponse) -> bool:
    return each in (store.get(each.key) or ())


def path(number: int) -> bytes:
    return b"/%d" % number


def test_room_must_be_positive() -> None:
    """A cache without room is a mistake of the settings."""
    with pytest.raises(ConfigError, match="0 bytes"):
        MemoryEntryStore(0)


def test_what_is_put_is_found_newest_first() -> None:
    """Every variant of a key is kept, the newest one first."""
    store = room_for(10)
    one, two = entry(variant=b"1"), entry(variant=b"2")
    put(store, one, two)
    assert store.get(one.key) == (two, one)
    assert store.get(entry(b"/other").key) is None


def test_superseded_entries_are_replaced() -> None:
    """A response takes the place of those that its request selected."""
    store = room_for(10)
    old, other, new = entry(variant=b"1"), entry(variant=b"2"), entry(variant=b"1")
    put(store, old, other)
    assert store.put(new, store.ticket(), (old,))
    assert store.get(old.key) == (new, other)
    assert store.stats().used_bytes == 2 * UNIT


def test_bytes_are_bounded() -> None:
    """Whatever comes, the room is never exceeded, and the figures add up."""
    store = room_for(10)
    for number in range(100):
        put(store, entry(path(number), size_bytes=UNIT * (1 + number % 5)))
        stats = store.stats()
        assert stats.used_bytes <= stats.limit_bytes
    stats = store.stats()
    assert stats.stored == 100
    assert stats.evicted == 100 - stats.entries
    assert stats.entries == stats.resources


def test_an_entry_over_half_of_the_room_is_refused() -> None:
    """One response must not sweep out everything else."""
    store = room_for(10)
    kept = entry(b"/kept")
    put(store, kept)
    assert not store.put(entry(b"/big", size_bytes=6 * UNIT), store.ticket())
    assert holds(store, kept)
    assert store.stats().refused == 1


def test_used_entries_survive_a_scan() -> None:
    """S3-FIFO: what is used again moves to main, what is seen once leaves."""
    store = room_for(20)
    used = [entry(b"/used/%d" % number) for number in range(5)]
    put(store, *used)
    for each in used:
        store.touch(each)
    for number in range(200):
        put(store, entry(path(number)))
    assert all(holds(store, each) for each in used)


def test_an_evicted_key_that_returns_is_proven() -> None:
    """S3-FIFO: the ghosts of evicted entries lead their keys straight to main."""
    store = room_for(20)
    put(store, *(entry(path(number)) for number in range(21)))
    back = entry(path(0))
    assert not holds(store, back)
    put(store, back)
    for number in range(100, 300):
        put(store, entry(path(number)))
    assert holds(store, back)


def test_ghosts_are_bounded() -> None:
    """A flood of random URLs leaves no more traces than entries, or the least number of them."""
    store = room_for(4)
    put(store, *(entry(path(number)) for number in range(500)))
    back = entry(path(0))
    put(store, back)
    # Its ghost is long forgotten, so it is one of the crowd.
    put(store, *(entry(path(number)) for number in range(600, 610)))
    assert not holds(store, back)


def test_main_gives_second_chances_in_turn() -> None:
    """S3-FIFO: main evicts its oldest entry that was not used since its last turn."""
    store = room_for(10)
    proven = [entry(path(number)) for number in range(10)]
    put(store, *proven)
    for each in proven:
        store.touch(each)
    # All of them move to main but the last, and main gives up its oldest.
    put(store, entry(b"/new"))
    assert not holds(store, proven[0])
    store.touch(proven[1])
    put(store, entry(b"/newer"))
    assert not holds(store, proven[2])
    put(store, entry(b"/newest"))
    assert holds(store, proven[1])


def test_what_is_gone_already_can_be_superseded() -> None:
    """Another answer may have replaced it while this one was on its way."""
    store = room_for(10)
    assert store.put(entry(), store.ticket(), (entry(),))
    assert store.stats().purged == 0


def test_a_pause_is_bounded() -> None:
    """Second chances are limited for each put, however many entries were used."""
    store = room_for(1000)
    crowd = [entry(path(number)) for number in range(1000)]
    put(store, *crowd)
    for each in crowd:
        for _ in range(5):
            store.touch(each)
    assert max(each.visits for each in crowd) == 3
    put(store, entry(b"/new"))
    assert sum(each.visits == 3 for each in crowd) > 900
    assert store.stats().evicted == 1


def test_a_refreshed_entry_keeps_its_standing() -> None:
    """An update is the same response again: it need not prove itself anew."""
    store = room_for(20)
    old = entry(b"/used")
    put(store, old)
    store.touch(old)
    for _ in range(3):
        new = entry(b"/used")
        assert store.put(new, store.ticket(), (old,))
        old = new
    for number in range(200):
        put(store, entry(path(number)))
    assert holds(store, old)


def test_variants_of_a_key_are_capped() -> None:
    """A client cannot fill the store by varying one field; the oldest variant goes."""
    store = room_for(100)
    made = [entry(variant=b"%d" % number) for number in range(MAX_VARIANTS + 1)]
    put(store, *made)
    assert store.get(made[0].key) == tuple(reversed(made[1:]))
    assert store.stats().entries == MAX_VARIANTS


def test_remove_takes_one_variant() -> None:
    """And says nothing if it is gone already."""
    store = room_for(10)
    one, two = entry(variant=b"1"), entry(variant=b"2")
    put(store, one, two)
    store.remove(one)
    store.remove(one)
    assert store.get(one.key) == (two,)
    assert store.stats().purged == 1


def test_invalidation_covers_all_variants_and_partitions() -> None:
    """RFC 9111 section 4.4: what is no longer true is so for everybody."""
    store = room_for(10)
    doomed = [entry(variant=b"1"), entry(variant=b"2"), entry(partition=("", "key:a", b""))]
    other = entry(b"/other")
    put(store, *doomed, other)
    assert store.purge(Purge(resource=other.key[:4])) == 1
    assert store.purge(Purge(resource=doomed[0].key[:4])) == 3
    assert store.purge(Purge(resource=doomed[0].key[:4])) == 0
    assert store.stats().entries == store.stats().resources == store.stats().used_bytes == 0
    assert store.stats().purged == 4


def test_what_was_asked_for_before_an_invalidation_is_refused() -> None:
    """It may be what the unsafe request has just changed."""
    store = room_for(10)
    before = store.ticket()
    store.purge(Purge(resource=entry().key[:4]))
    assert not store.admits(entry().key[:4], before)
    assert not store.put(entry(), before)
    assert store.put(entry(b"/other"), before)
    assert store.put(entry(), store.ticket())


def test_a_flood_of_invalidations_is_bounded() -> None:
    """The oldest ones count for every resource then: nothing false is ever stored."""
    store = room_for(10)
    before = store.ticket()
    store.purge(Purge(resource=entry().key[:4]))
    for number in range(5000):
        store.purge(Purge(resource=entry(path(number)).key[:4]))
    assert not store.put(entry(), before)
    assert not store.put(entry(b"/never-invalidated"), before)
    assert store.put(entry(), store.ticket())


@pytest.mark.parametrize(
    ("scope", "removed"),
    [
        (Purge(), {"ax", "ay", "bx"}),
        (Purge(authority=b"a.example"), {"ax", "ay"}),
        (Purge(path_prefix=b"/x"), {"ax", "bx"}),
        (Purge(authority=b"a.example", path_prefix=b"/x"), {"ax"}),
    ],
)
def test_purge_removes_what_is_in_scope(scope: Purge, removed: set[str]) -> None:
    """Everything, an authority, a path prefix, or both."""
    store = room_for(10)
    entries = {
        "ax": entry(b"/x/1"),
        "ay": entry(b"/y/1"),
        "bx": entry(b"/x/1", host=b"b.example"),
    }
    put(store, *entries.values())
    before = store.ticket()
    assert store.purge(scope) == len(removed)
    assert {name for name, each in entries.items() if not holds(store, each)} == removed
    assert not store.put(entry(b"/later"), before)
