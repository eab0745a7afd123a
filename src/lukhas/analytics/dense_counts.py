"""Latency sketches of many values: the counts of all buckets in a row, added up as one number.

A route has hundreds of buckets in use over minutes and hours. As one large integer, 32 bits a
bucket, they are added in the time that Python needs for ten of them one by one.
"""

import struct
import sys
from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate

import zstandard

from lukhas.analytics.packing import decoded
from lukhas.telemetry.histograms import FIRST_BUCKET, LatencySketch, bucket_quantiles

__all__ = ("DENSE_MARK", "DenseCounts", "pack_dense", "summed")

DENSE_MARK = 0x28
"""The first byte of every Zstandard frame (RFC 8878, 3.1.1), and so of every packed one."""

_FIELD_BITS = 32
_TOO_MANY = 1 << _FIELD_BITS
_HEAD = struct.Struct("<QQQII")
_DENSE_FROM_BUCKETS = 32
_SPARSE_FROM_GAP = 8
# Those of all 64-bit numbers.
_BUCKETS = 64 * 64


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

    def __init__(self, packed: bytes, decompressor: zstandard.ZstdDecompressor) -> None:
        data = decompressor.decompress(packed)
        self.total_ns, self.min_ns, self.max_ns, self.count, self._first = _HEAD.unpack_from(data)
        self._fields = int.from_bytes(memoryview(data)[_HEAD.size :], "little")

    @classmethod
    def of(cls, counts: Sequence[int], first: int, sketch: LatencySketch) -> "DenseCounts":
        """The same as a sketch whose buckets do not count, because they are given.

        Args:
            counts: of the buckets from the first one on, each below 2**32.
            first: the first bucket.
            sketch: number, sum and extremes of the values.
        """
        made = object.__new__(cls)
        made.total_ns, made.min_ns, made.max_ns = sketch.total_ns, sketch.min_ns, sketch.max_ns
        made.count, made._first = sketch.count, first
        made._fields = int.from_bytes(struct.pack(f"<{len(counts)}I", *counts), "little")
        return made

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

    def _counts(self) -> "array[int]":
        number = -(-self._fields.bit_length() // _FIELD_BITS)
        counts = array("I", self._fields.to_bytes(4 * number, "little"))
        if sys.byteorder == "big":
            counts.byteswap()
        return counts


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


def summed(packed: Iterable[bytes]) -> DenseCounts | None:
    """The sum of many sketches as `pack` made them; None where it would be too many values.

    A list with room for every bucket is added to in half the time that a dictionary takes.
    """
    room = [0] * _BUCKETS
    sums = LatencySketch()
    first, last = _BUCKETS, 0
    for each in packed:
        total_ns, min_ns, range_ns, gaps, counts = decoded(each)
        if not counts:
            continue
        sums.extend(sum(counts), total_ns, (min_ns, min_ns + range_ns))
        gaps[0] -= FIRST_BUCKET
        first, last = min(first, gaps[0]), max(last, sum(gaps))
        if first < 0 or last >= _BUCKETS:
            return None
        for index, number in zip(accumulate(gaps), counts, strict=True):
            room[index] += number
    if sums.count >= _TOO_MANY:
        return None
    return DenseCounts.of(room[first : last + 1], FIRST_BUCKET + first, sums)
