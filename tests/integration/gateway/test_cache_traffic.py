"""The cache under concurrent traffic, over sockets: rules R11 and R16."""

import asyncio
import time
from pathlib import Path

from tests.integration.gateway.kit import Gateway, Reply, Turn, gateway, until, whole


async def many(gate: Gateway, path: bytes, count: int) -> list[Reply]:
    return await asyncio.gather(*(gate.get(path) for _ in range(count)))


async def test_r16_a_thousand_misses_are_one_fetch(tmp_path: Path) -> None:
    """All of them get the one answer."""
    async with gateway(tmp_path) as gate:
        opened = asyncio.Event()

        async def slow(turn: Turn) -> None:
            await turn.body()
            await opened.wait()
            await turn.send(whole(b"one", b"Cache-Control: max-age=60"))

        gate.origin.scripts[b"/x"] = slow
        asked = asyncio.create_task(many(gate, b"/x", 1000))
        await until(lambda: gate.state.requests == 1000)
        opened.set()
        assert {reply.body for reply in await asked} == {b"one"}
        assert len(gate.origin.seen) == 1


async def test_r16_uncacheable_answers_are_not_waited_for_in_a_row(tmp_path: Path) -> None:
    """Ten requests of 1 s take little longer than one: nobody waits for what is not for sharing."""
    async with gateway(tmp_path, connections=16) as gate:

        async def slow(turn: Turn) -> None:
            await turn.body()
            await asyncio.sleep(1.0)
            await turn.send(whole(b"own", b"Cache-Control: no-store"))

        gate.origin.scripts[b"/x"] = slow
        started_s = time.monotonic()
        await many(gate, b"/x", 10)
        # Waiting in a row would take 10 s, waiting for the first one 2 s.
        assert time.monotonic() - started_s < 1.9
        assert len(gate.origin.seen) == 10


async def test_r11_a_refresh_never_delays_a_client(tmp_path: Path) -> None:
    """The stale answer comes while the origin hangs."""
    async with gateway(tmp_path) as gate:
        opened = asyncio.Event()

        async def fills(turn: Turn) -> None:
            await turn.body()
            if len(gate.origin.seen) > 1:
                await opened.wait()
            body = b"%d" % len(gate.origin.seen)
            await turn.send(whole(body, b"Cache-Control: max-age=0, stale-while-revalidate=60"))

        gate.origin.scripts[b"/x"] = fills
        await gate.get(b"/x")
        stale = [await gate.get(b"/x") for _ in range(5)]
        assert {reply.body for reply in stale} == {b"1"}
        await until(lambda: len(gate.origin.seen) == 2)
        opened.set()
        await until(lambda: gate.hub.entries.stats().stored == 2)
        assert (await gate.get(b"/x")).body == b"2"


async def test_r11_a_dead_origin_is_stood_in_for(tmp_path: Path) -> None:
    """For a bounded time, where the response does not forbid it."""
    async with gateway(tmp_path) as gate:

        async def once(turn: Turn) -> None:
            await turn.body()
            if len(gate.origin.seen) > 2:
                turn.reset()
                return
            strict = b", must-revalidate" if b"/strict" in turn.seen.line else b""
            await turn.send(whole(b"old", b"Cache-Control: max-age=0" + strict, b'ETag: "a"'))

        gate.origin.scripts[b"/x"] = gate.origin.scripts[b"/strict"] = once
        await gate.get(b"/x")
        await gate.get(b"/strict")
        assert (await gate.get(b"/x")).body == b"old"
        assert (await gate.get(b"/strict")).status == 502


async def test_r14_graphql_over_sockets(tmp_path: Path) -> None:
    """The body is read, keyed, and sent on."""
    routes = [{"name": "graphql", "path": "/graphql", "cache_post": "graphql", "cache_ttl_s": 60}]
    async with gateway(tmp_path, routes=routes) as gate:
        client = await gate.client()

        async def post(body: bytes) -> Reply:
            head = (
                b"POST /graphql HTTP/1.1\r\nHost: a.example\r\nContent-Type: application/json\r\n"
            )
            return await client.ask(head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

        for body in (b'{"query": "{ a }"}', b'{"query":"{a}"}', b'{"query":"mutation {a}"}'):
            assert (await post(body)).status == 200
        assert [seen.body for seen in gate.origin.seen] == [
            b'{"query": "{ a }"}',
            b'{"query":"mutation {a}"}',
        ]
