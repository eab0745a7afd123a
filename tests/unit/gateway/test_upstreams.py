"""The pool at its limit."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from lukhas.config.settings import Settings
from lukhas.errors import (
    ConfigError,
    HandlerError,
    UpstreamConnectError,
    UpstreamError,
)
from lukhas.gateway.faults import FaultStage
from lukhas.gateway.forwarding import Forwarding
from lukhas.gateway.upstream import targets_of
from lukhas.gateway.upstream_connection import UpstreamConnection, UpstreamTimeouts
from lukhas.gateway.upstream_pool import UpstreamPool
from lukhas.gateway.worker import front_limits
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.pipeline.exchange import Exchange
from tests.integration.gateway.kit import plain_dial
from tests.unit.gateway.transport_kit import called


def test_no_upstream_is_refused() -> None:
    """A worker without an upstream does not start."""
    with pytest.raises(ConfigError, match=r"upstream\.url"):
        targets_of(Settings().upstream)


def test_front_limits_follow_the_settings() -> None:
    """Hosts are compared in lower case, and the limits of routes are known before the route is."""
    settings = Settings.model_validate(
        {
            "server": {"allowed_hosts": ["A.example"], "body_bytes": 10},
            "routes": [{"name": "r", "path": "/r", "body_bytes": 20}, {"name": "s", "path": "/s"}],
        }
    )
    limits = front_limits(settings)
    assert limits.allowed_hosts == {b"a.example"}
    assert (limits.body_bytes, limits.most_body_bytes) == (10, 20)


# -- the pool ------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def pool_of(most: int, port: int) -> AsyncIterator[UpstreamPool]:
    timeouts = UpstreamTimeouts(connect_s=5.0)
    pool = UpstreamPool("default", plain_dial(port), timeouts=timeouts, connections=most)
    try:
        yield pool
    finally:
        pool.close()
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def pool_at(most: int) -> AsyncIterator[UpstreamPool]:
    """A pool to a port where connections come about."""
    with listening() as port:
        async with pool_of(most, port) as pool:
            yield pool


@contextlib.contextmanager
def listening() -> Iterator[int]:
    """A port whose connections come about and are never accepted."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as server:
        yield server.getsockname()[1]


async def test_a_refused_connection_frees_its_place() -> None:
    """Who waits for a place hears of a failure at once, not after its own time."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        async with pool_of(1, bound.getsockname()[1]) as pool:
            results = await asyncio.gather(*(pool.open() for _ in range(4)), return_exceptions=True)
            assert [type(result) for result in results] == [UpstreamConnectError] * 4
            assert pool.counts() == (0, 0)


async def test_an_unknown_host_is_no_connection() -> None:
    """A name that means nothing is an error of the upstream."""
    timeouts = UpstreamTimeouts(connect_s=5.0)
    pool = UpstreamPool("default", plain_dial(80, "host.invalid"), timeouts=timeouts)
    with pytest.raises(UpstreamError):
        await pool.open()
    pool.close()


async def waiting(pool: UpstreamPool, number: int = 1) -> None:
    while len(pool._waiting) < number:  # noqa: ASYNC110 - the pool has no event for it
        await asyncio.sleep(0)


async def test_a_place_given_to_somebody_who_left_goes_to_the_next() -> None:
    """A connection handed to a cancelled waiter is not lost."""
    async with pool_at(1) as pool:
        connection = await pool.open()
        first = asyncio.create_task(pool.open())
        second = asyncio.create_task(pool.open())
        await waiting(pool, 2)
        pool._freed(connection)
        first.cancel()
        assert await second is connection
        with pytest.raises(asyncio.CancelledError):
            await first
        connection.idle_since_s = asyncio.get_running_loop().time()
        third = asyncio.create_task(pool.open())
        await waiting(pool)
        pool._freed(connection)
        third.cancel()
        with pytest.raises(asyncio.CancelledError):
            await third
        assert pool.take_idle() is connection


async def test_an_empty_place_given_to_somebody_who_left_goes_to_the_next() -> None:
    """The place of a connection that is gone is not lost either."""
    async with pool_at(1) as pool:
        connection = await pool.open()
        first = asyncio.create_task(pool.open())
        second = asyncio.create_task(pool.open())
        await waiting(pool, 2)
        pool._gone(connection)
        first.cancel()
        assert await second is not connection
        connection.abort()


async def test_a_connection_that_closes_on_its_way_to_a_waiter() -> None:
    """A waiter that is handed a closed connection opens one of its own."""
    async with pool_at(1) as pool:
        connection = await pool.open()
        first = asyncio.create_task(pool.open())
        await waiting(pool)
        pool._freed(connection)
        connection.abort()
        assert await first is not connection


async def test_who_left_before_there_was_a_place_is_forgotten() -> None:
    """A connection that becomes free afterwards is idle, and nobody waits for it."""
    async with pool_at(1) as pool:
        connection = await pool.open()
        first = asyncio.create_task(pool.open())
        await waiting(pool)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert (len(pool._waiting), pool._waiters) == (0, 0)
        pool._freed(connection)
        assert pool.counts() == (1, 1)
        assert pool.take_idle() is connection


@pytest.mark.parametrize("fresh", [True, False])
async def test_closed_connections_are_passed_over(*, fresh: bool) -> None:
    """An idle connection that is closing is not taken."""
    async with pool_at(2) as pool:
        connections = [await pool.open(), await pool.open()]
        for connection in connections:
            pool._freed(connection)
        connections[1].abort()

        def take() -> UpstreamConnection | None:
            return pool.take_fresh(at_most_s=10.0) if fresh else pool.take_idle()

        assert take() is connections[0]
        assert take() is None


async def test_what_was_idle_for_long_is_not_fresh() -> None:
    """It stays where it is, for those who do not mind."""
    async with pool_at(1) as pool:
        connection = await pool.open()
        pool._freed(connection)
        connection.idle_since_s -= 20.0
        assert pool.take_fresh(at_most_s=10.0) is None
        assert pool.take_idle() is connection


async def test_a_retired_pool_keeps_nothing_that_becomes_free() -> None:
    """Unless somebody waits for it."""
    async with pool_at(1) as pool:
        connection = await pool.open()
        pool.retire()
        second = asyncio.create_task(pool.open())
        await waiting(pool)
        pool._freed(connection)
        assert await second is connection
        pool._freed(connection)
        assert connection.is_closing()


async def test_a_run_that_is_dropped_drops_its_connection() -> None:
    """A coroutine that nobody awaits any more leaves no exchange on the connection."""
    async with pool_at(1) as pool:
        connection: UpstreamConnection = await pool.open()
        run = called(connection)
        run.send(None)
        run.close()
        assert connection.is_closing()


# -- faults --------------------------------------------------------------------------------------


def exchange() -> Exchange:
    head = RequestHead("GET", "http", b"a.example", b"/", b"", Headers([]))
    return Exchange(head, "192.0.2.1", 0, b"id-1")


async def test_only_upstream_failures_are_answered() -> None:
    """Other failures of the handler go on to who knows them."""

    async def failing(_exchange: Exchange) -> Response:
        raise HandlerError(ValueError("x"))

    with pytest.raises(HandlerError):
        await FaultStage()(exchange(), failing)


async def test_failures_are_told() -> None:
    """Whoever asked hears of each failure of the upstream."""
    told: list[UpstreamError] = []
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        async with pool_of(1, bound.getsockname()[1]) as pool:
            with pytest.raises(UpstreamConnectError):
                await Forwarding(pool, on_error=told.append)(exchange())
    assert [error.upstream for error in told] == ["default"]
