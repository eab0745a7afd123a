"""How many different keys there were: exact for few, an estimate in 4 KiB for many."""

import hashlib
import math
from collections.abc import Iterable
from functools import lru_cache

import msgspec

__all__ = ("EXACT_UP_TO", "RELATIVE_ERROR", "Uniques")

EXACT_UP_TO = 1000
"""Up to so many keys the number is exact."""

_PRECISION = 12
_REGISTERS = 1 << _PRECISION
RELATIVE_ERROR = 1.04 / math.sqrt(_REGISTERS)
"""The standard error beyond that: 1.6 %."""

_REMEMBERED = 4096
_ALPHA = 0.7213 / (1 + 1.079 / _REGISTERS)


class Uniques(msgspec.Struct, array_like=True):
    """A set of keys that can be counted and joined with others.

    Up to `EXACT_UP_TO` it holds 64-bit hashes, then HyperLogLog registers. Joining is exact: the
    sketch of a union is the same whatever was joined in which order.
    Source: Flajolet et al. 2007, with linear counting for the lower range.

    Attributes:
        hashes: while there are few.
        registers: after that; empty before.
    """

    hashes: set[int] = msgspec.field(default_factory=set)
    registers: bytes = b""

    def add_keys(self, keys: Iterable[str]) -> None:
        """Puts keys in."""
        self._add({_hash(key) for key in keys})

    def merge(self, other: "Uniques") -> None:
        """Puts everything in that another set holds."""
        if other.registers:
            if self.registers:
                self.registers = bytes(map(max, self.registers, other.registers))
            else:
                self.registers = other.registers
                waiting, self.hashes = self.hashes, set()
                self._add(waiting)
        else:
            self._add(other.hashes)

    def count(self) -> int:
        """How many there are."""
        if not self.registers:
            return len(self.hashes)
        estimate = _ALPHA * _REGISTERS**2 / sum(2.0**-rank for rank in self.registers)
        empty = self.registers.count(0)
        if estimate <= 2.5 * _REGISTERS and empty:
            estimate = _REGISTERS * math.log(_REGISTERS / empty)
        return round(estimate)

    def _add(self, hashes: set[int]) -> None:
        if not self.registers:
            self.hashes |= hashes
            if len(self.hashes) <= EXACT_UP_TO:
                return
            hashes, self.hashes = self.hashes, set()
            self.registers = bytes(_REGISTERS)
        registers = bytearray(self.registers)
        for value in hashes:
            place = value & (_REGISTERS - 1)
            rank = 64 - _PRECISION - (value >> _PRECISION).bit_length() + 1
            registers[place] = max(registers[place], rank)
        self.registers = bytes(registers)


# The same keys come again with each report.
@lru_cache(maxsize=_REMEMBERED)
def _hash(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest())
