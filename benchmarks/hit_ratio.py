"""How many requests the memory of the cache answers, beside LRU, on the same requests."""

import lzma
import os
import random
import struct
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path
from typing import Any

from benchmarks.measurement import Figure, Section
from lukhas.http.headers import Headers
from lukhas.policy.caching.freshness import Freshness
from lukhas.policy.caching.terms import ReuseTerms
from lukhas.storage.entries import StoredResponse
from lukhas.storage.memory_entries import MemoryEntryStore
from lukhas.units import SECOND_NS

__all__ = ("run",)

_SHARES = (1, 5, 10)
_REQUESTS = 120_000
_OBJECTS = 20_000
_TRACE_REQUESTS = 250_000
_SEED = 20
_WORST_LOSS = -2.0
_MEAN_GAIN = 4.0
_FRESH = ReuseTerms(
    Freshness(0, 0, 60 * SECOND_NS, "max-age"),
    no_cache=False,
    must_revalidate=False,
    stale_if_error_s=0,
    for_credentials=True,
    for_cookies=True,
)

Requests = list[int]


def run() -> Section:
    """Runs every workload at every size."""
    section = Section(
        "Hit ratio",
        "Percent of requests answered from memory with room for 1, 5 and 10 % of all different "
        f"objects, all of one size. Made workloads have {_REQUESTS} requests, fixed seeds; traces "
        f"their first {_TRACE_REQUESTS}. LRU is an ordered dict that counts entries.",
    )
    gains: list[float] = []
    for name, requests in _workloads(section):
        objects = len(set(requests))
        rooms = [max(10, objects * share // 100) for share in _SHARES]
        ours = [_ratio(_OurCache(room), requests) for room in rooms]
        lru = [_ratio(_Lru(room), requests) for room in rooms]
        gains += [own - other for own, other in zip(ours, lru, strict=True)]
        section.figures.append(Figure(f"{name}: ours", _columns(ours), ours=True))
        section.figures.append(Figure(f"{name}: LRU", _columns(lru)))
        for anchor in ("S3FIFO", "Sieve", "ARC"):
            found = _anchored(anchor, rooms, requests)
            if found is not None:
                section.figures.append(Figure(f"{name}: libcachesim {anchor}", _columns(found)))
    if find_spec("libcachesim") is None:
        section.skipped.append("libcachesim is not installed in this environment")
    section.at_least("points over LRU where it is least", min(gains), _WORST_LOSS)
    section.at_least("points over LRU on the mean", sum(gains) / len(gains), _MEAN_GAIN)
    return section


def _columns(ratios: list[float]) -> tuple[tuple[str, int | float | str], ...]:
    return tuple(
        (f"{share} %", round(ratio, 1)) for share, ratio in zip(_SHARES, ratios, strict=True)
    )


def _workloads(section: Section) -> Iterator[tuple[str, Requests]]:
    for skew in (0.8, 0.9, 1.0, 1.1):
        yield f"zipf {skew}", list(_zipf(skew, _REQUESTS))
    yield "scans and zipf 1.0", list(_with_scans())
    yield "shifting zipf 1.0", list(_shifting())
    folder = Path(os.environ.get("LUKHAS_TRACES", "traces"))
    traces = sorted(folder.glob("*.trace.xz"))
    for path in traces:
        yield path.name.partition(".")[0], _trace(path)
    if not traces:
        section.skipped.append(
            f"traces: none in {folder}; LUKHAS_TRACES names a folder of *.trace.xz files of "
            "big-endian 32-bit keys"
        )


def _zipf(skew: float, count: int, *, seed: int = _SEED) -> Iterable[int]:
    draw = random.Random(seed)
    weights = list(accumulate(1 / rank**skew for rank in range(1, _OBJECTS + 1)))
    return draw.choices(range(_OBJECTS), cum_weights=weights, k=count)


def _with_scans() -> Iterator[int]:
    """Every so often somebody reads a thousand objects in a row, each of them once."""
    fresh = _OBJECTS
    for number, key in enumerate(_zipf(1.0, _REQUESTS * 9 // 10)):
        yield key
        if number % 9_000 == 8_999:
            yield from range(fresh, fresh + 1_000)
            fresh += 1_000


def _shifting() -> Iterator[int]:
    """What is asked for most becomes something else ten times."""
    part = _REQUESTS // 10
    for phase in range(10):
        for key in _zipf(1.0, part, seed=_SEED + phase):
            yield (key * 7919 + phase * 1_000) % _OBJECTS


def _trace(path: Path) -> Requests:
    with lzma.open(path) as file:
        packed = file.read(4 * _TRACE_REQUESTS)
    return list(struct.unpack(f">{len(packed) // 4}i", packed[: len(packed) // 4 * 4]))


def _ratio(has: Callable[[int], bool], requests: Requests) -> float:
    hits = sum(map(has, requests))
    return 100 * hits / len(requests)


class _Lru:
    """The simplest LRU: says whether it had a key, and has it from now on."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._keys: OrderedDict[int, None] = OrderedDict()

    def __call__(self, key: int) -> bool:
        keys = self._keys
        if key in keys:
            keys.move_to_end(key)
            return True
        keys[key] = None
        if len(keys) > self._room:
            keys.popitem(last=False)
        return False


class _OurCache:
    """The store itself, with entries that all have one size."""

    def __init__(self, room: int) -> None:
        self._store = MemoryEntryStore(room * _entry(0).size_bytes)

    def __call__(self, key: int) -> bool:
        store = self._store
        found = store.get(("http", b"a.example", b"/%011d" % key, b"", ""))
        if found is not None:
            store.touch(found[0])
            return True
        store.put(_entry(key), store.ticket())
        return False


def _entry(key: int) -> StoredResponse:
    return StoredResponse(
        ("http", b"a.example", b"/%011d" % key, b"", ""),
        status=200,
        headers=Headers([]),
        body=b"",
        vary=(),
        selected_by=(),
        selected_raw=None,
        terms=_FRESH,
    )


def _anchored(name: str, rooms: list[int], requests: Requests) -> list[float] | None:
    """The same with a cache of libcachesim, if it is there."""
    if find_spec("libcachesim") is None:
        return None
    libcachesim = import_module("libcachesim")

    caches: Any = libcachesim
    ratios = []
    for room in rooms:
        cache = getattr(caches, name)(cache_size=room)
        request = caches.Request()
        request.obj_size = 1

        def has(key: int, cache: Any = cache, request: Any = request) -> bool:
            request.obj_id = key
            return bool(cache.get(request))

        ratios.append(_ratio(has, requests))
    return ratios
