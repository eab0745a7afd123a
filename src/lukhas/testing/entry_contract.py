"""The suite that every store of cached responses must pass. It needs pytest.

Subclass it in a test module and say how a store is made; its tests are then collected with yours.
"""
# ruff: noqa: S101 - tests assert

from lukhas.http.headers import Headers
from lukhas.policy.caching.freshness import Freshness
from lukhas.policy.caching.purges import Purge
from lukhas.policy.caching.tags import Tags
from lukhas.policy.caching.terms import ReuseTerms
from lukhas.storage.entries import EntryStore, StoredResponse
from lukhas.units import MIB, SECOND_NS

__all__ = ("EntryStoreContract",)

_TERMS = ReuseTerms(
    freshness=Freshness(0, 0, 60 * SECOND_NS, "max-age"),
    no_cache=False,
    must_revalidate=False,
    stale_if_error_s=0,
    for_credentials=True,
    for_cookies=True,
)


class EntryStoreContract:
    """What every `EntryStore` keeps: nothing false is stored, and a purge is whole."""

    def make_store(self, limit_bytes: int = MIB) -> EntryStore:
        """A fresh, empty store; to be overridden."""
        raise NotImplementedError("override make_store")

    def test_what_is_put_is_found_newest_first(self) -> None:
        """Every variant of a key."""
        store = self.make_store()
        one, two = _entry(variant=b"1"), _entry(variant=b"2")
        assert store.get(one.key) is None
        _put(store, one, two)
        assert [found.selected_by for found in store.get(one.key) or ()] == [(b"2",), (b"1",)]

    def test_a_response_supersedes_others(self) -> None:
        """The new one is there, the old one is not."""
        store = self.make_store()
        old, new = _entry(body=b"old"), _entry(body=b"new")
        _put(store, old)
        assert store.put(new, store.ticket(), (old,))
        assert _bodies(store, new) == [b"new"]

    def test_one_variant_can_be_removed(self) -> None:
        """Twice is no mistake."""
        store = self.make_store()
        one, two = _entry(variant=b"1"), _entry(variant=b"2")
        _put(store, one, two)
        store.remove(one)
        store.remove(one)
        assert [found.selected_by for found in store.get(two.key) or ()] == [(b"2",)]

    def test_what_is_too_large_is_refused(self) -> None:
        """It is counted, and what it would supersede stays."""
        store = self.make_store(20_000)
        small = _entry(body=b"small")
        _put(store, small)
        assert not store.put(_entry(body=b"x" * 20_000), store.ticket(), (small,))
        assert _bodies(store, small) == [b"small"]
        assert store.stats().refused == 1

    def test_the_room_is_never_exceeded(self) -> None:
        """Whatever comes, something has to go."""
        store = self.make_store(50_000)
        for number in range(100):
            store.put(_entry(b"/%d" % number, body=b"x" * 1000), store.ticket())
        stats = store.stats()
        assert 0 < stats.used_bytes <= stats.limit_bytes == 50_000
        assert stats.evicted > 0

    def test_a_purge_of_a_resource_takes_all_variants_and_partitions(self) -> None:
        """And nothing else."""
        store = self.make_store()
        gone = (_entry(variant=b"1"), _entry(variant=b"2"), _entry(partition="tenant"))
        stays = _entry(b"/other")
        _put(store, *gone, stays)
        assert store.purge(Purge(resource=stays.key[:4])) == 1
        _put(store, stays)
        assert store.purge(Purge(resource=gone[0].key[:4])) == 3
        assert not any(store.get(entry.key) for entry in gone)
        assert store.get(stays.key)

    def test_a_purge_by_tag_takes_all_that_have_it(self) -> None:
        """Across resources; within one origin if it says so."""
        store = self.make_store()
        red, both = _entry(tags={"red"}), _entry(b"/2", tags={"red", "blue"})
        blue, elsewhere = _entry(b"/3", tags={"blue"}), _entry(host=b"b.example", tags={"red"})
        _put(store, red, both, blue, elsewhere)
        assert store.purge(Purge(tag="red", authority=b"a.example")) == 2
        assert not store.get(red.key)
        assert not store.get(both.key)
        assert store.purge(Purge(tag="red")) == 1
        assert store.purge(Purge(tag="red")) == 0
        assert store.get(blue.key)

    def test_a_purge_by_prefix_and_of_everything(self) -> None:
        """Bytewise, and all."""
        store = self.make_store()
        one, two, other = _entry(b"/a/1"), _entry(b"/a/2"), _entry(b"/b")
        _put(store, one, two, other)
        assert store.purge(Purge(path_prefix=b"/a/")) == 2
        assert store.get(other.key)
        assert store.purge(Purge()) == 1
        assert store.stats().entries == 0

    def test_a_soft_purge_ends_freshness_only(self) -> None:
        """The response stays, and counts as stale."""
        store = self.make_store()
        entry = _entry(tags={"red"})
        _put(store, entry)
        assert store.purge(Purge(tag="red", soft=True)) == 1
        (found,) = store.get(entry.key) or ()
        assert found.terms.outdated
        assert found.plain_until_ns == 0

    def test_what_was_asked_for_before_a_purge_is_not_stored(self) -> None:
        """Whichever kind of purge, hard or soft."""
        for soft in (False, True):
            entry = _entry(tags={"red"})
            for purge in (
                Purge(soft=soft),
                Purge(path_prefix=b"/", soft=soft),
                Purge(resource=entry.key[:4], soft=soft),
                Purge(tag="red", soft=soft),
            ):
                store = self.make_store()
                before = store.ticket()
                store.purge(purge)
                assert not store.admits(entry.key[:4], before, entry.tags)
                assert not store.put(entry, before)
                assert store.admits(entry.key[:4], store.ticket(), entry.tags)
                assert store.put(entry, store.ticket())

    def test_a_narrow_purge_lets_others_pass(self) -> None:
        """What is on its way to other resources and without the tag is stored."""
        store = self.make_store()
        before = store.ticket()
        store.purge(Purge(tag="red"))
        store.purge(Purge(resource=_entry(b"/gone").key[:4]))
        assert store.put(_entry(tags={"blue"}), before)


def _entry(
    path: bytes = b"/",
    *,
    host: bytes = b"a.example",
    partition: str = "",
    variant: bytes | None = None,
    body: bytes = b"",
    tags: set[str] | None = None,
) -> StoredResponse:
    marks: Tags = frozenset(tags or ())
    return StoredResponse(
        ("http", host, path, b"", partition),
        status=200,
        headers=Headers([]),
        body=body,
        vary=() if variant is None else (b"x",),
        selected_by=() if variant is None else (variant,),
        selected_raw=None,
        terms=_TERMS,
        tags=marks,
    )


def _put(store: EntryStore, *entries: StoredResponse) -> None:
    for entry in entries:
        assert store.put(entry, store.ticket())


def _bodies(store: EntryStore, entry: StoredResponse) -> list[bytes]:
    return [found.body for found in store.get(entry.key) or ()]
