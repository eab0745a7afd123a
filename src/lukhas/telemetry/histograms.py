"""Latency sketches: log-linear buckets, a bounded relative error, and a merge that loses nothing.

A value falls into the bucket named by the leading 14 bits of its IEEE 754 single-precision form:
the exponent and six bits of the mantissa, so 64 buckets an octave. The bucket limits are fixed
numbers, so merging two sketches is adding their counts, and the sketch of a merge is the sketch of
all values. The middle of a bucket is at most 1/129 (0.78 %) away from any value in it.
"""

import math
import struct
import sys
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

import msgspec

__all__ = ("FIRST_BUCKET", "RELATIVE_ERROR", "DurationCounts", "LatencySketch", "bucket_quantiles")

RELATIVE_ERROR = 1 / 129 + 1e-6
"""The largest relative error of a quantile; the second term covers rounding to 24 bits."""

FIRST_BUCKET = 127 << 6
"""The bucket of 1 ns; there is none below it."""

# The leading half of a native 32-bit word.
_LEADING_HALF = "xxH" if sys.byteorder == "little" else "Hxx"
_SINGLE = struct.Struct(">f")
_HALF = struct.Struct(">H2x")


@dataclass(frozen=True, slots=True)
class _Steps:
    """What makes single precision of so many numbers, and gives the leading halves of that."""

    size: int
    singles: struct.Struct
    halves: struct.Struct


# Fixed sizes, because a form that is known takes half the time that an array takes.
_STEPS = tuple(
    _Steps(size, struct.Struct(f"={size}f"), struct.Struct("=" + _LEADING_HALF * size))
    for size in (1024, 256, 64, 16)
)


class DurationCounts:
    """Durations in nanoseconds that come in batches; cheaper to add to than a sketch is.

    They are counted by the leading half of their single-precision form, one bit more than the
    buckets of a sketch have, because that needs no step in Python for each of them.

    Attributes:
        count: number of values.
    """

    __slots__ = ("_halves", "_max_ns", "_min_ns", "_total_ns", "count")

    def __init__(self) -> None:
        self.count = 0
        self._halves: Counter[int] = Counter()
        self._total_ns = 0
        self._min_ns = 0
        self._max_ns = 0

    def add_many(self, values_ns: Sequence[int]) -> None:
        """Adds values; what is below 1 ns counts as 1 ns."""
        if not values_ns:
            return
        low = min(values_ns)
        if low < 1:
            values_ns = [max(value, 1) for value in values_ns]
            low = 1
        if not self.count or low < self._min_ns:
            self._min_ns = low
        high = max(values_ns)
        self._max_ns = max(self._max_ns, high)
        self._total_ns += sum(values_ns)
        self.count += len(values_ns)
        halves, rest = self._halves, values_ns
        for step in _STEPS:
            size = step.size
            while len(rest) >= size:
                # A batch of just that size, which is the usual one, is not copied.
                taken, rest = (rest, ()) if len(rest) == size else (rest[:size], rest[size:])
                halves.update(step.halves.unpack(step.singles.pack(*taken)))
        for value in rest:
            half = _leading_half(value)
            halves[half] = halves.get(half, 0) + 1

    def sketch(self) -> "LatencySketch":
        """The sketch of all values so far."""
        buckets: dict[int, int] = {}
        for half, number in self._halves.items():
            index = half >> 1
            buckets[index] = buckets.get(index, 0) + number
        return LatencySketch(buckets, self.count, self._total_ns, self._min_ns, self._max_ns)


class LatencySketch(msgspec.Struct, array_like=True):
    """The distribution of durations in nanoseconds.

    Attributes:
        buckets: number of values by bucket.
        count: number of values.
        total_ns: their sum, exact.
        min_ns: the smallest; 0 if there are none.
        max_ns: the largest; 0 if there are none.
    """

    buckets: dict[int, int] = msgspec.field(default_factory=dict)
    count: int = 0
    total_ns: int = 0
    min_ns: int = 0
    max_ns: int = 0

    def add(self, value_ns: int) -> None:
        """Adds one value; what is below 1 ns counts as 1 ns."""
        self.add_many((value_ns,))

    def add_many(self, values_ns: Sequence[int]) -> None:
        """Adds many values at once, which is several times cheaper than one by one."""
        counts = DurationCounts()
        counts.add_many(values_ns)
        self.merge(counts.sketch())

    def merge(self, other: "LatencySketch") -> None:
        """Adds every value of another sketch; exact, in any order."""
        if not other.count:
            return
        self.extend(other.count, other.total_ns, (other.min_ns, other.max_ns))
        buckets = self.buckets
        for index, number in other.buckets.items():
            buckets[index] = buckets.get(index, 0) + number

    def extend(self, count: int, total_ns: int, range_ns: tuple[int, int]) -> None:
        """Takes in what is told of values beside their buckets, which the caller adds.

        Args:
            count: how many values, at least one.
            total_ns: their sum.
            range_ns: the smallest and the largest.
        """
        if not self.count or range_ns[0] < self.min_ns:
            self.min_ns = range_ns[0]
        self.max_ns = max(self.max_ns, range_ns[1])
        self.count += count
        self.total_ns += total_ns

    def copy(self) -> "LatencySketch":
        """A sketch of the same values that shares nothing with this one."""
        return LatencySketch(
            dict(self.buckets), self.count, self.total_ns, self.min_ns, self.max_ns
        )

    def quantile_ns(self, q: float) -> float | None:
        """The value at rank `ceil(q * count)`, within `RELATIVE_ERROR`; None if there are none.

        Args:
            q: from 0 to 1.
        """
        (quantile_ns,) = self.quantiles_ns((q,))
        return quantile_ns

    def quantiles_ns(self, qs: Sequence[float]) -> list[float | None]:
        """See `quantile_ns`; several at once cost little more than one."""
        indexes = sorted(self.buckets)
        counts = map(self.buckets.__getitem__, indexes)
        limits_ns = (self.min_ns, self.max_ns)
        return bucket_quantiles(indexes, counts, count=self.count, limits_ns=limits_ns, qs=qs)

    def cumulative(self, bounds_ns: Sequence[int]) -> list[int]:
        """For each bound, in rising order, how many values are at or below it.

        A bucket counts as a whole, by its middle: each bound is off by at most `RELATIVE_ERROR`.
        """
        counts: list[int] = []
        seen = 0
        remaining = sorted(self.buckets)
        position = 0
        for bound_ns in bounds_ns:
            while position < len(remaining) and _middle(remaining[position]) <= bound_ns:
                seen += self.buckets[remaining[position]]
                position += 1
            counts.append(seen)
        return counts

    def middles(self) -> Iterator[tuple[float, int]]:
        """The middle of each bucket that holds values, in nanoseconds, and how many; in order."""
        for index in sorted(self.buckets):
            yield _middle(index), self.buckets[index]


def bucket_quantiles(
    indexes: Sequence[int],
    counts: Iterable[int],
    *,
    count: int,
    limits_ns: tuple[int, int],
    qs: Sequence[float],
) -> list[float | None]:
    """The middles of the buckets that hold the values of some ranks; None if there are no values.

    Args:
        indexes: buckets, in order.
        counts: how many values each has.
        count: how many there are altogether.
        limits_ns: the smallest and the largest value; no quantile is beyond them.
        qs: from 0 to 1.
    """
    if not count:
        return [None] * len(qs)
    reached = list(accumulate(counts))
    low, high = map(float, limits_ns)
    quantiles_ns: list[float | None] = []
    for q in qs:
        at = bisect_left(reached, max(1, math.ceil(q * count)))
        middle = _middle(indexes[at]) if at < len(indexes) else high
        quantiles_ns.append(min(max(middle, low), high))
    return quantiles_ns


def _leading_half(value: int) -> int:
    half: int = _HALF.unpack(_SINGLE.pack(value))[0]
    return half


def _lower_limit(index: int) -> float:
    value: float = struct.unpack("<f", struct.pack("<I", index << 17))[0]
    return value


# Quantiles ask for the same few again and again.
@lru_cache(maxsize=4096)
def _middle(index: int) -> float:
    # The harmonic mean of the limits has the smallest relative distance to both of them.
    low = _lower_limit(index)
    high = _lower_limit(index + 1)
    return 2 * low * high / (low + high)
