"""The tiers of the cache: what a hit costs in each of them, and how much memory entries take."""

import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.measurement import Figure, Section, pin
from lukhas.clock import SystemClock
from lukhas.errors import NotAvailableError
from lukhas.http.headers import Headers
from lukhas.policy.caching.freshness import Freshness
from lukhas.policy.caching.keys import CacheKey
from lukhas.policy.caching.terms import ReuseTerms
from lukhas.storage.entries import StoredResponse
from lukhas.storage.fetch_locks import FetchLocks, open_fetch_locks
from lukhas.storage.memory_entries import MemoryEntryStore
from lukhas.storage.node_entries import NodeEntryStore
from lukhas.storage.node_entry_opening import open_node_entry_file
from lukhas.storage.redis_entries import RedisEntryTier
from lukhas.storage.redis_link import RedisLink
from lukhas.storage.redis_purges import ClusterPurges
from lukhas.storage.redis_settings import settings_from_url
from lukhas.storage.tiered_entries import TieredEntryStore
from lukhas.testing.redis_server import RedisServer
from lukhas.units import DAY_NS, KIB, MIB, SECOND_NS

__all__ = ("run",)

_BODY_BYTES = 2 * KIB
_ROUNDS = 5
_LOOPS = 2_000
_REDIS_LOOPS = 500
_FILLED_BYTES = 200 * MIB
_HIT_US = 60
_LOCK_US = 10
_RSS_RATIO = 1.15


def run() -> Section:
    """Measures each tier, then fills memory."""
    section = Section(
        "Cache tiers",
        f"{_BODY_BYTES} B entries with six fields; look-ups in the store, without the request "
        f"around them; the quickest of {_ROUNDS} rounds of {_LOOPS}. A hit of the node's file is "
        "also brought up into memory.",
    )
    pin(0)
    with tempfile.TemporaryDirectory(prefix="bench-tiers-") as folder:
        _node(section, Path(folder))
    _redis(section)
    _memory(section)
    return section


def _node(section: Section, folder: Path) -> None:
    entries = [_entry(number) for number in range(_ROUNDS * _LOOPS)]
    node = NodeEntryStore(open_node_entry_file(folder, 256 * MIB))
    put_us = _quickest_us(lambda at: node.put(entries[at], node.ticket()))
    store = TieredEntryStore(MemoryEntryStore(256 * MIB))
    store.open_node(node)
    miss_us = _quickest_us(lambda at: store.get(("http", b"b.example", b"/%d" % at, b"", "")))
    hit_us = _quickest_us(lambda at: store.get(entries[at].key))
    memory_us = _quickest_us(lambda at: store.get(entries[at].key))
    locks = open_fetch_locks(folder)
    names = [os.urandom(16) for _ in entries]
    lock_us = _quickest_us(lambda at: _locked(locks, names[at]))
    locks.close()
    store.close()
    for name, taken_us in (
        ("hit in memory, over the node's file", memory_us),
        ("hit in the node's file", hit_us),
        ("miss in both", miss_us),
        ("stored in the node's file", put_us),
        ("lock of a fetch, taken and given back", lock_us),
    ):
        section.figures.append(Figure(name, (("us", round(taken_us, 2)),), ours=True))
    section.at_most("a hit in the node's file", hit_us, _HIT_US, " us")
    section.at_most("a lock of a fetch", lock_us, _LOCK_US, " us")


def _locked(locks: FetchLocks, name: bytes) -> None:
    locks.take(name)
    locks.give_back(name)


def _quickest_us(act: Callable[[int], object]) -> float:
    """The quickest round; each one acts on entries of its own."""
    quickest_ns = 1 << 62
    for begin in range(0, _ROUNDS * _LOOPS, _LOOPS):
        begun_ns = time.perf_counter_ns()
        for at in range(begin, begin + _LOOPS):
            act(at)
        quickest_ns = min(quickest_ns, time.perf_counter_ns() - begun_ns)
    return quickest_ns / _LOOPS / 1000


def _redis(section: Section) -> None:
    try:
        server = RedisServer()
    except NotAvailableError as error:
        section.skipped.append(f"Redis: {error}")
        return
    with server:
        hit_us, absent_us = asyncio.run(_redis_us(server.url))
    for name, taken_us in (("hit in Redis", hit_us), ("miss in Redis", absent_us)):
        section.figures.append(Figure(name, (("us", round(taken_us, 1)),), ours=True))


async def _redis_us(url: str) -> tuple[float, float]:
    async with RedisLink(settings_from_url(url)) as link:
        purges = ClusterPurges(
            link, node_name=b"bench", apply=lambda _purge, _mark: None, sequence=lambda: 0
        )
        tier = RedisEntryTier(link, purges, SystemClock())
        await tier.open()
        entries = [_entry(number) for number in range(_REDIS_LOOPS)]
        for entry in entries:
            tier.save(entry, 0)
            await tier.settled()
        hit_us = await _asked_us(tier, [entry.key for entry in entries])
        if tier.found != _ROUNDS * _REDIS_LOOPS:
            raise RuntimeError(f"{tier.found} of {tier.asked} look-ups found something")
        absent: list[CacheKey] = [
            ("http", b"b.example", b"/%d" % number, b"", "") for number in range(_REDIS_LOOPS)
        ]
        absent_us = await _asked_us(tier, absent)
        await tier.close()
        return hit_us, absent_us


async def _asked_us(tier: RedisEntryTier, keys: list[CacheKey]) -> float:
    quickest_ns = 1 << 62
    for _ in range(_ROUNDS):
        begun_ns = time.perf_counter_ns()
        for key in keys:
            await tier.find(key)
        quickest_ns = min(quickest_ns, time.perf_counter_ns() - begun_ns)
    return quickest_ns / len(keys) / 1000


def _memory(section: Section) -> None:
    """Fills a store to its bound, twice over, and looks at what the process takes."""
    before_bytes = _rss_bytes()
    store = MemoryEntryStore(_FILLED_BYTES)
    number = 0
    while store.stats().evicted < store.stats().entries or not number:
        for _ in range(1000):
            store.put(_entry(number), store.ticket())
            number += 1
    stats = store.stats()
    taken_bytes = _rss_bytes() - before_bytes
    ratio = taken_bytes / _FILLED_BYTES
    section.figures.append(
        Figure(
            f"memory filled to {_FILLED_BYTES // MIB} MiB",
            (
                ("entries", stats.entries),
                ("MiB taken", round(taken_bytes / MIB, 1)),
                ("counted B/entry", round(stats.used_bytes / stats.entries)),
                ("taken B/entry", round(taken_bytes / stats.entries)),
            ),
            ours=True,
        )
    )
    section.at_most("memory taken, of the bound", ratio, _RSS_RATIO)


def _rss_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _entry(number: int) -> StoredResponse:
    now_ns = time.time_ns()
    etag = b'"%032x"' % number
    return StoredResponse(
        ("http", b"api.example", b"/products/%d" % number, b"page=1", ""),
        status=200,
        headers=Headers(
            [
                (b"content-type", b"application/json"),
                (b"cache-control", b"public, max-age=600"),
                (b"etag", etag),
                (b"content-length", b"%d" % _BODY_BYTES),
                (b"date", b"Wed, 25 Nov 2026 04:05:%02d GMT" % (number % 60)),
                (b"server", b"uvicorn/%d" % number),
            ]
        ),
        body=os.urandom(_BODY_BYTES),
        vary=(),
        selected_by=(),
        selected_raw=(),
        terms=ReuseTerms(
            Freshness(now_ns, 0, DAY_NS, "max-age"),
            no_cache=False,
            must_revalidate=False,
            stale_if_error_s=60,
            for_credentials=True,
            for_cookies=True,
            fetch_ns=SECOND_NS,
        ),
    )
