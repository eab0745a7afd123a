"""Requests of a front connection that wait for a call, with nothing made for the wait."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from lukhas.gateway.dialling import Dial
from lukhas.gateway.direct_way import DirectWay
from lukhas.gateway.forwarding import Forwarding
from lukhas.gateway.upstream_connection import UpstreamConnection, UpstreamTimeouts
from lukhas.gateway.upstream_pool import UpstreamPool
from lukhas.pipeline.pipeline import Pipeline
from tests.unit.gateway.transport_kit import Transport, at_rest, connected

GET = b"GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n"
OLD = b"GET /x HTTP/1.0\r\nHost: a.example\r\n\r\n"
DATED = b"HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: 2\r\n\r\nab"


class Called:
    """A front connection before an upstream connection, whose other ends are a test."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.pool = UpstreamPool("origin", cast("Dial", self._dial), timeouts=UpstreamTimeouts())
        self.upstreams: list[Transport] = []
        self.protocols: list[UpstreamConnection] = []
        way = DirectWay(Pipeline([], lambda *_failed: None), Forwarding(self.pool))
        self.connection, self.client, self.state = connected(cast("Any", way.take))

    async def _dial(self, make: Callable[[], UpstreamConnection]) -> Any:
        transport, protocol = Transport(), make()
        self.upstreams.append(transport)
        self.protocols.append(protocol)
        protocol.connection_made(transport)
        return transport, protocol

    async def asks(self, request: bytes = GET) -> None:
        self.connection.data_received(request)
        await at_rest(self.connection)

    async def gets(self, data: bytes) -> bytes:
        """What the client gets when the upstream says this."""
        before = len(self.client.written)
        self.protocols[-1].data_received(data)
        await at_rest(self.connection)
        return self.client.written[before:]

    async def warm(self) -> None:
        """There is a connection at hand from now on."""
        await self.asks()
        assert (await self.gets(DATED)).endswith(b"ab")
        assert self.connection._task is None


async def test_a_plain_request_waits_with_nothing_made_for_it() -> None:
    """No task, no run that is a coroutine; and the connection goes on after it."""
    called = Called()
    await called.warm()
    for _ in range(2):
        await called.asks()
        assert called.connection._active is called.state.plain_request
        answer = await called.gets(DATED)
        assert answer.startswith(
            b"HTTP/1.1 200 OK\r\ndate: then\r\ncontent-length: 2\r\nx-request-id"
        )
        waits: Any = (called.connection._active, called.connection._run)
        assert waits == (None, None)
    called.pool.close()


@pytest.mark.parametrize("way", ["no date", "draining", "old", "parsed", "body"])
async def test_what_a_call_brings_may_need_more_than_to_be_sent(way: str) -> None:
    """It is answered as any request is."""
    called = Called()
    await called.warm()
    called.state.draining = way == "draining"
    post = b"POST /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1\r\n\r\nx"
    await called.asks({"old": OLD, "body": post}.get(way, GET))
    assert called.connection._task is None
    data = DATED.replace(b"Date: then\r\n", b"") if way == "no date" else DATED
    if way == "parsed":
        data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
    answer = await called.gets(data)
    assert answer.endswith(b"\r\n\r\nab")
    assert (b"date: now" in answer) is (way in {"no date", "parsed"})
    assert called.client.closed is (way in {"draining", "old"})
    called.pool.close()


async def test_the_next_request_begins_when_a_call_has_its_answer() -> None:
    """Requests behind it wait, and are answered in their turn, over the same connection."""
    called = Called()
    await called.warm()
    await called.asks(GET)
    await called.asks(GET + GET)
    for _ in range(3):
        assert (await called.gets(DATED)).count(b"HTTP/1.1 200 OK") == 1
    assert len(called.upstreams) == 1
    assert called.upstreams[0].written.count(b"GET /x") == 4
    called.pool.close()


async def test_a_failed_call_is_answered() -> None:
    """As any failure is; nobody answers it here."""
    called = Called()
    await called.warm()
    await called.asks()
    answer = await called.gets(b"nonsense\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert called.state.unhandled == 1
    called.pool.close()


async def test_a_stale_connection_is_replaced() -> None:
    """The request goes out again, over a new one."""
    called = Called()
    await called.warm()
    await called.asks()
    called.protocols[0].connection_lost(None)
    await at_rest(called.connection)
    assert len(called.upstreams) == 2
    assert (await called.gets(DATED)).endswith(b"ab")
    called.pool.close()


async def test_a_client_that_goes_away_ends_its_call() -> None:
    """And the connection that carries it; nothing is written any more."""
    called = Called()
    await called.warm()
    await called.asks()
    written = called.client.written
    called.connection.connection_lost(None)
    assert called.upstreams[0].aborted
    assert called.client.written == written
    called.pool.close()


@pytest.mark.parametrize("request_head", [GET, OLD])
async def test_interim_responses_of_a_call(request_head: bytes) -> None:
    """Are relayed to clients that know them."""
    called = Called()
    await called.warm()
    await called.asks(request_head)
    answer = await called.gets(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + DATED)
    assert (b"HTTP/1.1 103 " in answer) is (request_head is GET)
    assert b"HTTP/1.1 200 OK" in answer
    called.pool.close()
