"""Stored responses that all workers of a node share, in LMDB: they outlive a worker's restart."""

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from time import sleep
from typing import Protocol

import lmdb

from lukhas.errors import StoreError
from lukhas.policy.caching.keys import CacheKey, ResourceKey
from lukhas.policy.caching.purges import Purge
from lukhas.policy.caching.tags import Tags
from lukhas.storage.body_files import BodyPart, BodyReader
from lukhas.storage.entries import EntryStoreStats, StoredResponse
from lukhas.storage.entry_codec import encode_entry, encode_key
from lukhas.storage.node_entry_file import (
    Found,
    NodeEntryFile,
    NodeState,
)
from lukhas.storage.node_entry_keys import charge_bytes, entry_variant, key_prefix, tag_digest
from lukhas.storage.purge_ledger import PurgeLedger
from lukhas.storage.purge_log import LoggedPurge, PurgeLog
from lukhas.storage.purge_steps import purge_step

__all__ = ("ClusterMark", "NodeEntryStore", "PurgeFollower")

Transaction = lmdb.Transaction

_MAX_VARIANTS = 20
_MAX_TOUCHED = 4096
_STEP_PAUSE_S = 0.0002


class PurgeFollower(Protocol):
    """What keeps copies of the entries, and must hear what others have done to them."""

    def purge(self, purge: Purge) -> int:
        """Takes away what fits."""
        ...

    def drop(self, resource: ResourceKey) -> None:
        """Lets go of what there is of a resource."""
        ...


@dataclass(frozen=True, slots=True)
class ClusterMark:
    """Which purge of the cluster one is.

    Attributes:
        epoch: of which count; another one after the server lost it.
        number: the number in it.
    """

    epoch: bytes
    number: int


class NodeEntryStore:
    """An `EntryStore` in a file that the workers of a node share.

    Every value has a checksum; what is damaged counts as absent. Each change is one transaction, so
    that a worker that is killed leaves nothing half done. A purge and the number by which tickets
    are compared change together: what was asked for before a purge, in whichever process, is never
    stored after it.

    Args:
        file: opened in this process.
        space: whose entries they are: those of others in the same file are never found, but purged
            like one's own.

    Raises:
        StoreError: from every method, where the file cannot be read or written.
    """

    def __init__(self, file: NodeEntryFile, *, space: bytes = b"") -> None:
        self._file = file
        self._space = space
        self._log = PurgeLog(file)
        self._ledger = PurgeLedger()
        self._follower: PurgeFollower | None = None
        self._drops = 0
        self._undone: list[LoggedPurge] = []
        self._touched: set[int] = set()
        self._stored = 0
        self._purged = 0
        self._refused = 0
        with file.reading() as transaction:
            state = file.state(transaction)
            self._drops = state.drops
            self._catch_up(transaction, state)

    def tell(self, follower: PurgeFollower) -> None:
        """Names who hears of what other processes purge, from now on."""
        self._follower = follower

    def follow(self) -> None:
        """Takes notice of what other processes have purged."""
        transaction = self._file.begin()
        try:
            self._follow(transaction, self._file.state(transaction))
        except lmdb.Error as error:
            raise self._file.node.store_error(error) from error
        finally:
            transaction.abort()

    def get(self, key: CacheKey) -> tuple[StoredResponse, ...] | None:
        """Every variant of a key, newest first; None if there is none."""
        packed_key = encode_key(key, self._space)
        prefix = key_prefix(key[:4], packed_key)
        file = self._file
        transaction = file.begin()
        try:
            self._follow(transaction, file.state(transaction))
            found = file.find(transaction, prefix)
            if not found:
                return None
            if self._undone:
                self._undone = [
                    logged
                    for logged in self._undone
                    if not self._log.is_done(transaction, logged.number)
                ]
        except lmdb.Error as error:
            raise file.node.store_error(error) from error
        finally:
            transaction.abort()
        found = [one for one in found if one.known.packed_key == packed_key]
        if len(found) > 1:
            found.sort(key=lambda one: -one.serial)
        entries = [self._entry(one, key) for one in found]
        return tuple(entry for entry in entries if entry is not None) or None

    def _entry(self, found: Found, key: CacheKey) -> StoredResponse | None:
        entry = found.known.response(key)
        entry.serial = found.serial
        for logged in self._undone:
            if entry.serial <= logged.serial and logged.purge.fits(key, entry.tags):
                if not logged.purge.soft:
                    return None
                entry.outdate()
        return entry

    def more(self, key: CacheKey) -> tuple[StoredResponse, ...] | None:
        """There is nothing but what `get` gives."""
        return None

    def touch(self, entry: StoredResponse) -> None:
        """Tells that an entry was used; it is written down with the next change."""
        if entry.serial and len(self._touched) < _MAX_TOUCHED:
            self._touched.add(entry.serial)

    def ticket(self) -> int:
        """The number of purges of the node that are known here."""
        return self._ledger.sequence

    def admits(self, resource: ResourceKey, ticket: int, tags: Tags = frozenset()) -> bool:
        """Whether nothing known here has made what was asked for with this ticket invalid since."""
        return self._ledger.admits(resource, ticket, tags)

    def put(
        self, entry: StoredResponse, ticket: int, superseded: tuple[StoredResponse, ...] = ()
    ) -> bool:
        """Stores a response, in place of those that it supersedes; see `EntryStore.put`."""
        key = entry.key
        packed_key = encode_key(key, self._space)
        packed = encode_entry(entry, packed_key)
        file = self._file
        file_bytes = entry.length_bytes if entry.large is not None else 0
        size_bytes = charge_bytes(len(packed))
        if size_bytes > file.limit_bytes // 2 or file_bytes > file.bodies.largest_bytes:
            self._refused += 1
            return False
        prefix = key_prefix(key[:4], packed_key)
        own_key = prefix + entry_variant(entry)
        with file.writing() as (transaction, state):
            self._follow(transaction, state)
            if not self._ledger.admits(key[:4], ticket, entry.tags) or not self._place(
                transaction, state, entry
            ):
                self._refused += 1
                return False
            file.mark_used(transaction, self._touched)
            gone = {prefix + entry_variant(old): old.serial for old in superseded}
            replaced = file.detach(transaction, state, own_key)
            for old_key, serial in gone.items():
                if serial and file.serial_of(transaction, old_key) == serial:
                    replaced |= file.detach(transaction, state, old_key)
            self._bound_variants(transaction, state, prefix)
            file.make_room(transaction, state, size_bytes)
            tags = tuple(tag_digest(tag) for tag in entry.tags)
            file.insert(transaction, state, own_key, packed, tags, file_bytes=file_bytes)
            if replaced or superseded:
                self._drop(transaction, state, key[:4])
        self._touched.clear()
        entry.serial = state.serial
        self._stored += 1
        return True

    def _place(
        self, transaction: "Transaction[bytes]", state: NodeState, entry: StoredResponse
    ) -> bool:
        """Gives the body of an entry the number that the entry is going to have.

        Whatever becomes of the change, a file without an entry takes no room for long: the next
        body of that number replaces it, and so does the next start.
        """
        large = entry.large
        if large is None:
            return True
        bodies, serial = self._file.bodies, state.serial + 1
        if isinstance(large.writer, BodyPart):
            kept = bodies.keep(large.writer, serial)
        else:
            kept = bodies.share(large.serial, serial)
        if kept:
            self._file.make_file_room(transaction, state, large.size_bytes)
            large.writer, large.serial = None, serial
        return kept

    def largest_file_bytes(self) -> int:
        """How large a body may be that is a file."""
        return self._file.bodies.largest_bytes

    def begin_body(self) -> BodyPart | None:
        """Begins a file; None if it cannot be made."""
        try:
            return self._file.bodies.begin()
        except OSError:
            return None

    def open_body(self, entry: StoredResponse) -> BodyReader | None:
        """The file of an entry; None if it is gone."""
        large = entry.large
        if large is None:
            return None
        return self._file.bodies.open(entry.serial, large.size_bytes, partial(self._discard, entry))

    def _discard(self, entry: StoredResponse) -> None:
        """Removes an entry whose body is damaged; the next look-up finds nothing."""
        follower = self._follower
        if follower is not None:
            follower.drop(entry.key[:4])
        with suppress(StoreError):
            self.remove(entry)

    def remove(self, entry: StoredResponse) -> None:
        """Removes one variant; nothing happens if it is not there any more."""
        if not entry.serial:
            return
        key = key_prefix(entry.key[:4], encode_key(entry.key, self._space)) + entry_variant(entry)
        file = self._file
        with file.writing() as (transaction, state):
            self._follow(transaction, state)
            if file.serial_of(transaction, key) == entry.serial:
                file.detach(transaction, state, key)
                self._drop(transaction, state, entry.key[:4])
                self._purged += 1

    def purge(self, purge: Purge, mark: ClusterMark | None = None) -> int:
        """Removes what fits, or ends its freshness; see `EntryStore.purge`.

        Args:
            purge: what is to go.
            mark: which purge of the cluster it is; nothing happens if the node knows it already.
        """
        file = self._file
        with file.writing() as (transaction, state):
            self._follow(transaction, state)
            if mark is not None and not self._is_new(transaction, mark):
                return 0
            logged = self._log.add(transaction, state, purge)
            self._ledger.note(purge, logged.number)
            if mark is not None and self._follower is not None:
                self._follower.purge(purge)
            step = purge_step(file, transaction, state, logged)
            if step.after is None:
                self._finish(transaction, logged)
        met = step.met
        while step.after is not None:
            # The lock is not fair: without a pause, workers that wait for it might not get it.
            sleep(_STEP_PAUSE_S)
            with file.writing() as (transaction, state):
                step = purge_step(file, transaction, state, logged, after=step.after)
                if step.after is None:
                    self._finish(transaction, logged)
            met += step.met
        self._purged += met
        return met

    def _is_new(self, transaction: "Transaction[bytes]", mark: ClusterMark) -> bool:
        """Whether the node does not know a purge of the cluster; from now on it does."""
        known = self._file.cluster(transaction)
        if known is not None and known[0] == mark.epoch and known[1] >= mark.number:
            return False
        self._file.note_cluster(transaction, mark.epoch, mark.number)
        return True

    def cluster_mark(self) -> ClusterMark | None:
        """The last purge of the cluster that the node knows."""
        with self._file.reading() as transaction:
            known = self._file.cluster(transaction)
        return None if known is None else ClusterMark(*known)

    def note_mark(self, mark: ClusterMark) -> None:
        """Takes notice of a purge of the cluster that was this node's own."""
        with self._file.writing() as (transaction, _state):
            self._is_new(transaction, mark)

    def name(self) -> bytes:
        """What tells this node from others; the same for all its workers."""
        with self._file.writing() as (transaction, _state):
            return self._file.name(transaction)

    def stats(self) -> EntryStoreStats:
        """What the file holds, and what this process has done."""
        file = self._file
        with file.reading() as transaction:
            state = file.state(transaction)
            entries = file.count(transaction)
        return EntryStoreStats(
            entries=entries,
            resources=entries,
            used_bytes=state.used_bytes,
            limit_bytes=file.limit_bytes,
            stored=self._stored,
            evicted=file.evicted,
            purged=self._purged,
            refused=self._refused,
        )

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _follow(self, transaction: "Transaction[bytes]", state: NodeState) -> None:
        if state.purges != self._ledger.sequence or state.drops != self._drops:
            self._catch_up(transaction, state)

    def _catch_up(self, transaction: "Transaction[bytes]", state: NodeState) -> None:
        ledger, follower = self._ledger, self._follower
        known = ledger.sequence
        for logged in self._log.after(transaction, known) if state.purges != known else ():
            if logged.number != ledger.sequence + 1:
                ledger.forget(logged.number - 1)
                if follower is not None:
                    follower.purge(Purge())
            ledger.note(logged.purge, logged.number)
            if not logged.done:
                self._undone.append(logged)
            if follower is not None:
                follower.purge(logged.purge)
        if state.drops == self._drops:
            return
        dropped = self._log.dropped_after(transaction, self._drops, state.drops)
        self._drops = state.drops
        if follower is None:
            return
        if dropped is None:
            follower.purge(Purge())
        for resource in dropped or ():
            follower.drop(resource)

    def _drop(
        self, transaction: "Transaction[bytes]", state: NodeState, resource: ResourceKey
    ) -> None:
        self._log.drop(transaction, state, resource)
        # This process knows what it replaces itself.
        self._drops = state.drops

    def _bound_variants(
        self, transaction: "Transaction[bytes]", state: NodeState, prefix: bytes
    ) -> None:
        keys = self._file.keys_from(transaction, prefix, b"", _MAX_VARIANTS + 1)
        if len(keys) >= _MAX_VARIANTS:
            oldest = min(keys, key=lambda key: self._file.serial_of(transaction, key))
            self._file.detach(transaction, state, oldest)
            self._file.evicted += 1

    def _finish(self, transaction: "Transaction[bytes]", logged: LoggedPurge) -> None:
        done = LoggedPurge(logged.number, logged.serial, done=True, purge=logged.purge)
        self._log.write(transaction, done)
