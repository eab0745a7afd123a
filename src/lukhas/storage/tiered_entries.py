"""Stored responses in the memory of the process, and below it in the node's file and in Redis."""

import logging
import os
from collections.abc import Callable
from time import monotonic_ns as system_monotonic_ns
from typing import Protocol

from lukhas.errors import StoreError
from lukhas.policy.caching.keys import CacheKey, ResourceKey
from lukhas.policy.caching.purges import Purge
from lukhas.policy.caching.tags import Tags
from lukhas.storage.entries import EntryStoreStats, StoredResponse
from lukhas.storage.large_bodies import BodySource, BodyWriter
from lukhas.storage.memory_entries import MemoryEntryStore
from lukhas.storage.node_entries import ClusterMark, NodeEntryStore

__all__ = ("RemoteEntryTier", "TieredEntryStore")

_log = logging.getLogger(__name__)

# How often a worker looks whether others have purged something, and how often it tries a file
# that failed.
_LOOK_EVERY_NS = 1_000_000
_RETRY_NS = 1_000_000_000
_NEVER_NS = 1 << 62
_MAX_OWED = 1024


class RemoteEntryTier(Protocol):
    """The tier that nodes share; it is told, and answers nobody at once."""

    def save(
        self, entry: StoredResponse, ticket: int, superseded: tuple[StoredResponse, ...]
    ) -> None:
        """Takes over a response."""
        ...

    def remove(self, entry: StoredResponse) -> None:
        """Removes one variant."""
        ...

    def purge(self, purge: Purge, sequence: int) -> None:
        """Tells all nodes of a purge, which has this number here."""
        ...


class TieredEntryStore:
    """An `EntryStore` of tiers: what is stored goes into all, what is found below comes up.

    It is memory alone until `open_node` and `open_remote`. What other workers of the node purge is
    gone here within a millisecond of the next look-up. While the file cannot be read, nobody can
    know what was purged, so nothing is served; while it cannot be written, new responses are kept
    in memory only.

    Args:
        memory: the upper tier.
        look_every_ns: how old the knowledge of purges may get, in nanoseconds.
        monotonic_ns: a clock that never goes back.

    Attributes:
        memory: as given.
        node: the tier that workers share.
    """

    def __init__(
        self,
        memory: MemoryEntryStore,
        *,
        look_every_ns: int = _LOOK_EVERY_NS,
        monotonic_ns: Callable[[], int] = system_monotonic_ns,
    ) -> None:
        self.memory = memory
        self._memory_get = memory.get
        self.node: NodeEntryStore | None = None
        self._remote: RemoteEntryTier | None = None
        self._look_every_ns = look_every_ns
        self._monotonic_ns = monotonic_ns
        self._look_at_ns = _NEVER_NS
        self._absent: CacheKey | None = None
        self._owed: list[Purge] = []
        self._pay_at_ns = 0
        self._is_blind = False
        self._read_failure = ""
        self._write_failure = ""

    @property
    def failure(self) -> str:
        """Why the file cannot be used as it should; empty while it can."""
        return self._read_failure or self._write_failure

    def open_node(self, node: NodeEntryStore) -> None:
        """Adds the tier that the workers of the node share. What memory holds by then goes."""
        self.memory.purge(Purge())
        self.node = node
        node.tell(self.memory)
        self._look_at_ns = 0

    def open_remote(self, remote: RemoteEntryTier) -> None:
        """Adds the tier that nodes share."""
        self._remote = remote

    def close(self) -> None:
        """Closes the lower tiers; what is asked afterwards is answered from an empty memory."""
        self._remote = None
        node, self.node = self.node, None
        if node is not None:
            node.close()
            self.memory.purge(Purge())
        self._look_at_ns = _NEVER_NS

    def get(self, key: CacheKey) -> tuple[StoredResponse, ...] | None:
        """Every variant of a key, newest first; None if there is none."""
        if self._monotonic_ns() >= self._look_at_ns:
            self._look()
        found = self._memory_get(key)
        return self._below(key) if found is None else found

    def more(self, key: CacheKey) -> tuple[StoredResponse, ...] | None:
        """What memory has evicted of a key while it kept other variants."""
        shown = {entry.serial for entry in self._memory_get(key) or ()}
        found = self._read(key)
        if found is None or all(entry.serial in shown for entry in found):
            return None
        self._bring_up(tuple(entry for entry in found if entry.serial not in shown))
        return self._memory_get(key) or found

    def touch(self, entry: StoredResponse) -> None:
        """Counts a use in memory; the node counts what comes up, and what is read from it."""
        self.memory.touch(entry)
        if entry.large is not None and self.node is not None:
            self.node.touch(entry)

    def ticket(self) -> int:
        """The number of purges known here."""
        return self.memory.ticket() if self.node is None else self.node.ticket()

    def admits(self, resource: ResourceKey, ticket: int, tags: Tags = frozenset()) -> bool:
        """Whether nothing known here has made what was asked for with this ticket invalid since."""
        store = self.memory if self.node is None else self.node
        return store.admits(resource, ticket, tags)

    def put(
        self, entry: StoredResponse, ticket: int, superseded: tuple[StoredResponse, ...] = ()
    ) -> bool:
        """Stores a response, in place of those that it supersedes; see `EntryStore.put`."""
        stored = self._put_here(entry, ticket, superseded)
        if stored and self._remote is not None and entry.large is None:
            self._remote.save(entry, ticket, superseded)
        return stored

    def largest_file_bytes(self) -> int:
        """How large a body may be that lies with the node; 0 without one."""
        return 0 if self.node is None else self.node.largest_file_bytes()

    def begin_body(self) -> BodyWriter | None:
        """Begins to take a large body; None if that is not possible now."""
        return None if self.node is None else self.node.begin_body()

    def open_body(self, entry: StoredResponse) -> BodySource | None:
        """The large body of an entry; None if it is gone."""
        return None if self.node is None else self.node.open_body(entry)

    def adopt(self, found: tuple[StoredResponse, ...], ticket: int) -> bool:
        """Takes over what was found in the remote tier.

        Args:
            found: newest first.
            ticket: drawn before it was looked up.

        Returns:
            Whether any of it is here now.
        """
        stored = [self._put_here(entry, ticket, ()) for entry in reversed(found)]
        return any(stored)

    def renewed(self, entry: StoredResponse) -> bool:
        """Looks for a newer version of a response in the tier of the node.

        Returns:
            Whether another process has put one there, which then is in memory too.
        """
        known_ns = entry.terms.freshness.responded_ns
        for found in self._read(entry.key) or ():
            if (found.vary, found.selected_by) != (entry.vary, entry.selected_by):
                continue
            if found.terms.freshness.responded_ns > known_ns and self.node is not None:
                found.tier = "node"
                self.node.touch(found)
                return self.memory.put(found, self.memory.ticket(), (entry,))
        return False

    def _put_here(
        self, entry: StoredResponse, ticket: int, superseded: tuple[StoredResponse, ...]
    ) -> bool:
        memory, node = self.memory, self.node
        if node is None:
            return memory.put(entry, ticket, superseded)
        self._absent = None
        in_node = False
        try:
            if self._is_blind:
                node.follow()
            in_node = node.put(entry, ticket, superseded)
            self._write_failure = ""
        except StoreError as error:
            self._fail_write(error)
        if self._is_blind or not node.admits(entry.key[:4], ticket, entry.tags):
            return False
        if entry.large is not None and not in_node:
            return False
        # Its own tickets, which no other process knows of, are always of this moment.
        return memory.put(entry, memory.ticket(), superseded) or in_node

    def remove(self, entry: StoredResponse) -> None:
        """Removes one variant; nothing happens if it is not there any more."""
        self.memory.remove(entry)
        if self._remote is not None:
            self._remote.remove(entry)
        if self.node is not None:
            try:
                self.node.remove(entry)
            except StoreError as error:
                # It may be one that must not be seen again: a purge is owed, and so remembered.
                self._fail_write(error)
                self._owe(Purge(resource=entry.key[:4]))

    def purge(self, purge: Purge) -> int:
        """Removes what fits in all tiers, or ends its freshness; see `EntryStore.purge`.

        A purge that could not be written is tried again every second; the file is not read before.
        """
        met = self.purge_here(purge)
        if self._remote is not None:
            self._remote.purge(purge, self.ticket())
        return met

    def purge_here(self, purge: Purge, mark: ClusterMark | None = None) -> int:
        """Purges memory and the node, but does not tell other nodes.

        Args:
            purge: what is to go.
            mark: which purge of the cluster it is; what the node knows already is done only once.

        Returns:
            How many responses it met.
        """
        met = 0
        if self.node is not None:
            self._absent = None
            try:
                met = self.node.purge(purge, mark)
            except StoreError as error:
                self._fail_write(error)
                self._owe(purge)
            else:
                if mark is not None:
                    return met
        return max(met, self.memory.purge(purge))

    def apply_cluster(self, purge: Purge | None, mark: ClusterMark) -> None:
        """Applies a purge of the cluster; None for one of this node, which only is noted."""
        if purge is not None:
            self.purge_here(purge, mark)
        elif self.node is not None:
            try:
                self.node.note_mark(mark)
            except StoreError as error:
                self._fail_write(error)

    def node_name(self) -> tuple[bytes, ClusterMark | None]:
        """What tells this node from others, and the last purge of the cluster that it knows."""
        if self.node is not None:
            try:
                return self.node.name(), self.node.cluster_mark()
            except StoreError as error:
                self._fail(error)
        return os.urandom(8), None

    def latest_ticket(self) -> int:
        """The number of purges of the node, also of those not known here before."""
        if self.node is not None:
            self._look()
        return self.ticket()

    def stats(self) -> EntryStoreStats:
        """What memory holds and has done."""
        return self.memory.stats()

    def node_stats(self) -> EntryStoreStats | None:
        """What the node holds; None if there is no such tier, or it cannot be read."""
        if self.node is None:
            return None
        try:
            return self.node.stats()
        except StoreError as error:
            self._fail(error)
            return None

    def _look(self) -> None:
        now_ns = self._monotonic_ns()
        self._look_at_ns = now_ns + self._look_every_ns
        self._absent = None
        node = self.node
        if node is None:  # pragma: no cover - without it there is never a time to look
            return
        try:
            node.follow()
        except StoreError as error:
            self._fail(error)
            # What was purged elsewhere is not known now.
            self._is_blind = True
            self.memory.purge(Purge())
            self._look_at_ns = now_ns + _RETRY_NS
            return
        self._is_blind = False
        self._read_failure = ""
        if self._owed and now_ns >= self._pay_at_ns:
            self._pay(node, now_ns)

    def _pay(self, node: NodeEntryStore, now_ns: int) -> None:
        """Writes the purges that could not be written before."""
        try:
            while self._owed:
                node.purge(self._owed[0])
                del self._owed[0]
            self._write_failure = ""
        except StoreError as error:
            self._fail_write(error)
            self._pay_at_ns = now_ns + _RETRY_NS

    def _below(self, key: CacheKey) -> tuple[StoredResponse, ...] | None:
        # A miss is looked up twice, on the short and on the long way.
        if self.node is None or key == self._absent:
            return None
        found = self._read(key)
        if found is None:
            self._absent = key
            return None
        self._bring_up(found)
        return self._memory_get(key) or found

    def _read(self, key: CacheKey) -> tuple[StoredResponse, ...] | None:
        # What is owed to the file may still be in it.
        if self._is_blind or self._owed or self.node is None:
            return None
        try:
            return self.node.get(key)
        except StoreError as error:
            self._fail(error)
            return None

    def _bring_up(self, found: tuple[StoredResponse, ...]) -> None:
        memory = self.memory
        for entry in reversed(found):
            entry.tier = "node"
            if self.node is not None:
                self.node.touch(entry)
            memory.put(entry, memory.ticket())

    def _owe(self, purge: Purge) -> None:
        if len(self._owed) >= _MAX_OWED:
            self._owed = [Purge()]
        else:
            self._owed.append(purge)

    def _fail(self, error: StoreError) -> None:
        if not self._read_failure:
            _log.warning("the cache of the node cannot be read: %s", error)
        self._read_failure = str(error)

    def _fail_write(self, error: StoreError) -> None:
        if not self._write_failure:
            _log.warning("the cache of the node cannot be written: %s", error)
        self._write_failure = str(error)
