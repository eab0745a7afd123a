"""Stored responses in the memory of one process, bounded by bytes, evicted by S3-FIFO.

S3-FIFO (Yang, Zhang, Qiu, Yue and Vigfusson, "FIFO queues are all you need for cache eviction",
SOSP 2023): new entries go through a small queue; those used again move on to the main queue, the
others leave at once, so that a scan cannot sweep out what is in use. A hit only counts.
"""

from collections import OrderedDict

from lukhas.errors import ConfigError
from lukhas.policy.caching.keys import CacheKey, ResourceKey
from lukhas.policy.caching.purges import Purge
from lukhas.policy.caching.tags import Tags
from lukhas.storage.entries import MOST_VISITS, EntryStoreStats, StoredResponse
from lukhas.storage.purge_ledger import PurgeLedger

__all__ = ("MAX_VARIANTS", "MemoryEntryStore")

MAX_VARIANTS = 20
"""Variants of one key; the oldest one goes when another comes."""

_SMALL_SHARE = 10
# The pause of one `put` is bounded: after so many second chances, entries go without one.
_MAX_CHANCES = 64
_MIN_GHOSTS = 64

# Queues in order of arrival. Ordered dicts and not deques: a removed entry leaves its queue at
# once and for the same cost, where a deque would keep it until its turn comes.
_Queue = OrderedDict[StoredResponse, None]


class MemoryEntryStore:
    """An `EntryStore` for one event loop.

    Args:
        limit_bytes: what all entries together may take.

    Attributes:
        get: see `EntryStore.get`; the dict's own method, because it is asked for each request.

    Raises:
        ConfigError: the limit is not positive.
    """

    def __init__(self, limit_bytes: int) -> None:
        if limit_bytes <= 0:
            raise ConfigError(
                f"a cache of {limit_bytes} bytes holds nothing",
                hint="give it room, or switch it off",
            )
        self._limit_bytes = limit_bytes
        self._variants: dict[CacheKey, tuple[StoredResponse, ...]] = {}
        self.get = self._variants.get
        self._keys: dict[ResourceKey, set[CacheKey]] = {}
        self._tagged: dict[str, set[StoredResponse]] = {}
        self._small: _Queue = OrderedDict()
        self._main: _Queue = OrderedDict()
        self._ghosts: OrderedDict[int, None] = OrderedDict()
        self._used_bytes = 0
        self._small_bytes = 0
        self._ledger = PurgeLedger()
        self._stored = 0
        self._evicted = 0
        self._purged = 0
        self._refused = 0

    def more(self, key: CacheKey) -> tuple[StoredResponse, ...] | None:
        """There is nothing but what `get` gives."""
        return None

    def touch(self, entry: StoredResponse) -> None:
        """Counts a use."""
        if entry.visits < MOST_VISITS:
            entry.visits += 1

    def ticket(self) -> int:
        """The number of purges so far."""
        return self._ledger.sequence

    def admits(self, resource: ResourceKey, ticket: int, tags: Tags = frozenset()) -> bool:
        """Whether nothing has made what was asked for with this ticket invalid since."""
        return self._ledger.admits(resource, ticket, tags)

    def put(
        self, entry: StoredResponse, ticket: int, superseded: tuple[StoredResponse, ...] = ()
    ) -> bool:
        """Stores a response, in place of those that it supersedes; see `EntryStore.put`."""
        resource = _resource_of(entry.key)
        # An entry may take half of the room at most, so that one cannot sweep out all others.
        if entry.size_bytes > self._limit_bytes // 2 or not self.admits(
            resource, ticket, entry.tags
        ):
            self._refused += 1
            return False
        is_proven = self._was_evicted(entry)
        for old in superseded:
            is_proven = is_proven or old.visits > 0 or old in self._main
            if self._detach(old):
                self._purged += 1
                entry.visits = max(entry.visits, old.visits)
        self._make_room(entry.size_bytes)
        self._attach(entry, resource)
        if is_proven:
            self._main[entry] = None
        else:
            self._small[entry] = None
            self._small_bytes += entry.size_bytes
        self._stored += 1
        return True

    def largest_file_bytes(self) -> int:
        """There are no files."""
        return 0

    def begin_body(self) -> None:
        """There are no files."""

    def open_body(self, entry: StoredResponse) -> None:
        """There are no files."""

    def remove(self, entry: StoredResponse) -> None:
        """Removes one variant; nothing happens if it is not there any more."""
        if self._detach(entry):
            self._purged += 1

    def purge(self, purge: Purge) -> int:
        """Removes what fits, or ends its freshness; see `EntryStore.purge`."""
        self._ledger.note(purge, self._ledger.sequence + 1)
        met = [entry for entry in self._candidates(purge) if purge.fits(entry.key, entry.tags)]
        for entry in met:
            if purge.soft:
                entry.outdate()
            else:
                self._detach(entry)
        self._purged += len(met)
        return len(met)

    def drop(self, resource: ResourceKey) -> None:
        """Lets go of all responses of a resource: what is in a store below is another by now."""
        for key in tuple(self._keys.get(resource, ())):
            for entry in self._variants[key]:
                self._detach(entry)

    def _candidates(self, purge: Purge) -> list[StoredResponse]:
        if purge.resource is None and purge.tag is not None:
            return list(self._tagged.get(purge.tag, ()))
        if purge.resource is not None:
            keys = tuple(self._keys.get(purge.resource, ()))
        else:
            keys = tuple(self._variants)
        return [entry for key in keys for entry in self._variants[key]]

    def stats(self) -> EntryStoreStats:
        """What the store holds and has done."""
        return EntryStoreStats(
            entries=len(self._small) + len(self._main),
            resources=len(self._keys),
            used_bytes=self._used_bytes,
            limit_bytes=self._limit_bytes,
            stored=self._stored,
            evicted=self._evicted,
            purged=self._purged,
            refused=self._refused,
        )

    def _attach(self, entry: StoredResponse, resource: ResourceKey) -> None:
        variants = self._variants.get(entry.key, ())
        if len(variants) >= MAX_VARIANTS:
            self._detach(variants[-1])
            self._evicted += 1
            variants = variants[:-1]
        self._variants[entry.key] = (entry, *variants)
        self._keys.setdefault(resource, set()).add(entry.key)
        for tag in entry.tags:
            self._tagged.setdefault(tag, set()).add(entry)
        self._used_bytes += entry.size_bytes

    def _detach(self, entry: StoredResponse) -> bool:
        if entry in self._small:
            del self._small[entry]
            self._small_bytes -= entry.size_bytes
        elif entry in self._main:
            del self._main[entry]
        else:
            return False
        self._used_bytes -= entry.size_bytes
        self._untag(entry)
        key = entry.key
        others = tuple(other for other in self._variants[key] if other is not entry)
        if others:
            self._variants[key] = others
            return True
        del self._variants[key]
        resource = _resource_of(key)
        keys = self._keys[resource]
        keys.discard(key)
        if not keys:
            del self._keys[resource]
        return True

    def _untag(self, entry: StoredResponse) -> None:
        for tag in entry.tags:
            tagged = self._tagged[tag]
            tagged.discard(entry)
            if not tagged:
                del self._tagged[tag]

    def _make_room(self, size_bytes: int) -> None:
        chances = _MAX_CHANCES
        while self._used_bytes + size_bytes > self._limit_bytes:
            # Where nothing is in main yet, small may fill the whole room.
            small_is_due = self._small_bytes > self._limit_bytes // _SMALL_SHARE or not self._main
            if small_is_due and self._small:
                chances -= self._take_from_small(chances)
            else:
                chances -= self._take_from_main(chances)

    def _take_from_small(self, chances: int) -> int:
        entry = next(iter(self._small))
        if entry.visits > 0 and chances > 0:
            del self._small[entry]
            self._small_bytes -= entry.size_bytes
            entry.visits = 0
            self._main[entry] = None
            return 1
        self._remember(entry)
        self._evict(entry)
        return 0

    def _take_from_main(self, chances: int) -> int:
        entry = next(iter(self._main))
        if entry.visits > 0 and chances > 0:
            entry.visits -= 1
            self._main.move_to_end(entry)
            return 1
        self._evict(entry)
        return 0

    def _evict(self, entry: StoredResponse) -> None:
        self._detach(entry)
        self._evicted += 1

    def _was_evicted(self, entry: StoredResponse) -> bool:
        fingerprint = _fingerprint(entry)
        if fingerprint not in self._ghosts:
            return False
        del self._ghosts[fingerprint]
        return True

    def _remember(self, entry: StoredResponse) -> None:
        self._ghosts[_fingerprint(entry)] = None
        if len(self._ghosts) > max(_MIN_GHOSTS, len(self._main)):
            self._ghosts.popitem(last=False)


def _resource_of(key: CacheKey) -> ResourceKey:
    return key[:4]


def _fingerprint(entry: StoredResponse) -> int:
    return hash((entry.key, entry.selected_by))
