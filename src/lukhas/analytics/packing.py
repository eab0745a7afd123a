"""Latency sketches as bytes: small, and cheap to add up; and the rows of many series as one."""

import zlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

import msgspec
import zstandard

from lukhas.telemetry.histograms import LatencySketch
from lukhas.telemetry.series import SeriesFigures

__all__ = (
    "Packed",
    "Point",
    "add_packed",
    "decoded",
    "pack",
    "pack_block",
    "points_of",
    "unpacked",
)

Point = tuple[int, int, int, bytes]
"""Number of a series, requests, bytes of response bodies, packed durations."""

Packed = tuple[int, int, int, list[int], list[int]]
"""Sum, minimum, range, gaps between the buckets in use, and their counts."""

_Block = tuple[list[int], list[int], list[int], list[bytes]]
_decode = msgspec.msgpack.Decoder(Packed).decode
_decode_block = msgspec.msgpack.Decoder(_Block).decode
_encode = msgspec.msgpack.encode
_COMPRESSED_FROM_BYTES = 100
# A MessagePack array of five begins with 0x95.
_ZLIB = 0x78


def pack(sketch: LatencySketch) -> bytes:
    """Sum, minimum, range, gaps between the buckets in use, and their counts, as MessagePack.

    What is not small is compressed; the first byte tells.
    """
    packed = _packed(sketch)
    return packed if len(packed) < _COMPRESSED_FROM_BYTES else zlib.compress(packed, 1)


def decoded(packed: bytes) -> Packed:
    """What `pack` wrote."""
    content: Packed = _decode(zlib.decompress(packed) if packed[0] == _ZLIB else packed)
    return content


def add_packed(sketch: LatencySketch, packed: bytes) -> None:
    """Adds every value of a packed sketch to another; exact."""
    total_ns, min_ns, range_ns, gaps, counts = decoded(packed)
    if not counts:
        return
    sketch.extend(sum(counts), total_ns, (min_ns, min_ns + range_ns))
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


def pack_block(sums: Mapping[int, SeriesFigures]) -> bytes:
    """The figures of many series over one stretch: by column, as MessagePack, Zstandard over it.

    Series are in the order of their numbers, of which the gaps are written.
    """
    numbers = sorted(sums)
    gaps = [number - before for before, number in zip([0, *numbers], numbers, strict=False)]
    figures = [sums[number] for number in numbers]
    block = _encode(
        (
            gaps,
            [each.latency.count for each in figures],
            [each.bytes_out for each in figures],
            [_packed(each.latency) for each in figures],
        )
    )
    return zstandard.ZstdCompressor().compress(block)


def points_of(content: bytes) -> Iterator[Point]:
    """What a block holds, by series."""
    block = zstandard.ZstdDecompressor().decompress(content)
    gaps, requests, bytes_out, packed = _decode_block(block)
    return zip(accumulate(gaps), requests, bytes_out, packed, strict=True)


def _packed(sketch: LatencySketch) -> bytes:
    indexes = sorted(sketch.buckets)
    gaps = [index - before for before, index in zip([0, *indexes], indexes, strict=False)]
    counts = [sketch.buckets[index] for index in indexes]
    range_ns = sketch.max_ns - sketch.min_ns
    return _encode((sketch.total_ns, sketch.min_ns, range_ns, gaps, counts))
