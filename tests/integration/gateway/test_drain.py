"""The polite end: nothing under way is lost."""

import asyncio
import dataclasses
from pathlib import Path

import pytest

from tests.integration.gateway.kit import Gateway, Turn, gateway, until, whole

HOST = b"Host: a.example\r\n"


async def test_drain_finishes_what_is_under_way(gate: Gateway) -> None:
    """A request under way gets its whole answer, marked as the last of its connection."""
    go = asyncio.Event()

    async def slow(turn: Turn) -> None:
        await go.wait()
        await turn.send(whole(b"slow"))

    gate.origin.scripts[b"/slow"] = slow
    client = await gate.client()
    await client.send(b"GET /slow HTTP/1.1\r\n%b\r\n" % HOST)
    await until(lambda: gate.origin.seen)
    draining = asyncio.create_task(gate.server.drain())
    await until(lambda: gate.state.draining)
    go.set()
    reply = await client.reply()
    assert (reply.body, reply.values(b"connection")) == (b"slow", [b"close"])
    assert await client.rest() == b""
    await draining


async def test_drain_answers_kept_connections_once_more(gate: Gateway) -> None:
    """A kept connection that is used just then gets its answer, not a reset."""
    client = await gate.client()
    await client.get()
    draining = asyncio.create_task(gate.server.drain())
    await until(lambda: gate.state.draining)
    reply = await client.get()
    assert (reply.status, reply.values(b"connection")) == (200, [b"close"])
    await draining


async def test_drain_ends_idle_connections(gate: Gateway) -> None:
    """Connections on which nothing happens are closed after a while; no new ones are taken."""
    idle = await gate.client()
    await idle.get()
    fresh = await gate.client()
    await until(lambda: len(gate.state.connections) == 2)
    draining = asyncio.create_task(gate.server.drain())
    await until(lambda: gate.state.draining)
    gate.listening.close()
    assert await idle.rest() == b""
    assert await fresh.rest() == b""
    await draining
    with pytest.raises(OSError, match=r".*"):
        await gate.client()


async def test_drain_is_bounded(tmp_path: Path) -> None:
    """What does not end in time is dropped."""

    async def hang(turn: Turn) -> None:
        await turn.gone()

    def quick(limits: object) -> object:
        return dataclasses.replace(limits, drain_s=0.1)  # type: ignore[type-var]

    async with gateway(tmp_path, limits=quick) as gate:  # type: ignore[arg-type]
        gate.origin.scripts[b"/hang"] = hang
        client = await gate.client()
        await client.send(b"GET /hang HTTP/1.1\r\n%b\r\n" % HOST)
        await until(lambda: gate.origin.seen)
        await gate.server.drain()
        assert await client.rest() == b""
        await until(lambda: not gate.state.connections)


async def test_drain_leaves_a_half_sent_request_its_time(gate: Gateway) -> None:
    """A request whose head has begun is no idle connection."""
    client = await gate.client()
    await client.send(b"GET /x HTTP/1.1\r\n")
    (connection,) = gate.state.connections
    await until(lambda: connection._parser.in_head)  # type: ignore[attr-defined]
    connection.end_if_idle()
    assert (await client.ask(HOST + b"\r\n")).status == 200
