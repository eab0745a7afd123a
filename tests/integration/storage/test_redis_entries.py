"""Stored responses and purges that nodes share, in a real Valkey."""

import asyncio
from dataclasses import replace
from zlib import crc32

from lukhas.clock import SystemClock
from lukhas.policy.caching.freshness import Freshness
from lukhas.policy.caching.purges import Purge
from lukhas.storage.entries import StoredResponse
from lukhas.storage.memory_entries import MemoryEntryStore
from lukhas.storage.node_entries import ClusterMark
from lukhas.storage.redis_entries import RedisEntryTier
from lukhas.storage.redis_link import RedisLink
from lukhas.storage.redis_purges import ClusterPurges
from lukhas.storage.tiered_entries import TieredEntryStore
from lukhas.testing.redis_server import RedisServer
from lukhas.units import MIB, SECOND_NS
from tests.integration.storage.kit import opened
from tests.unit.storage.test_node_entries import entry as old_entry


class Node:
    """A process with memory over the cluster's tier; it follows when it is told to."""

    def __init__(self, link: RedisLink, name: bytes, known: ClusterMark | None = None) -> None:
        self.store = TieredEntryStore(MemoryEntryStore(4 * MIB))
        self.purges = ClusterPurges(
            link,
            node_name=name,
            apply=self.store.apply_cluster,
            sequence=self.store.latest_ticket,
            known=known,
        )
        self.tier = RedisEntryTier(link, self.purges, SystemClock())
        self.store.open_remote(self.tier)

    async def put(self, one: StoredResponse, ticket: int | None = None) -> None:
        assert self.store.put(one, self.store.ticket() if ticket is None else ticket)
        await self.tier.settled()

    async def purge(self, purge: Purge) -> None:
        self.store.purge(purge)
        await self.tier.settled()

    async def found(self, path: bytes = b"/") -> list[bytes]:
        return [one.body for one in await self.tier.find(entry(path).key)]


def entry(
    path: bytes = b"/", *, body: bytes = b"body", tags: tuple[str, ...] = ()
) -> StoredResponse:
    """A response that came just now."""
    made = old_entry(path, body=body, tags=tags)
    freshness = Freshness(SystemClock().now_ns(), 0, 60 * SECOND_NS, "max-age")
    made.terms = replace(made.terms, freshness=freshness)
    return made


async def two_nodes(link: RedisLink) -> tuple[Node, Node]:
    nodes = Node(link, b"one"), Node(link, b"two")
    for node in nodes:
        await node.purges.follow()
    return nodes


async def test_what_was_purged_is_not_found_any_more(link: RedisLink) -> None:
    """By address, tag, prefix or all of it; at once, also by who has not heard of it."""
    one, two = await two_nodes(link)
    for purge in (
        Purge(resource=entry().key[:4]),
        Purge(tag="red"),
        Purge(path_prefix=b"/"),
        Purge(),
    ):
        await one.put(entry(tags=("red", "blue")))
        assert await two.found() == [b"body"]
        await two.purge(purge)
        assert await two.found() == await one.found() == []
        await one.purges.follow()
        assert one.store.get(entry().key) is None


async def test_who_heard_late_stores_what_nobody_uses(link: RedisLink) -> None:
    """It may have fetched it before the purge."""
    one, two = await two_nodes(link)
    await two.purge(Purge(resource=entry().key[:4]))
    await one.put(entry(body=b"old"))
    assert await one.found() == await two.found() == []
    await one.purges.follow()
    await one.put(entry(body=b"new"))
    assert await two.found() == [b"new"]


async def test_a_node_is_not_told_its_own_purges(link: RedisLink) -> None:
    """What it fetched after one stays, and can be saved at once."""
    one, two = await two_nodes(link)
    await one.purge(Purge(resource=entry().key[:4]))
    await one.put(entry(body=b"after"))
    assert await two.found() == [b"after"]
    await one.purges.follow()
    assert one.store.get(entry().key)
    worker = Node(link, b"one", ClusterMark((await one.purges.least(entry().key[:4])).epoch, 0))  # type: ignore[union-attr]
    worker.store.put(entry(), worker.store.ticket())
    await worker.purges.follow()
    assert worker.store.get(entry().key)
    assert worker.purges.applied == 0


async def test_who_missed_too_much_purges_everything(link: RedisLink) -> None:
    """Beyond the end of the log, and after the server lost its data."""
    one, two = await two_nodes(link)
    await two.put(entry())
    for number in range(4200):
        one.purges.owe(Purge(tag=str(number)))
        if number % 1000 == 0:
            await one.purges.flush()
    await one.purges.flush()
    await two.purges.follow()
    assert two.store.get(entry().key) is None
    await two.put(entry())
    assert two.store.get(entry().key)
    await link.call("DEL", "lukhas:{cache}:marks")
    assert await one.found() == []
    await two.purges.follow()
    assert two.store.get(entry().key) is None


async def test_the_marks_do_not_grow_for_ever(link: RedisLink) -> None:
    """Beyond a hundred thousand, everything older counts as purged."""
    one, two = await two_nodes(link)
    await one.put(entry())
    fields = [word for number in range(100_001) for word in (f"x{number}", 1)]
    await link.call("HSET", "lukhas:{cache}:marks", *fields, key=b"lukhas:{cache}:marks")
    await two.purge(Purge(tag="other"))
    assert await link.call("HLEN", "lukhas:{cache}:marks") == 3
    assert await one.found() == []
    await one.purges.follow()
    await one.put(entry())
    assert await two.found() == [b"body"]


async def test_what_is_damaged_is_not_used(link: RedisLink) -> None:
    """Nor what is of another key, of another epoch, or no entry at all."""
    one, _two = await two_nodes(link)
    await one.put(entry(body=b"x" * 5000))
    (key,) = await link.call("KEYS", "lukhas:cache:1:*")
    field, value = await _only(link, key)
    assert len(value) < 600, "it is compressed"
    flipped = value[:-1] + bytes([value[-1] ^ 1])
    broken = value[4:40] + b"no zstd"
    sealed = crc32(broken).to_bytes(4, "little") + broken
    raw = value[4:5].replace(b"\x01", b"\x00") + value[5:]
    unpacked = crc32(raw).to_bytes(4, "little") + raw
    for wrong in (b"", flipped, sealed, unpacked):
        await link.call("HSET", key, field, wrong)
        assert await one.found() == []
    await link.call("HSET", key, field, value)
    assert await one.found() == [b"x" * 5000]
    await one.put(entry(b"/other"))
    (other,) = {*await link.call("KEYS", "lukhas:cache:1:*")} - {key}
    await link.call("HSET", other, field, value)
    assert await one.found(b"/other") == []


async def _only(link: RedisLink, key: bytes) -> tuple[bytes, bytes]:
    (field,) = await link.call("HKEYS", key)
    return field, await link.call("HGET", key, field)


async def test_variants_replace_and_leave(link: RedisLink) -> None:
    """The newest first; one that was removed is gone, the others stay."""
    one, two = await two_nodes(link)
    first, second = entry(body=b"1"), entry(body=b"2")
    second.selected_by = (b"other", None)
    await one.put(first)
    await one.put(second)
    assert await two.found() == [b"2", b"1"]
    third = entry(body=b"3")
    third.selected_by = (b"third", None)
    assert one.store.put(third, one.store.ticket(), (first, second))
    await one.tier.settled()
    assert await two.found() == [b"3"]
    one.store.remove(third)
    await one.tier.settled()
    assert await two.found() == []


async def test_what_is_no_use_to_others_is_left_out(link: RedisLink) -> None:
    """What has ended, what is very large, and what was asked for before anything was known."""
    one, _two = await two_nodes(link)
    ended = entry()
    freshness = Freshness(SystemClock().now_ns() - 100 * SECOND_NS, 0, SECOND_NS, "max-age")
    ended.terms = replace(ended.terms, freshness=freshness)
    await one.put(ended)
    await one.put(entry(body=b"x" * (MIB + 1)))
    unaware = Node(link, b"three")
    await unaware.put(entry())
    await one.put(entry(), ticket=one.store.ticket())
    assert one.tier.saved == 1
    assert unaware.tier.saved == 0


async def test_locks_are_given_back_or_end(link: RedisLink) -> None:
    """Only by who holds them."""
    one, two = await two_nodes(link)
    assert await one.tier.lock(b"name", b"one", 60_000)
    assert await two.tier.lock(b"name", b"two", 60_000) is False
    two.tier.unlock(b"name", b"two")
    await two.tier.settled()
    assert await two.tier.is_locked(b"name")
    one.tier.unlock(b"name", b"one")
    await one.tier.settled()
    assert not await two.tier.is_locked(b"name")


async def test_a_server_that_is_gone_has_nothing(own_server: RedisServer) -> None:
    """No look-up and no lock fails; a purge stays owed and is told later."""
    async with opened(own_server.url) as link:
        one, two = await two_nodes(link)
        await two.put(entry())
        own_server.kill()
        assert await one.found() == []
        assert await one.tier.lock(b"name", b"one", 1000) is None
        assert not await one.tier.is_locked(b"name")
        await one.purge(Purge())
        await one.put(entry())
        assert one.tier.failures >= 5
        own_server.restart()
        async with asyncio.timeout(20):
            await one.tier.open()
            while two.store.get(entry().key):
                await one.tier._follow_once()
                await two.tier._follow_once()
                await asyncio.sleep(0.02)
        await one.tier.close()
