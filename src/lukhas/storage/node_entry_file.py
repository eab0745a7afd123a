"""The file in which the workers of a node keep stored responses: its layout, and what moves in it.

Databases: `entries` (resource, key and variant digest -> checksum, serial, response), `queue`
(serial -> what it takes, its key, its tags), `tags` (tag digest -> keys), `used` (serials that were
read since the hand passed), `log` and `drops` (see `purge_log`), `meta` (one state record).

What goes when room is needed is decided by SIEVE (Zhang, Yang, Yue, Vigfusson and Rashmi, "SIEVE is
simpler than LRU", NSDI 2024): a hand walks from the oldest entry to the newest; it takes the first
one that was not used since it last passed.
"""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from zlib import crc32

import lmdb

from lukhas.errors import StoreError
from lukhas.policy.caching.keys import ResourceKey
from lukhas.storage.entries import StoredResponse
from lukhas.storage.entry_codec import KnownEntry, decode_entry, encode_resource
from lukhas.storage.node import NodeEnvironment

__all__ = (
    "Found",
    "NodeEntryFile",
    "NodeState",
    "charge_bytes",
    "entry_variant",
    "key_prefix",
    "tag_digest",
)

Transaction = lmdb.Transaction

NAMED_DATABASES = 8

_STATE_KEY = b"state"
_CLUSTER_KEY = b"cluster"
_NAME_KEY = b"name"
_NAME_BYTES = 8
_STATE = struct.Struct("<QQQQQ")
_HEAD = struct.Struct("<IQ")
_NUMBER = struct.Struct(">Q")
_QUEUED = struct.Struct("<Q")
_KEY_BYTES = 40
_DIGEST_BYTES = 16
# What the file needs for an entry beside its bytes: tree pages are two thirds full.
_PAGE_BYTES = 4096
_INLINE_BYTES = 1900
_SIDE_BYTES = 250
# The pause of one `put` is bounded: after so many second chances, entries go without one.
_MAX_CHANCES = 64


@dataclass(slots=True)
class NodeState:
    """What the file knows about itself.

    Attributes:
        serial: the number of the entry that was stored last.
        used_bytes: what all entries take, about.
        purges: the number of the last purge.
        drops: the number of the last drop.
        hand: where the hand of the eviction is.
    """

    serial: int = 0
    used_bytes: int = 0
    purges: int = 0
    drops: int = 0
    hand: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """An entry as it lies in the file.

    Attributes:
        key: its key in `entries`.
        serial: its number.
        known: what it is.
    """

    key: bytes
    serial: int
    known: KnownEntry


class NodeEntryFile:
    """The databases of one open file.

    Args:
        node: the environment, with room for named databases.
        limit_bytes: what all entries together may take.

    Raises:
        StoreError: the databases cannot be made or read.
    """

    def __init__(self, node: NodeEnvironment, limit_bytes: int) -> None:
        self.node = node
        self.limit_bytes = limit_bytes
        self.evicted = 0
        self._environment = env = node.environment
        try:
            self.entries = env.open_db(b"entries")
            self.queue = env.open_db(b"queue")
            self.tags = env.open_db(b"tags", dupsort=True)
            self.used = env.open_db(b"used")
            self.log = env.open_db(b"log")
            self.drops = env.open_db(b"drops")
            self.meta = env.open_db(b"meta")
        except lmdb.Error as error:
            raise node.store_error(error) from error

    def begin(self) -> "Transaction[bytes]":
        """One consistent view, quicker than `reading`; to be ended with `abort`.

        Raises:
            StoreError: it cannot be read.
        """
        try:
            return self._environment.begin()
        except lmdb.MapResizedError:
            with self.node.reading():
                pass
            return self._environment.begin()
        except lmdb.Error as error:
            raise self.node.store_error(error) from error

    @contextmanager
    def reading(self) -> "Iterator[Transaction[bytes]]":
        """One consistent view.

        Raises:
            StoreError: it cannot be read.
        """
        with self.node.reading() as transaction:
            yield transaction

    @contextmanager
    def writing(self) -> "Iterator[tuple[Transaction[bytes], NodeState]]":
        """A change that is there whole or not at all; the state is written at its end.

        Raises:
            StoreError: it cannot be written.
        """
        with self.node.writing() as transaction:
            state = self.state(transaction)
            yield transaction, state
            packed = _STATE.pack(
                state.serial, state.used_bytes, state.purges, state.drops, state.hand
            )
            if not transaction.put(_STATE_KEY, packed, db=self.meta):
                raise StoreError(f"{self.node.path} could not be written")

    def state(self, transaction: "Transaction[bytes]") -> NodeState:
        """What the file knows about itself."""
        packed = transaction.get(_STATE_KEY, db=self.meta)
        return NodeState() if packed is None else NodeState(*_STATE.unpack(packed))

    def cluster(self, transaction: "Transaction[bytes]") -> tuple[bytes, int] | None:
        """Epoch and number of the last purge of the cluster that is known here."""
        packed = transaction.get(_CLUSTER_KEY, db=self.meta)
        if packed is None:
            return None
        return packed[_NUMBER.size :], _NUMBER.unpack_from(packed)[0]

    def note_cluster(self, transaction: "Transaction[bytes]", epoch: bytes, number: int) -> None:
        """Notes epoch and number of a purge of the cluster."""
        transaction.put(_CLUSTER_KEY, _NUMBER.pack(number) + epoch, db=self.meta)

    def name(self, transaction: "Transaction[bytes]") -> bytes:
        """What tells this file from those of other nodes; drawn when it is first asked for."""
        name = transaction.get(_NAME_KEY, db=self.meta)
        if name is None:
            name = os.urandom(_NAME_BYTES)
            transaction.put(_NAME_KEY, name, db=self.meta)
        return name

    def find(self, transaction: "Transaction[bytes]", prefix: bytes) -> list[Found]:
        """Every entry whose key begins with a prefix; what is damaged is left out."""
        found = []
        with transaction.cursor(db=self.entries) as cursor:
            if cursor.set_range(prefix):
                for key, value in cursor:
                    if not key.startswith(prefix):
                        break
                    entry = _opened(key, value)
                    if entry is not None:
                        found.append(entry)
        return found

    def load(self, transaction: "Transaction[bytes]", key: bytes) -> Found | None:
        """One entry; None if it is not there, or damaged."""
        value = transaction.get(key, db=self.entries)
        return None if value is None else _opened(key, value)

    def serial_of(self, transaction: "Transaction[bytes]", key: bytes) -> int:
        """The number of an entry; 0 if it is not there."""
        value = transaction.get(key, db=self.entries)
        return 0 if value is None or len(value) < _HEAD.size else int(_HEAD.unpack_from(value)[1])

    def keys_from(
        self, transaction: "Transaction[bytes]", prefix: bytes, after: bytes, count: int
    ) -> list[bytes]:
        """Up to `count` keys that begin with a prefix, behind `after`."""
        keys: list[bytes] = []
        with transaction.cursor(db=self.entries) as cursor:
            if not cursor.set_range(after or prefix):
                return keys
            for key in cursor.iternext(values=False):
                if not key.startswith(prefix) or len(keys) >= count:
                    break
                if key != after:
                    keys.append(key)
        return keys

    def tagged_from(
        self, transaction: "Transaction[bytes]", digest: bytes, after: bytes, count: int
    ) -> list[bytes]:
        """Up to `count` keys of entries with a tag, behind `after`."""
        keys: list[bytes] = []
        with transaction.cursor(db=self.tags) as cursor:
            if not (cursor.set_range_dup(digest, after) if after else cursor.set_key(digest)):
                return keys
            for key in cursor.iternext_dup():
                if len(keys) >= count:
                    break
                if key != after:
                    keys.append(key)
        return keys

    def insert(
        self,
        transaction: "Transaction[bytes]",
        state: NodeState,
        key: bytes,
        packed: bytes,
        tags: list[bytes],
    ) -> None:
        """Stores an entry, with the next serial; there is none of this key."""
        state.serial += 1
        size_bytes = charge_bytes(len(packed))
        self.overwrite(transaction, key, state.serial, packed)
        queued = _QUEUED.pack(size_bytes) + key + b"".join(tags)
        transaction.put(_NUMBER.pack(state.serial), queued, db=self.queue)
        for tag in tags:
            transaction.put(tag, key, db=self.tags)
        state.used_bytes += size_bytes

    def overwrite(
        self, transaction: "Transaction[bytes]", key: bytes, serial: int, packed: bytes
    ) -> None:
        """Writes the bytes of an entry, checksum first."""
        checksum = crc32(packed, crc32(key + _NUMBER.pack(serial)))
        transaction.put(key, _HEAD.pack(checksum, serial) + packed, db=self.entries)

    def detach(self, transaction: "Transaction[bytes]", state: NodeState, key: bytes) -> bool:
        """Removes an entry; False if it is not there."""
        serial = self.serial_of(transaction, key)
        if not serial:
            return bool(transaction.delete(key, db=self.entries))
        self._unqueue(transaction, state, serial, key)
        return bool(transaction.delete(key, db=self.entries))

    def _unqueue(
        self, transaction: "Transaction[bytes]", state: NodeState, serial: int, key: bytes
    ) -> None:
        number = _NUMBER.pack(serial)
        queued = transaction.get(number, db=self.queue)
        start = _QUEUED.size + _KEY_BYTES
        if queued is None or queued[_QUEUED.size : start] != key:
            return
        for at in range(start, len(queued), _DIGEST_BYTES):
            transaction.delete(queued[at : at + _DIGEST_BYTES], key, db=self.tags)
        transaction.delete(number, db=self.queue)
        transaction.delete(number, db=self.used)
        state.used_bytes -= min(state.used_bytes, _QUEUED.unpack_from(queued)[0])

    def mark_used(self, transaction: "Transaction[bytes]", serials: set[int]) -> None:
        """Gives entries a second chance when the hand comes to them."""
        for serial in serials:
            number = _NUMBER.pack(serial)
            if transaction.get(number, db=self.queue) is not None:
                transaction.put(number, b"", db=self.used)

    def make_room(
        self, transaction: "Transaction[bytes]", state: NodeState, size_bytes: int
    ) -> None:
        """Lets entries go until so much more has room."""
        chances = _MAX_CHANCES
        while state.used_bytes + size_bytes > self.limit_bytes:
            with transaction.cursor(db=self.queue) as cursor:
                if not cursor.set_range(_NUMBER.pack(state.hand)) and not cursor.first():
                    state.used_bytes = 0
                    return
                number, queued = cursor.item()
            serial = _NUMBER.unpack(number)[0]
            state.hand = serial + 1
            if chances > 0 and transaction.delete(number, db=self.used):
                chances -= 1
                continue
            key = queued[_QUEUED.size : _QUEUED.size + _KEY_BYTES]
            if self.serial_of(transaction, key) == serial:
                self.detach(transaction, state, key)
            else:
                # Its entry was damaged and discarded.
                self._unqueue(transaction, state, serial, key)
            self.evicted += 1

    def count(self, transaction: "Transaction[bytes]") -> int:
        """How many entries there are."""
        return int(transaction.stat(self.entries)["entries"])

    def clear(self, transaction: "Transaction[bytes]", state: NodeState) -> None:
        """Removes every entry."""
        for database in (self.entries, self.queue, self.tags, self.used):
            transaction.drop(database, delete=False)
        state.used_bytes = 0

    def close(self) -> None:
        """Closes the file."""
        self.node.close()


def charge_bytes(packed_bytes: int) -> int:
    """What an entry of so many bytes takes in the file: large values have pages of their own."""
    if packed_bytes <= _INLINE_BYTES:
        return (packed_bytes + _SIDE_BYTES) * 3 // 2
    pages = -(-(packed_bytes + 2 * _HEAD.size) // _PAGE_BYTES)
    return pages * _PAGE_BYTES + _SIDE_BYTES


def key_prefix(resource: ResourceKey, packed_key: bytes = b"") -> bytes:
    """How the keys of all entries of a resource begin, or of one cache key if that is given."""
    prefix = blake2b(encode_resource(resource), digest_size=_DIGEST_BYTES).digest()
    if packed_key:
        prefix += blake2b(packed_key, digest_size=_DIGEST_BYTES).digest()
    return prefix


def entry_variant(entry: StoredResponse) -> bytes:
    """What tells a variant from others of its key; the same for one that takes its place."""
    selecting = repr((entry.vary, entry.selected_by)).encode()
    return blake2b(selecting, digest_size=8).digest()


def tag_digest(tag: str) -> bytes:
    """What a tag is kept under; one that is the same for another tag only costs a look."""
    return blake2b(tag.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()


def _opened(key: bytes, value: bytes) -> Found | None:
    if len(value) < _HEAD.size:
        return None
    checksum, serial = _HEAD.unpack_from(value)
    packed = value[_HEAD.size :]
    if crc32(packed, crc32(key + _NUMBER.pack(serial))) != checksum:
        return None
    known = decode_entry(packed)
    return None if known is None else Found(key, serial, known)
