"""Latency sketches of many values: the counts of all buckets in a row, added up as one number.

A route has hundreds of buckets in use over minutes and hours. As one large integer, 32 bits a
bucket, they are added in the time that Python needs for ten of them one by one.
"""

import struct
from collections.abc import Sequence

import zstandard

from lukhas.telemetry.histograms import LatencySketch, bucket_quantiles

__all__ = ("DENSE_MARK", "DenseCounts", "pack_dense")

DENSE_MARK = 0x28
"""The first byte of every Zstandard frame (RFC 8878, 3.1.1), and so of every packed one."""

_FIELD_BITS = 32
_TOO_MANY = 1 << _FIELD_BITS
_HEAD = struct.Struct("<QQQII")
_DENSE_FROM_BUCKETS = 32
_SPARSE_FROM_GAP = 8


class DenseCounts:
    """The counts of buckets without gaps; what is packed is what is added.

    Attributes:
        count: number of values, below 2**32, so that no count can run into the next.
        total_ns: their sum.
        min_ns: the smallest.
        max_ns: the largest.
    """

    __slots__ = ("_fields", "_first", "count", "max_ns", "min_ns", "total_ns")

    count: int
    total_ns: int
    min_ns: int
    max_ns: int
    _first: int
    _fields: int

    def __init__(self, packed: bytes) -> None:
        # A decompressor of its own: answers are made in several threads, and it is for one.
        data = zstandard.ZstdDecompressor().decompress(packed)
        self.total_ns, self.min_ns, self.max_ns, self.count, self._first = _HEAD.unpack_from(data)
        self._fields = int.from_bytes(memoryview(data)[_HEAD.size :], "little")

    def copy(self) -> "DenseCounts":
        """The same counts, that share nothing with these."""
        other = object.__new__(DenseCounts)
        other.total_ns, other.min_ns, other.max_ns = self.total_ns, self.min_ns, self.max_ns
        other.count, other._first, other._fields = self.count, self._first, self._fields
        return other

    def has_room_for(self, other: "DenseCounts") -> bool:
        """Whether both can be added up."""
        return self.count + other.count < _TOO_MANY

    def merge(self, other: "DenseCounts") -> None:
        """Adds every value of another; exact. Only where there is room."""
        gap_bits = (other._first - self._first) * _FIELD_BITS
        if gap_bits >= 0:
            self._fields += other._fields << gap_bits
        else:
            self._fields = (self._fields << -gap_bits) + other._fields
            self._first = other._first
        self.count += other.count
        self.total_ns += other.total_ns
        self.min_ns = min(self.min_ns, other.min_ns)
        self.max_ns = max(self.max_ns, other.max_ns)

    def quantiles_ns(self, qs: Sequence[float]) -> list[float | None]:
        """As of `LatencySketch`."""
        counts = self._counts()
        indexes = range(self._first, self._first + len(counts))
        limits_ns = (self.min_ns, self.max_ns)
        return bucket_quantiles(indexes, counts, count=self.count, limits_ns=limits_ns, qs=qs)

    def sketch(self) -> LatencySketch:
        """The sketch of the same values."""
        buckets = {index: n for index, n in enumerate(self._counts(), self._first) if n}
        return LatencySketch(buckets, self.count, self.total_ns, self.min_ns, self.max_ns)

    def _counts(self) -> tuple[int, ...]:
        number = -(-self._fields.bit_length() // _FIELD_BITS)
        return struct.unpack(f"<{number}I", self._fields.to_bytes(4 * number, "little"))


def pack_dense(sketch: LatencySketch) -> bytes | None:
    """A sketch in this form; None where it would be mostly gaps, or has too many values."""
    buckets = sketch.buckets
    if len(buckets) < _DENSE_FROM_BUCKETS or sketch.count >= _TOO_MANY:
        return None
    first, last = min(buckets), max(buckets)
    if last - first > _SPARSE_FROM_GAP * len(buckets):
        return None
    counts = [buckets.get(index, 0) for index in range(first, last + 1)]
    head = _HEAD.pack(sketch.total_ns, sketch.min_ns, sketch.max_ns, sketch.count, first)
    return zstandard.ZstdCompressor().compress(head + struct.pack(f"<{len(counts)}I", *counts))
