"""Latency sketches as bytes: small, and cheap to add up."""

import zlib
from collections.abc import Iterable
from itertools import accumulate

import msgspec

from lukhas.telemetry.histograms import LatencySketch

__all__ = ("add_packed", "pack", "unpacked")

_Packed = tuple[int, int, int, list[int], list[int]]
_decode = msgspec.msgpack.Decoder(_Packed).decode
_encode = msgspec.msgpack.encode
_COMPRESSED_FROM_BYTES = 100
# A MessagePack array of five begins with 0x95.
_ZLIB = 0x78


def pack(sketch: LatencySketch) -> bytes:
    """Sum, minimum, range, gaps between the buckets in use, and their counts, as MessagePack.

    What is not small is compressed; the first byte tells.
    """
    indexes = sorted(sketch.buckets)
    gaps = [index - before for before, index in zip([0, *indexes], indexes, strict=False)]
    counts = [sketch.buckets[index] for index in indexes]
    range_ns = sketch.max_ns - sketch.min_ns
    packed = _encode((sketch.total_ns, sketch.min_ns, range_ns, gaps, counts))
    return packed if len(packed) < _COMPRESSED_FROM_BYTES else zlib.compress(packed, 1)


def add_packed(sketch: LatencySketch, packed: bytes) -> None:
    """Adds every value of a packed sketch to another; exact."""
    if packed[0] == _ZLIB:
        packed = zlib.decompress(packed)
    total_ns, min_ns, range_ns, gaps, counts = _decode(packed)
    if not counts:
        return
    if not sketch.count or min_ns < sketch.min_ns:
        sketch.min_ns = min_ns
    sketch.max_ns = max(sketch.max_ns, min_ns + range_ns)
    sketch.total_ns += total_ns
    sketch.count += sum(counts)
    buckets = sketch.buckets
    if not buckets:
        buckets.update(zip(accumulate(gaps), counts, strict=True))
        return
    for index, number in zip(accumulate(gaps), counts, strict=True):
        buckets[index] = buckets.get(index, 0) + number


def unpacked(packed: Iterable[bytes]) -> LatencySketch:
    """The sum of packed sketches."""
    sketch = LatencySketch()
    for each in packed:
        add_packed(sketch, each)
    return sketch
