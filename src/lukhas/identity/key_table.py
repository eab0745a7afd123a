"""The keys of a node, where all its workers look them up."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import lmdb
import msgspec

from lukhas.errors import StoreError
from lukhas.policy.access.api_keys import ApiKeyRecord
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.storage.node import NodeEnvironment, prepare_state_dir
from lukhas.units import MIB

__all__ = ("KEY_TABLE_FILE", "KeyTable", "TablePosition", "must_rebuild", "open_key_table")

KEY_TABLE_FILE = "keys.lmdb"
MAX_KEYS = 200_000
# Room for the largest records (about 2 KiB) twice over, since LMDB writes copies of pages.
MAP_SIZE_BYTES = 1024 * MIB

_META = b"meta"
_KEY_PREFIX = b"k:"


class _Meta(msgspec.Struct, array_like=True, frozen=True):
    generation: int = 0
    registry_id: str = ""
    revision: int = 0


class _Row(msgspec.Struct, array_like=True, frozen=True):
    # Written as an array: a new field is only ever added at the end, with a default.
    secret_hashes: tuple[bytes, ...]
    tier: Tier
    consumer: str
    tenant: str
    created_ns: int
    expires_ns: int | None
    previous_expires_ns: int | None
    revoked: bool
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TablePosition:
    """How far a table has followed a registry.

    Attributes:
        registry_id: which registry; empty if none.
        revision: the last change of it that is in the table.
    """

    registry_id: str = ""
    revision: int = 0


class KeyTable:
    """Records of API keys by key id, shared by the processes of one node.

    Every change raises the generation, which tells caches to look again. The table is a copy: the
    registry can always fill it again.

    Args:
        environment: opened in this process, with a durable file of its own.
        max_keys: the most keys it takes.
    """

    __slots__ = ("_decode_meta", "_decode_row", "_encode", "_max_keys", "_node")

    def __init__(self, environment: NodeEnvironment, *, max_keys: int = MAX_KEYS) -> None:
        self._node = environment
        self._max_keys = max_keys
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode_row = msgspec.msgpack.Decoder(_Row).decode
        self._decode_meta = msgspec.msgpack.Decoder(_Meta).decode

    def get(self, key_id: str) -> ApiKeyRecord | None:
        """The record of a key, or None.

        Raises:
            StoreError: the table cannot be read.
        """
        stored = self._node.get(_KEY_PREFIX + key_id.encode("utf-8"))
        if stored is None:
            return None
        try:
            row = self._decode_row(stored)
        except msgspec.MsgspecError as error:
            raise self._unreadable(error) from error
        return ApiKeyRecord(
            key_id=key_id,
            secret_hashes=row.secret_hashes,
            tier=row.tier,
            consumer=row.consumer,
            tenant=row.tenant,
            created_ns=row.created_ns,
            expires_ns=row.expires_ns,
            previous_expires_ns=row.previous_expires_ns,
            revoked=row.revoked,
            scopes=row.scopes,
        )

    def put(self, record: ApiKeyRecord) -> None:
        """Adds or replaces a record.

        Raises:
            StoreError: the table is full or cannot be written.
        """
        with self._node.writing() as transaction:
            self._put(transaction, record)
            self._advance(transaction, None)

    def remove(self, key_id: str) -> None:
        """Removes a record, if it is there.

        Raises:
            StoreError: the table cannot be written.
        """
        with self._node.writing() as transaction:
            if transaction.delete(_KEY_PREFIX + key_id.encode("utf-8")):
                self._advance(transaction, None)

    def generation(self) -> int:
        """A number that is raised by every change.

        Raises:
            StoreError: the table cannot be read.
        """
        return self._meta(self._node.get(_META)).generation

    def position(self) -> TablePosition:
        """How far the table has followed its registry.

        Raises:
            StoreError: the table cannot be read.
        """
        meta = self._meta(self._node.get(_META))
        return TablePosition(meta.registry_id, meta.revision)

    def count(self) -> int:
        """How many keys are in the table.

        Raises:
            StoreError: the table cannot be read.
        """
        with self._node.reading() as transaction:
            return _count(transaction)

    def check_room(self) -> None:
        """Makes sure that one more key can be taken.

        Raises:
            StoreError: the table is full.
        """
        if self.count() >= self._max_keys:
            raise self._full()

    def follow(
        self, changes: Iterable[ApiKeyRecord], *, seen: TablePosition, reached: TablePosition
    ) -> bool:
        """Takes over changes of the registry, all or none.

        Args:
            changes: the records changed after `seen`; all records if `reached` is of another
                registry or of an earlier revision (a restored backup): then whatever else is in
                the table goes.
            seen: the position that the changes were read from.
            reached: the position that they lead to.

        Returns:
            False if somebody else moved the table in the meantime: read again from where it is.

        Raises:
            StoreError: the table is full or cannot be written.
        """
        with self._node.writing() as transaction:
            meta = self._meta(transaction.get(_META))
            if TablePosition(meta.registry_id, meta.revision) != seen:
                return False
            if must_rebuild(seen, reached):
                _clear(transaction)
            for record in changes:
                self._put(transaction, record)
            self._advance(transaction, reached)
        return True

    def close(self) -> None:
        """Closes the environment."""
        self._node.close()

    def _put(self, transaction: "lmdb.Transaction[bytes]", record: ApiKeyRecord) -> None:
        row = _Row(
            record.secret_hashes,
            record.tier,
            record.consumer,
            record.tenant,
            record.created_ns,
            record.expires_ns,
            record.previous_expires_ns,
            record.revoked,
            record.scopes,
        )
        transaction.put(_KEY_PREFIX + record.key_id.encode("utf-8"), self._encode(row))
        if _count(transaction) > self._max_keys:
            raise self._full()

    def _full(self) -> StoreError:
        return StoreError(
            f"{self._node.path} holds its maximum of {self._max_keys} API keys: "
            "spread the consumers over several installations"
        )

    def _advance(
        self, transaction: "lmdb.Transaction[bytes]", reached: TablePosition | None
    ) -> None:
        meta = self._meta(transaction.get(_META))
        at = TablePosition(meta.registry_id, meta.revision) if reached is None else reached
        transaction.put(
            _META, self._encode(_Meta(meta.generation + 1, at.registry_id, at.revision))
        )

    def _meta(self, stored: bytes | None) -> _Meta:
        if stored is None:
            return _Meta()
        try:
            return self._decode_meta(stored)
        except msgspec.MsgspecError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> StoreError:
        # The error names the field, never the value.
        return StoreError(
            f"{self._node.path} holds a record that cannot be read ({error}): "
            "stop all workers and delete the file; it is made again from the registry"
        )


def must_rebuild(seen: TablePosition, reached: TablePosition) -> bool:
    """Whether the way from `seen` to `reached` is not a sequence of changes of one registry."""
    return reached.registry_id != seen.registry_id or reached.revision < seen.revision


def open_key_table(state_dir: Path) -> KeyTable:
    """Opens the key table of a state directory; after the process was forked.

    Raises:
        StateDirError: the directory or the file cannot be used.
        StoreError: the file is damaged.
    """
    path = prepare_state_dir(state_dir) / KEY_TABLE_FILE
    return KeyTable(NodeEnvironment(path, map_size_bytes=MAP_SIZE_BYTES, shared=True))


def _count(transaction: "lmdb.Transaction[bytes]") -> int:
    entries = transaction.stat()["entries"]
    return entries - 1 if transaction.get(_META) is not None else entries


def _clear(transaction: "lmdb.Transaction[bytes]") -> None:
    with transaction.cursor() as cursor:
        found = cursor.set_range(_KEY_PREFIX)
        while found and cursor.key().startswith(_KEY_PREFIX):
            found = cursor.delete()
