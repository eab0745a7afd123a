"""More than the upstream can do, over sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.gateway.kit import Answer, Gateway, Turn, gateway, until, whole

ONE = {"mode": "enforce", "min_limit": 1, "max_limit": 1, "initial_limit": 1}


class Slow:
    """Answers when told."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def __call__(self, turn: Turn) -> None:
        await self.go.wait()
        await turn.send(whole(b"slow"))


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway(tmp_path, overload=ONE | {"queue_s": 0}) as running:
        yield running


def in_flight(gate: Gateway) -> float:
    return gate.hub.recorder.gauges()["overload_in_flight"]


async def test_one_too_many_is_refused_and_what_is_stored_is_not(gate: Gateway) -> None:
    """A hit takes no slot; a refused request reads as a problem; afterwards all is as before."""
    slow = Slow()
    gate.origin.scripts[b"/slow"] = slow
    gate.origin.scripts[b"/kept"] = Answer(whole(b"kept", b"Cache-Control: max-age=60"))
    assert (await gate.get(b"/kept")).status == 200
    waiting = asyncio.ensure_future(gate.get(b"/slow"))
    await until(lambda: in_flight(gate) == 1)
    refused = await gate.get()
    assert refused.status == 503
    problem = json.loads(refused.body)
    assert problem["type"].endswith("#temporary-reduced-capacity")
    assert refused.values(b"retry-after") == [b"%d" % problem["retry_after_s"]]
    assert (await gate.get(b"/kept")).body == b"kept"
    slow.go.set()
    assert (await waiting).body == b"slow"
    assert (await gate.get()).status == 200
    assert in_flight(gate) == 0
    counted = gate.hub.recorder.snapshot()
    assert (counted.shed, counted.refusals) == ({("free", "enforce"): 1}, {"admit": 1})


async def test_events_hold_no_slot_and_a_download_does(gate: Gateway) -> None:
    """Events may go on for days; a download is work until its last byte, or its client goes."""
    go = asyncio.Event()

    async def events(turn: Turn) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        await turn.send(head + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        await go.wait()

    async def download(turn: Turn) -> None:
        await turn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
        await go.wait()

    gate.origin.scripts |= {b"/events": events, b"/download": download}
    first = await gate.client()
    await first.send(b"GET /events HTTP/1.1\r\nHost: a.example\r\n\r\n")
    await first.head()
    assert in_flight(gate) == 0
    second = await gate.client()
    await second.send(b"GET /download HTTP/1.1\r\nHost: a.example\r\n\r\n")
    await second.head()
    assert in_flight(gate) == 1
    assert (await gate.get()).status == 503
    second.abort()
    await until(lambda: in_flight(gate) == 0)
    assert (await gate.get()).status == 200
    go.set()


async def test_who_waits_and_goes_away_leaves_no_trace(tmp_path: Path) -> None:
    """The queue is short, ordered, and forgets who hung up."""
    async with gateway(tmp_path, overload=ONE | {"queue_s": 30}) as gate:
        slow = Slow()
        gate.origin.scripts[b"/slow"] = slow
        first = asyncio.ensure_future(gate.get(b"/slow"))
        await until(lambda: in_flight(gate) == 1)
        gone = await gate.client()
        await gone.send(b"GET /gone HTTP/1.1\r\nHost: a.example\r\n\r\n")
        stays = asyncio.ensure_future(gate.get(b"/stays"))
        await until(lambda: gate.hub.recorder.gauges()["overload_waiting"] == 2)
        gone.abort()
        await until(lambda: gate.hub.recorder.gauges()["overload_waiting"] == 1)
        slow.go.set()
        assert ((await first).status, (await stays).status) == (200, 200)
        assert in_flight(gate) == 0
        assert [seen.what for seen in gate.origin.seen] == [b"GET /slow", b"GET /stays"]
