"""The purges of a node, in its file, so that every worker hears of each of them.

`log` has the last purges by number, `drops` the last resources of which a newer response was
stored. A worker compares two numbers to see that it knows them all. What it missed because it came
too late counts as a purge of everything.
"""

import struct
from dataclasses import dataclass

import lmdb

from lukhas.policy.caching.keys import ResourceKey
from lukhas.policy.caching.purges import Purge
from lukhas.storage.entry_codec import decode_purge, decode_resource, encode_purge, encode_resource
from lukhas.storage.node_entry_file import NodeEntryFile, NodeState

__all__ = ("LoggedPurge", "PurgeLog")

Transaction = lmdb.Transaction

_NUMBER = struct.Struct(">Q")
_RECORD = struct.Struct("<BQ")
_MAX_PURGES = 4096
_MAX_DROPS = 1024


@dataclass(frozen=True, slots=True)
class LoggedPurge:
    """A purge as the log has it.

    Attributes:
        number: one more than that of the purge before.
        serial: the last entry stored before it.
        done: whether all that it took is out of the file.
        purge: what it took.
    """

    number: int
    serial: int
    done: bool
    purge: Purge


class PurgeLog:
    """Reads and writes the log inside the transactions of others.

    Args:
        file: where it is.
    """

    __slots__ = ("_file",)

    def __init__(self, file: NodeEntryFile) -> None:
        self._file = file

    def add(self, transaction: "Transaction[bytes]", state: NodeState, purge: Purge) -> LoggedPurge:
        """Notes a purge that is not done yet."""
        state.purges += 1
        logged = LoggedPurge(state.purges, state.serial, done=False, purge=purge)
        self.write(transaction, logged)
        oldest = state.purges - _MAX_PURGES
        if oldest > 0:
            if not self.is_done(transaction, oldest):
                # Whoever began it died, and soon nobody will know what it was to take.
                self._file.clear(transaction, state)
            transaction.delete(_NUMBER.pack(oldest), db=self._file.log)
        return logged

    def write(self, transaction: "Transaction[bytes]", logged: LoggedPurge) -> None:
        """Writes a purge, again if it is done now."""
        packed = _RECORD.pack(logged.done, logged.serial) + encode_purge(logged.purge)
        transaction.put(_NUMBER.pack(logged.number), packed, db=self._file.log)

    def after(self, transaction: "Transaction[bytes]", number: int) -> list[LoggedPurge]:
        """The purges behind a number; the first may be further on than the next one."""
        found = []
        with transaction.cursor(db=self._file.log) as cursor:
            if cursor.set_range(_NUMBER.pack(number + 1)):
                for key, value in cursor:
                    found.append(_logged(key, value))
        return found

    def is_done(self, transaction: "Transaction[bytes]", number: int) -> bool:
        """Whether a purge is done."""
        key = _NUMBER.pack(number)
        value = transaction.get(key, db=self._file.log)
        return value is not None and _logged(key, value).done

    def drop(
        self, transaction: "Transaction[bytes]", state: NodeState, resource: ResourceKey
    ) -> None:
        """Notes that what others have in memory of a resource is not the newest."""
        state.drops += 1
        packed = encode_resource(resource)
        transaction.put(_NUMBER.pack(state.drops), packed, db=self._file.drops)
        if state.drops > _MAX_DROPS:
            transaction.delete(_NUMBER.pack(state.drops - _MAX_DROPS), db=self._file.drops)

    def dropped_after(
        self, transaction: "Transaction[bytes]", number: int, last: int
    ) -> list[ResourceKey] | None:
        """The resources dropped behind a number; None if not all of them are known any more."""
        found = []
        with transaction.cursor(db=self._file.drops) as cursor:
            if cursor.set_range(_NUMBER.pack(number + 1)):
                for _key, value in cursor:
                    found.append(decode_resource(value))
        return found if len(found) == last - number else None


def _logged(key: bytes, value: bytes) -> LoggedPurge:
    done, serial = _RECORD.unpack_from(value)
    purge = decode_purge(value[_RECORD.size :])
    return LoggedPurge(_NUMBER.unpack(key)[0], serial, done=bool(done), purge=purge)
