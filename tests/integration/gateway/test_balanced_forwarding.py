"""Several targets over real sockets: one slow, one failing, one that refuses or hangs up."""

import asyncio
import contextlib
import random
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from lukhas.clock import SystemClock
from lukhas.errors import UpstreamConnectError, UpstreamError, UpstreamProtocolError
from lukhas.gateway.balanced_forwarding import BalancedForwarding
from lukhas.gateway.body_stream import RequestBody
from lukhas.gateway.forwarding import Forwarding
from lukhas.gateway.target_selection import Target, TargetSelection
from lukhas.gateway.upstream_connection import UpstreamTimeouts
from lukhas.gateway.upstream_pool import UpstreamPool
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead
from lukhas.pipeline.exchange import Exchange
from lukhas.policy.balancing.balancer import Balancer, Candidate
from lukhas.policy.balancing.loads import Load
from lukhas.policy.balancing.peak_ewma import PeakEwma
from lukhas.policy.balancing.round_robin import RoundRobin
from lukhas.policy.resilience.retries import RetrySettings
from tests.integration.gateway.kit import plain_dial

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]
PATIENT = RetrySettings(tries=3, least_a_second=1000, first_pause_ns=0, longest_pause_ns=0)


@dataclass(eq=False)
class Server:
    """A target: counts what it receives, and answers as it is told to."""

    answer: Answer
    received: list[bytes] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(5) if b"content-length: 5" in head else b""
                self.received.append(head.split(b" ", 1)[0] + body)
                await self.answer(writer)
                await writer.drain()

    def close(self) -> None:
        """Hangs up on everybody."""
        for writer in self.writers:
            writer.transport.abort()


def answering(status: int, body: bytes = b"ok", *, after_s: float = 0.0) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        if after_s:
            await asyncio.sleep(after_s)
        head = b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n" % (status, len(body))
        writer.write(head + body)

    return answer


async def hanging_up(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def half(writer: asyncio.StreamWriter) -> None:
    """A 503 whose body never becomes whole."""
    writer.write(b"HTTP/1.1 503 X\r\ncontent-length: 100\r\n\r\nabc")


@contextlib.asynccontextmanager
async def balanced(
    *servers: Server | None,
    balancer: Balancer | None = None,
    retries: RetrySettings = PATIENT,
    told: list[int] | None = None,
) -> AsyncIterator[tuple[BalancedForwarding, Sequence[Target], Sequence[UpstreamPool]]]:
    """An upstream of these targets; None is one that refuses connections."""
    draws = random.Random(7)
    async with contextlib.AsyncExitStack() as stack:
        targets, pools = [], []
        for number, server in enumerate(servers):
            if server is None:
                bound = stack.enter_context(socket.socket())
                bound.bind(("127.0.0.1", 0))
                port = bound.getsockname()[1]
            else:
                listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
                stack.callback(listener.close)
                stack.callback(server.close)
                port = listener.sockets[0].getsockname()[1]
            timeouts = UpstreamTimeouts(connect_s=5.0, response_s=10.0)
            pool = UpstreamPool(f"t{number}", plain_dial(port), timeouts=timeouts)
            stack.callback(pool.close)
            pools.append(pool)
            targets.append(Target(Candidate(f"t{number}", Load()), Forwarding(pool)))
        selection = TargetSelection(targets, balancer=balancer or RoundRobin(), draw=draws.random)
        yield (
            BalancedForwarding(
                "shop",
                selection,
                clock=SystemClock(),
                draw=draws.random,
                retries=retries,
                on_retry=None if told is None else lambda: told.append(1),
            ),
            targets,
            pools,
        )
        assert [target.candidate.load.in_flight for target in targets] == [0] * len(targets)
    await asyncio.sleep(0.01)


def exchange(method: str = "GET", body: bytes | None = None) -> Exchange:
    head = RequestHead(method, "http", b"a.example", b"/", b"", Headers([]))
    return Exchange(head, "192.0.2.1", 0, b"id-1", cast("Any", body))


def client_body(*, whole: bool) -> RequestBody:
    """Five bytes of a client, all there or still on their way."""
    body = RequestBody(
        asyncio.get_running_loop(), 5, pause=_nothing, resume=_nothing, on_first_read=None
    )
    body.feed(b"hello")
    if whole:
        body.finish()
    else:
        asyncio.get_running_loop().call_soon(body.finish)
    return body


def _nothing() -> None:
    """Nobody has to be stopped."""


async def test_nobody_notices_a_target_that_refuses() -> None:
    """What was never sent is sent elsewhere, whatever the method."""
    good, told = Server(answering(200)), list[int]()
    async with balanced(None, good, told=told) as (forwarding, targets, _pools):
        for method in ("GET", "POST") * 10:
            assert (await forwarding(exchange(method))).status == 200
        assert targets[0].health.ejections == 1
    assert len(good.received) == 20
    assert len(told) == 5


async def test_an_idempotent_request_is_sent_again() -> None:
    """After a target hung up, and after a 503."""
    for fault in (hanging_up, answering(503), half):
        bad, good = Server(fault), Server(answering(200))
        async with balanced(bad, good) as (forwarding, _targets, pools):
            for _ in range(4):
                assert (await forwarding(exchange())).status == 200
            assert pools[0].counts()[0] - pools[0].counts()[1] == 0
        assert bad.received


async def test_what_may_not_be_sent_twice_is_not() -> None:
    """A POST that may have arrived is never sent again, however it failed."""
    bad, good = Server(hanging_up), Server(answering(200))
    async with balanced(bad, good) as (forwarding, _targets, _pools):
        with pytest.raises(UpstreamProtocolError):
            await forwarding(exchange("POST", b"hello"))
    assert (bad.received, good.received) == ([b"POSThello"], [])
    bad = Server(answering(503))
    async with balanced(bad, good) as (forwarding, _targets, _pools):
        assert (await forwarding(exchange("POST", b"hello"))).status == 503
    assert (bad.received, good.received) == ([b"POSThello"], [])


@pytest.mark.parametrize("whole", [True, False])
async def test_the_body_goes_with_a_request_that_is_sent_again(*, whole: bool) -> None:
    """Whole or not, where nothing of it was sent yet."""
    good = Server(answering(200))
    async with balanced(None, good) as (forwarding, _targets, _pools):
        sent = exchange("PUT")
        sent.body = client_body(whole=whole)
        assert (await forwarding(sent)).status == 200
    assert good.received == [b"PUThello"]


@pytest.mark.parametrize("whole", [True, False])
async def test_a_body_that_was_streamed_is_gone(*, whole: bool) -> None:
    """A PUT whose body was whole in memory is sent again with all of it; else it fails."""
    bad, good = Server(answering(503)), Server(answering(200))
    async with balanced(bad, good) as (forwarding, _targets, _pools):
        sent = exchange("PUT")
        sent.body = client_body(whole=whole)
        assert (await forwarding(sent)).status == (200 if whole else 503)
    assert good.received == ([b"PUThello"] if whole else [])


async def test_an_outage_is_not_made_worse() -> None:
    """All fail: a fifth more requests than came, and the client hears of it."""
    one, other = Server(answering(503)), Server(answering(503))
    retries = RetrySettings(tries=3, least_a_second=0, first_pause_ns=0, longest_pause_ns=0)
    async with balanced(one, other, retries=retries) as (forwarding, _targets, _pools):
        for _ in range(100):
            assert (await forwarding(exchange())).status == 503
    assert 100 < len(one.received) + len(other.received) <= 120


async def test_the_same_target_is_tried_again_after_a_pause() -> None:
    """Where there is no other one."""
    once = iter([503])

    async def answer(writer: asyncio.StreamWriter) -> None:
        await answering(next(once, 200))(writer)

    async with balanced(Server(answer)) as (forwarding, _targets, _pools):
        assert (await forwarding(exchange())).status == 200


async def test_the_last_failure_is_the_one_that_is_told() -> None:
    """When no target could answer, and when there is none."""
    async with balanced(None, None) as (forwarding, _targets, _pools):
        with pytest.raises(UpstreamConnectError):
            await forwarding(exchange())
    async with balanced() as (forwarding, _targets, _pools):
        with pytest.raises(UpstreamError, match="no target"):
            await forwarding(exchange())


async def test_a_slow_target_is_left_alone() -> None:
    """Peak EWMA: it gets its first requests, and hardly any after them."""
    servers = [Server(answering(200, after_s=0.2)), Server(answering(200)), Server(answering(200))]
    async with balanced(*servers, balancer=PeakEwma()) as (forwarding, _targets, _pools):
        for _ in range(40):
            await asyncio.gather(*(forwarding(exchange()) for _ in range(3)))
    counts = Counter({number: len(server.received) for number, server in enumerate(servers)})
    assert counts.total() == 120
    assert counts[0] <= 8


async def test_a_client_that_goes_away_says_nothing_about_the_target() -> None:
    """A request given up frees its place, and is no failure."""
    came = asyncio.Event()

    async def never(_writer: asyncio.StreamWriter) -> None:
        came.set()

    slow = Server(never)
    async with balanced(slow) as (forwarding, targets, pools):
        given_up = asyncio.create_task(_response(forwarding))
        await came.wait()
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        assert targets[0].health.streak == 0
        await asyncio.sleep(0.01)
        assert pools[0].counts() == (0, 0)


async def _response(forwarding: BalancedForwarding) -> int:
    return (await forwarding(exchange())).status
