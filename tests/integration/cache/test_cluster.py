"""Nodes share stored responses and purges through a real Valkey."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lukhas.testing.fault_proxy import Fault, FaultProxy
from lukhas.testing.redis_server import RedisServer
from lukhas.units import MIB
from tests.integration.cache.kit import cache_status, gateway_processes, origin
from tests.integration.gateway.kit import Answer, Origin, Turn, gateway, until, whole

FRESH = b"Cache-Control: public, max-age=600"


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


def script(running: Origin, path: bytes, body: bytes, *lines: bytes) -> None:
    running.scripts[path] = Answer(whole(body, FRESH, *lines))


def saves(server: RedisServer) -> int:
    """How many responses were saved; nothing else asks for a time to live."""
    figures = server.ask("INFO", "commandstats").decode()
    _, found, rest = figures.partition("cmdstat_pttl:calls=")
    return int(rest.partition(",")[0]) if found else 0


async def test_nodes_share_responses_and_purges(tmp_path: Path, server: RedisServer) -> None:
    """What one node stores the other serves; a PUT at one ends it at the other within a second."""
    cache = {"disk_bytes": 16 * MIB, "redis": server.url}
    async with (
        origin() as upstream,
        gateway_processes(
            tmp_path / "1", tmp_path / "2", upstream_port=upstream.port, cache=cache
        ) as (one, two),
    ):
        body = b"old and compressible " * 200
        script(upstream, b"/a", body, b"Surrogate-Key: red")
        assert b"stored" in cache_status(await one.get(b"/a"))
        await until(lambda: saves(server) == 1)
        first = await two.get(b"/a")
        assert (first.body, cache_status(first)) == (body, b"lukhas; hit; ttl=600; detail=redis")
        assert cache_status(await two.get(b"/a")) == b"lukhas; hit; ttl=600"
        assert len(upstream.seen) == 1
        script(upstream, b"/a", b"new")
        await one.put(b"/a")
        await asyncio.sleep(1.0)
        assert (await two.get(b"/a")).body == b"new"
        await until(lambda: saves(server) == 2)
        again = await one.get(b"/a")
        assert (again.body, cache_status(again)) == (b"new", b"lukhas; hit; ttl=600; detail=redis")
        assert len([seen for seen in upstream.seen if seen.line.startswith(b"GET")]) == 2


async def test_every_key_has_an_end(tmp_path: Path, server: RedisServer) -> None:
    """But for the marks, which say what is no longer true."""
    async with gateway(tmp_path, cache={"redis": server.url}) as gate:
        await gate.hub.start()
        script(gate.origin, b"/a", b"a")
        await gate.get(b"/a")
        await gate.hub.close()
    keys = server.ask("KEYS", "lukhas:cache:*").count(b"lukhas:cache:1:")
    assert keys == 1
    reply = server.ask("EVAL", "return redis.call('PTTL', redis.call('KEYS', ARGV[1])[1])", "0",
                       "lukhas:cache:1:*")  # fmt: skip
    assert 0 < int(reply[1:].split(b"\r\n")[0]) <= 660_000


async def test_a_dead_redis_makes_the_cache_smaller_and_not_slower(
    tmp_path: Path, server: RedisServer
) -> None:
    """Hung: one deadline, then as if it were not there; no error ever."""
    async with FaultProxy(server.port) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}"
        async with gateway(tmp_path, cache={"redis": url, "redis_deadline_s": 0.1}) as gate:
            await gate.hub.start()
            for number in range(60):
                script(gate.origin, b"/%d" % number, b"%d" % number)
            assert (await gate.get(b"/0")).body == b"0"
            await proxy.switch(Fault.HANG)
            taken_s = []
            for number in range(1, 60):
                begun_s = time.perf_counter()
                assert (await gate.get(b"/%d" % number)).body == b"%d" % number
                taken_s.append(time.perf_counter() - begun_s)
            # The breaker of the link has opened by then.
            assert sum(taken > 0.09 for taken in taken_s) <= 10
            assert b"hit" in cache_status(await gate.get(b"/5"))
            assert gate.state.unhandled == 0
            await gate.hub.close()


async def test_what_was_purged_while_redis_was_away_is_told_later(
    tmp_path: Path, server: RedisServer
) -> None:
    """And a server that lost its data makes everything count as purged."""
    async with (
        FaultProxy(server.port) as proxy,
        gateway(tmp_path / "1", cache={"redis": f"redis://127.0.0.1:{proxy.port}"}) as one,
        gateway(tmp_path / "2", cache={"redis": server.url}) as two,
    ):
        await one.hub.start()
        await two.hub.start()
        script(one.origin, b"/a", b"a")
        script(two.origin, b"/a", b"a")
        await two.get(b"/a")
        assert two.hub.entries.stats().entries == 1
        await proxy.switch(Fault.REFUSE)
        await one.get(b"/a")
        client = await one.client()
        await client.ask(b"PUT /a HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n")
        assert two.hub.entries.stats().entries == 1
        await proxy.switch(Fault.PASS)
        await until(lambda: two.hub.entries.stats().entries == 0)
        await two.get(b"/a")
        assert two.hub.entries.stats().entries == 1
        server.ask("FLUSHALL")
        await until(lambda: two.hub.entries.stats().entries == 0)
        await one.hub.close()
        await two.hub.close()


async def test_nodes_fetch_together_only_once(tmp_path: Path, server: RedisServer) -> None:
    """Of many concurrent misses on two nodes one asks the origin."""
    cache = {"redis": server.url, "default_ttl_s": 60}
    async with (
        origin() as upstream,
        gateway_processes(
            tmp_path / "1", tmp_path / "2", upstream_port=upstream.port, cache=cache
        ) as (one, two),
    ):

        async def slow(turn: Turn) -> None:
            await asyncio.sleep(0.3)
            await turn.send(whole(b"slow", FRESH))

        upstream.scripts[b"/slow"] = slow
        replies = await asyncio.gather(*(gate.get(b"/slow") for gate in (one, two) * 20))
        assert {reply.body for reply in replies} == {b"slow"}
        assert len(upstream.seen) == 1


async def test_four_workers_of_two_nodes_stay_coherent(tmp_path: Path, server: RedisServer) -> None:
    """Changed forty times, at each worker by turns: those of its node see it within 50 ms, the
    others within a second, and none ever goes back to an older one."""
    cache = {"disk_bytes": 16 * MIB, "redis": server.url, "redis_deadline_s": 0.5}
    folders = (tmp_path / "0", tmp_path / "1") * 2
    async with (
        origin() as upstream,
        gateway_processes(*folders, upstream_port=upstream.port, cache=cache) as workers,
    ):
        for version in range(40):
            script(upstream, b"/a", b"%d" % version, b"Surrogate-Key: red")
            here = workers[version % 4 :] + workers[: version % 4]
            await here[0].put(b"/a")
            await asyncio.sleep(0.05)
            assert (await here[2].get(b"/a")).body == b"%d" % version
            assert (await here[0].get(b"/a")).body == b"%d" % version
            if version % 10 == 9:
                await asyncio.sleep(1.0)
                replies = await asyncio.gather(*(worker.get(b"/a") for worker in workers))
                assert {reply.body for reply in replies} == {b"%d" % version}
        asked = sum(seen.line.startswith(b"GET") for seen in upstream.seen)
        # Each version is fetched once, and now and then once more by the other node.
        assert 40 <= asked <= 90
