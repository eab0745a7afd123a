"""Which of the entries on one shelf of the node's file goes when room is needed.

That is decided by SIEVE (Zhang, Yang, Yue, Vigfusson and Rashmi, "SIEVE is simpler than LRU", NSDI
2024): a hand walks from the oldest entry to the newest; it takes the first one that was not used
since it last passed.
"""

import struct
from dataclasses import dataclass

import lmdb

__all__ = ("DIGEST_BYTES", "KEY_BYTES", "Placed", "Shelf", "ShelfState")

Transaction = lmdb.Transaction

KEY_BYTES = 40
DIGEST_BYTES = 16
_NUMBER = struct.Struct(">Q")
_TAKEN = struct.Struct("<Q")


@dataclass(slots=True)
class ShelfState:
    """How full a shelf is.

    Attributes:
        used_bytes: what its entries take, about.
        hand: where the hand of the eviction is.
    """

    used_bytes: int = 0
    hand: int = 0


@dataclass(frozen=True, slots=True)
class Placed:
    """An entry on a shelf.

    Attributes:
        serial: its number.
        key: its key in the file.
        tags: the digests of its tags.
        taken_bytes: what it takes.
    """

    serial: int
    key: bytes
    tags: tuple[bytes, ...]
    taken_bytes: int


class Shelf:
    """The order in which entries came, and which of them were used.

    Args:
        environment: the file.
        order: the name of the database of the order (serial -> what it takes, its key, its tags).
        used: that of the serials that were read since the hand passed.
        limit_bytes: what the entries may take.
    """

    __slots__ = ("_order", "_used", "limit_bytes")

    def __init__(
        self, environment: lmdb.Environment, *, order: bytes, used: bytes, limit_bytes: int
    ) -> None:
        self._order = environment.open_db(order)
        self._used = environment.open_db(used)
        self.limit_bytes = limit_bytes

    def add(self, transaction: "Transaction[bytes]", state: ShelfState, placed: Placed) -> None:
        """Puts an entry on the shelf, as the newest."""
        packed = _TAKEN.pack(placed.taken_bytes) + placed.key + b"".join(placed.tags)
        transaction.put(_NUMBER.pack(placed.serial), packed, db=self._order)
        state.used_bytes += placed.taken_bytes

    def find(self, transaction: "Transaction[bytes]", serial: int) -> Placed | None:
        """An entry by its number; None if it is not on this shelf."""
        packed = transaction.get(_NUMBER.pack(serial), db=self._order)
        return None if packed is None else _placed(serial, packed)

    def take(self, transaction: "Transaction[bytes]", state: ShelfState, placed: Placed) -> None:
        """Takes an entry from the shelf."""
        number = _NUMBER.pack(placed.serial)
        transaction.delete(number, db=self._order)
        transaction.delete(number, db=self._used)
        state.used_bytes -= min(state.used_bytes, placed.taken_bytes)

    def mark_used(self, transaction: "Transaction[bytes]", serial: int) -> None:
        """Gives an entry a second chance when the hand comes to it."""
        number = _NUMBER.pack(serial)
        if transaction.get(number, db=self._order) is not None:
            transaction.put(number, b"", db=self._used)

    def newest(self, transaction: "Transaction[bytes]", most: int) -> list[Placed]:
        """The entries that came last, the newest first."""
        found: list[Placed] = []
        with transaction.cursor(db=self._order) as cursor:
            for number, packed in cursor.iterprev():
                if len(found) == most:
                    break
                found.append(_placed(_NUMBER.unpack(number)[0], packed))
        return found

    def next(self, transaction: "Transaction[bytes]", state: ShelfState) -> Placed | None:
        """Moves the hand on by one entry; None if the shelf is empty."""
        with transaction.cursor(db=self._order) as cursor:
            if not cursor.set_range(_NUMBER.pack(state.hand)) and not cursor.first():
                return None
            number, packed = cursor.item()
        serial: int = _NUMBER.unpack(number)[0]
        state.hand = serial + 1
        return _placed(serial, packed)

    def spend_chance(self, transaction: "Transaction[bytes]", serial: int) -> bool:
        """Whether an entry was used since the hand passed; from now on it was not."""
        return bool(transaction.delete(_NUMBER.pack(serial), db=self._used))

    def clear(self, transaction: "Transaction[bytes]", state: ShelfState) -> None:
        """Empties the shelf."""
        transaction.drop(self._order, delete=False)
        transaction.drop(self._used, delete=False)
        state.used_bytes = 0


def _placed(serial: int, packed: bytes) -> Placed:
    start = _TAKEN.size + KEY_BYTES
    tags = tuple(packed[at : at + DIGEST_BYTES] for at in range(start, len(packed), DIGEST_BYTES))
    return Placed(serial, packed[_TAKEN.size : start], tags, _TAKEN.unpack_from(packed)[0])
