"""The file in which the workers of a node keep stored responses: its layout, and what moves in it.

Databases: `entries` (resource, key and variant digest -> checksum, serial, response), `tags` (tag
digest -> keys), two shelves (see `node_shelf`): one for entries with their body, one for those
whose body is a file beside it (see `body_files`), `log` and `drops` (see `purge_log`), `meta` (one
state record).
"""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from zlib import crc32

import lmdb

from lukhas.errors import StoreError
from lukhas.storage.body_files import BodyFiles
from lukhas.storage.entry_codec import KnownEntry, decode_entry
from lukhas.storage.node import NodeEnvironment
from lukhas.storage.node_entry_keys import charge_bytes
from lukhas.storage.node_shelf import Placed, Shelf, ShelfState

__all__ = ("NAMED_DATABASES", "Found", "NodeEntryFile", "NodeState")

Transaction = lmdb.Transaction

NAMED_DATABASES = 10

_STATE_KEY = b"state"
_CLUSTER_KEY = b"cluster"
_NAME_KEY = b"name"
_NAME_BYTES = 8
_STATE = struct.Struct("<QQQQQQQ")
_HEAD = struct.Struct("<IQ")
_NUMBER = struct.Struct(">Q")
# The pause of one `put` is bounded: after so many second chances, entries go without one.
_MAX_CHANCES = 64


@dataclass(slots=True)
class NodeState:
    """What the file knows about itself.

    Attributes:
        serial: the number of the entry that was stored last.
        purges: the number of the last purge.
        drops: the number of the last drop.
        near: how full the shelf of entries with their body is.
        far: that of the others; what they have in this file is left out.
    """

    serial: int = 0
    purges: int = 0
    drops: int = 0
    near: ShelfState = field(default_factory=ShelfState)
    far: ShelfState = field(default_factory=ShelfState)

    @property
    def used_bytes(self) -> int:
        """What all entries take, about."""
        return self.near.used_bytes + self.far.used_bytes


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
        limit_bytes: what all entries in it may take together.
        bodies: the files beside it.

    Raises:
        StoreError: the databases cannot be made or read.
    """

    def __init__(self, node: NodeEnvironment, limit_bytes: int, bodies: BodyFiles) -> None:
        self.node = node
        self.limit_bytes = limit_bytes
        self.bodies = bodies
        self.evicted = 0
        self._environment = env = node.environment
        try:
            self.entries = env.open_db(b"entries")
            self.tags = env.open_db(b"tags", dupsort=True)
            self._near = Shelf(env, order=b"queue", used=b"used", limit_bytes=limit_bytes)
            self._far = Shelf(
                env, order=b"far-queue", used=b"far-used", limit_bytes=bodies.limit_bytes
            )
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
            near, far = state.near, state.far
            packed = _STATE.pack(
                state.serial,
                near.used_bytes,
                state.purges,
                state.drops,
                near.hand,
                far.used_bytes,
                far.hand,
            )
            if not transaction.put(_STATE_KEY, packed, db=self.meta):
                raise StoreError(f"{self.node.path} could not be written")

    def state(self, transaction: "Transaction[bytes]") -> NodeState:
        """What the file knows about itself."""
        packed = transaction.get(_STATE_KEY, db=self.meta)
        if packed is None:
            return NodeState()
        # Files of earlier versions have no second shelf.
        serial, used, purges, drops, hand, far_used, far_hand = _STATE.unpack(
            packed.ljust(_STATE.size, b"\0")
        )
        return NodeState(
            serial, purges, drops, ShelfState(used, hand), ShelfState(far_used, far_hand)
        )

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

    def newest(self, transaction: "Transaction[bytes]", most: int) -> list[Placed]:
        """Entries of both shelves that came last, up to so many of each."""
        return [
            placed
            for shelf in (self._near, self._far)
            for placed in shelf.newest(transaction, most)
        ]

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
        tags: tuple[bytes, ...],
        *,
        file_bytes: int = 0,
    ) -> None:
        """Stores an entry, with the next serial; there is none of this key.

        Args:
            transaction: the change.
            state: gets the serial.
            key: its key.
            packed: its bytes.
            tags: the digests of its tags.
            file_bytes: the size of its body, where that is a file.
        """
        state.serial += 1
        self.overwrite(transaction, key, state.serial, packed)
        shelf, shelf_state = (self._far, state.far) if file_bytes else (self._near, state.near)
        taken_bytes = charge_bytes(file_bytes or len(packed))
        shelf.add(transaction, shelf_state, Placed(state.serial, key, tags, taken_bytes))
        for tag in tags:
            transaction.put(tag, key, db=self.tags)

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
        for shelf, shelf_state in ((self._near, state.near), (self._far, state.far)):
            placed = shelf.find(transaction, serial)
            if placed is None or placed.key != key:
                continue
            for tag in placed.tags:
                transaction.delete(tag, key, db=self.tags)
            shelf.take(transaction, shelf_state, placed)
            if shelf is self._far:
                self.bodies.drop(serial)

    def mark_used(self, transaction: "Transaction[bytes]", serials: set[int]) -> None:
        """Gives entries a second chance when the hand comes to them."""
        for serial in serials:
            self._near.mark_used(transaction, serial)
            self._far.mark_used(transaction, serial)

    def make_room(
        self, transaction: "Transaction[bytes]", state: NodeState, size_bytes: int
    ) -> None:
        """Lets entries go until so much more has room in this file."""
        self._make_room(transaction, state, (self._near, state.near), size_bytes)

    def make_file_room(
        self, transaction: "Transaction[bytes]", state: NodeState, file_bytes: int
    ) -> None:
        """Lets entries go until a body of this size has room beside this file."""
        self._make_room(transaction, state, (self._far, state.far), charge_bytes(file_bytes))

    def _make_room(
        self,
        transaction: "Transaction[bytes]",
        state: NodeState,
        place: tuple[Shelf, ShelfState],
        size_bytes: int,
    ) -> None:
        shelf, shelf_state = place
        chances = _MAX_CHANCES
        while shelf_state.used_bytes + size_bytes > shelf.limit_bytes:
            placed = shelf.next(transaction, shelf_state)
            if placed is None:
                shelf_state.used_bytes = 0
                return
            if chances > 0 and shelf.spend_chance(transaction, placed.serial):
                chances -= 1
                continue
            if self.serial_of(transaction, placed.key) == placed.serial:
                self.detach(transaction, state, placed.key)
            else:
                # Its entry was damaged and discarded.
                self._unqueue(transaction, state, placed.serial, placed.key)
            self.evicted += 1

    def sweep(self) -> None:
        """Throws away files that no entry has: of changes that a killed process left undone."""
        with self.node.writing() as transaction:
            self.bodies.sweep(lambda serial: self._far.find(transaction, serial) is not None)

    def count(self, transaction: "Transaction[bytes]") -> int:
        """How many entries there are."""
        return int(transaction.stat(self.entries)["entries"])

    def clear(self, transaction: "Transaction[bytes]", state: NodeState) -> None:
        """Removes every entry."""
        for database in (self.entries, self.tags):
            transaction.drop(database, delete=False)
        self._near.clear(transaction, state.near)
        self._far.clear(transaction, state.far)
        self.bodies.clear()

    def close(self) -> None:
        """Closes the file."""
        self.node.close()


def _opened(key: bytes, value: bytes) -> Found | None:
    if len(value) < _HEAD.size:
        return None
    checksum, serial = _HEAD.unpack_from(value)
    packed = value[_HEAD.size :]
    if crc32(packed, crc32(key + _NUMBER.pack(serial))) != checksum:
        return None
    known = decode_entry(packed)
    return None if known is None else Found(key, serial, known)
