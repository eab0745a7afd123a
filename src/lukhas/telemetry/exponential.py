"""Sketches as exponential histograms, as OpenTelemetry and Prometheus ("native") have them.

Their bucket limits are the powers of a base, `2 ** 2 ** -scale`. Those of `LatencySketch` are not:
it cuts each octave into 64 parts of the same length. So each of its buckets goes as a whole into
the one that holds its middle. A value then lies at most `RELATIVE_ERROR` (0.78 %) outside the
bucket that it is counted in, and sums of counts stay exact. With scale 4 a bucket is 4.4 % wide.
"""

import math
from dataclasses import dataclass

from lukhas.telemetry.histograms import LatencySketch
from lukhas.units import SECOND_NS

__all__ = ("FINEST_SCALE", "Exponential", "exponential_of")

FINEST_SCALE = 4
"""Bases finer than this are nearly as fine as the buckets of a sketch."""


@dataclass(frozen=True, slots=True)
class Exponential:
    """A distribution of seconds.

    Attributes:
        scale: the limits of buckets are powers of `2 ** 2 ** -scale`.
        counts: number of values by bucket, in order; bucket `i` begins at the `i`-th power.
    """

    scale: int
    counts: dict[int, int]


def exponential_of(sketch: LatencySketch, *, most_buckets: int | None = None) -> Exponential:
    """A sketch in exponential buckets.

    Args:
        sketch: the durations.
        most_buckets: from the first to the last one, empty ones included, 2 at least; where there
            would be more, the scale is smaller, and neighbours are joined.

    Raises:
        ValueError: fewer than 2 buckets: those on both sides of one second are never joined.
    """
    if most_buckets is not None and most_buckets < 2:
        raise ValueError("there are at least two buckets")
    scale = FINEST_SCALE
    counts: dict[int, int] = {}
    for middle_ns, number in sketch.middles():
        index = math.floor(math.log2(middle_ns / SECOND_NS) * (1 << scale))
        counts[index] = counts.get(index, 0) + number
    if most_buckets is None or not counts:
        return Exponential(scale, counts)
    first, last = min(counts), max(counts)
    shift = 0
    while (last >> shift) - (first >> shift) + 1 > most_buckets:
        shift += 1
    if not shift:
        return Exponential(scale, counts)
    joined: dict[int, int] = {}
    for index, number in counts.items():
        joined[index >> shift] = joined.get(index >> shift, 0) + number
    return Exponential(scale - shift, joined)
