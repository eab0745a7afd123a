"""Stored responses that nodes share, in Redis or Valkey.

A hash for each cache key holds its variants. Each value says up to which purge of the cluster it
was surely true; whoever reads it compares that with the marks of its resource and its tags. So a
node that heard of a purge late can store something, but nobody will use it.
"""

import asyncio
import logging
import struct
from collections.abc import Coroutine
from typing import Any
from zlib import crc32

import zstandard

from lukhas.clock import Clock
from lukhas.errors import StoreError
from lukhas.policy.caching.keys import CacheKey
from lukhas.policy.caching.purges import Purge
from lukhas.storage.entries import StoredResponse
from lukhas.storage.entry_codec import KnownEntry, decode_entry, encode_entry, encode_key
from lukhas.storage.node_entry_keys import entry_variant, key_prefix
from lukhas.storage.redis_link import RedisLink
from lukhas.storage.redis_purges import ClusterPurges
from lukhas.storage.redis_scripts import Script
from lukhas.units import MIB

__all__ = ("RedisEntryTier",)

_log = logging.getLogger(__name__)

_HEAD = struct.Struct("<IBQ8s")
_PLAIN = 0
_ZSTD = 1
# Below, the shorter value is not worth the time.
_COMPRESS_BYTES = 1024
_MAX_ENTRY_BYTES = MIB
_MAX_TTL_MS = 86_400_000
_MAX_JOBS = 1024
_FOLLOW_EVERY_S = 0.25

# ARGV: time to live in milliseconds, field, value, fields to remove.
_SAVE = Script(
    """
for at = 4, #ARGV do redis.call('HDEL', KEYS[1], ARGV[at]) end
if redis.call('HLEN', KEYS[1]) >= 20 then redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return 1
"""
)
# ARGV: who holds it.
_RELEASE = Script(
    """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
)


class RedisEntryTier:
    """Saves, finds and locks entries of the cluster. A server that fails makes it empty.

    Args:
        link: to the server; its deadline bounds each call.
        purges: those of the cluster.
        clock: the time.
        space: whose entries they are; those of others are never found.

    Attributes:
        saved: how many responses were saved.
        found: how many look-ups found something.
        asked: how many there were.
        failures: how often the server did not answer.
    """

    def __init__(
        self, link: RedisLink, purges: ClusterPurges, clock: Clock, *, space: bytes = b""
    ) -> None:
        self._link = link
        self._space = space
        self._purges = purges
        self._now_ns = clock.now_ns
        self._jobs: set[asyncio.Task[None]] = set()
        self._following: asyncio.Task[None] | None = None
        self._compress = zstandard.ZstdCompressor(level=1).compress
        self._decompress = zstandard.ZstdDecompressor().decompress
        self.saved = 0
        self.found = 0
        self.asked = 0
        self.failures = 0

    async def open(self) -> None:
        """Takes notice of what was purged, and goes on doing so."""
        await self._follow_once()
        self._following = asyncio.get_running_loop().create_task(self._follow())

    async def close(self) -> None:
        """Ends what runs in the background, once what was to be told is told."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
            self._following = None
        await self.settled()

    async def settled(self) -> None:
        """Waits until everything given so far was sent, or failed."""
        while self._jobs:
            await asyncio.gather(*self._jobs, return_exceptions=True)

    def save(
        self, entry: StoredResponse, ticket: int, superseded: tuple[StoredResponse, ...] = ()
    ) -> None:
        """Takes over a response, in the background; what is in a hurry or too large is left out."""
        mark = self._purges.position(ticket)
        ttl_ms = self._ttl_ms(entry)
        if mark is None or ttl_ms <= 0 or len(self._jobs) >= _MAX_JOBS:
            return
        if len(entry.body) > _MAX_ENTRY_BYTES:
            return
        packed_key = encode_key(entry.key, self._space)
        packed = encode_entry(entry, packed_key)
        kind = _PLAIN
        if len(packed) > _COMPRESS_BYTES:
            packed, kind = self._compress(packed), _ZSTD
        sealed = _HEAD.pack(0, kind, mark.number, mark.epoch)[4:] + packed
        value = crc32(sealed).to_bytes(4, "little") + sealed
        gone = [field for old in superseded if (field := _field(old)) != _field(entry)]
        args: list[bytes | int] = [ttl_ms, _field(entry), value, *gone]
        self._begin(self._saved(_key(entry.key, packed_key), args))

    async def _saved(self, key: bytes, args: list[bytes | int]) -> None:
        await self._link.script(_SAVE, [key], args)
        self.saved += 1

    def remove(self, entry: StoredResponse) -> None:
        """Removes one variant, in the background."""
        self._begin(
            self._removed(_key(entry.key, encode_key(entry.key, self._space)), _field(entry))
        )

    async def _removed(self, key: bytes, field: bytes) -> None:
        await self._link.call("HDEL", key, field)

    def purge(self, purge: Purge, sequence: int) -> None:
        """Tells all nodes of a purge; see `ClusterPurges`."""
        self._purges.owe(purge)
        self._begin(self._purges.flush())

    async def find(self, key: CacheKey) -> tuple[StoredResponse, ...]:
        """What the cluster has stored under a key and is still true; empty if it cannot tell."""
        self.asked += 1
        packed_key = encode_key(key, self._space)
        try:
            marks, values = await asyncio.gather(
                self._purges.least(key[:4]),
                self._link.call("HVALS", _key(key, packed_key)),
            )
            if marks is None:
                return ()
            found = []
            for value in values:
                opened = self._opened(bytes(value), epoch=marks.epoch, least=marks.least)
                if opened is None or opened[1].packed_key != packed_key:
                    continue
                position, known = opened
                if known.tags and not await self._purges.are_untouched(known.tags, position):
                    continue
                entry = known.response(key)
                entry.tier = "redis"
                found.append(entry)
        except StoreError:
            self.failures += 1
            return ()
        found.sort(key=lambda entry: -entry.terms.freshness.responded_ns)
        self.found += bool(found)
        return tuple(found)

    async def lock(self, name: bytes, owner: bytes, ttl_ms: int) -> bool | None:
        """Takes a lock that ends by itself; None if the server does not answer."""
        try:
            taken = await self._link.call("SET", _lock(name), owner, "NX", "PX", ttl_ms)
        except StoreError:
            self.failures += 1
            return None
        return taken is not None

    def unlock(self, name: bytes, owner: bytes) -> None:
        """Gives a lock back, in the background."""
        self._begin(self._unlocked(name, owner))

    async def _unlocked(self, name: bytes, owner: bytes) -> None:
        await self._link.script(_RELEASE, [_lock(name)], [owner])

    async def is_locked(self, name: bytes) -> bool:
        """Whether anybody holds a lock; False if the server does not answer."""
        try:
            return bool(await self._link.call("EXISTS", _lock(name)))
        except StoreError:
            self.failures += 1
            return False

    def _opened(self, value: bytes, *, epoch: bytes, least: int) -> tuple[int, KnownEntry] | None:
        if len(value) < _HEAD.size:
            return None
        checksum, kind, position, own_epoch = _HEAD.unpack_from(value)
        if own_epoch != epoch or position < least or crc32(value[4:]) != checksum:
            return None
        packed = value[_HEAD.size :]
        if kind == _ZSTD:
            try:
                packed = self._decompress(packed, max_output_size=4 * _MAX_ENTRY_BYTES)
            except zstandard.ZstdError:
                return None
        known = decode_entry(packed)
        return None if known is None else (position, known)

    def _ttl_ms(self, entry: StoredResponse) -> int:
        terms = entry.terms
        stale_s = max(
            terms.stale_if_error_s, terms.stale_if_unreachable_s, terms.stale_while_revalidate_s
        )
        left_ns = terms.freshness.fresh_until_ns - self._now_ns()
        return min(_MAX_TTL_MS, left_ns // 1_000_000 + stale_s * 1000)

    def _begin(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._contained(job))
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)

    async def _contained(self, job: Coroutine[Any, Any, None]) -> None:
        try:
            await job
        except StoreError:
            self.failures += 1

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(_FOLLOW_EVERY_S)
            await self._follow_once()

    async def _follow_once(self) -> None:
        try:
            await self._purges.follow()
        except StoreError:
            self.failures += 1
        except Exception:  # noqa: BLE001 - the next look may succeed, and nobody waits for this one
            _log.exception("the purges of the cluster could not be followed")


def _key(key: CacheKey, packed_key: bytes) -> bytes:
    return b"lukhas:cache:1:" + key_prefix(key[:4], packed_key)


def _lock(name: bytes) -> bytes:
    return b"lukhas:cache:lock:" + name


def _field(entry: StoredResponse) -> bytes:
    return entry_variant(entry)
