"""Real servers and links to them, on uvloop and on asyncio."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping

import pytest
import uvloop

from lukhas.storage.redis_link import RedisLink
from lukhas.testing.fault_proxy import FaultProxy
from lukhas.testing.redis_cluster import RedisClusterServers
from lukhas.testing.redis_server import RedisServer
from tests.integration.storage.kit import opened


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loops that links run on."""
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


@pytest.fixture(scope="session")
def shared_server() -> Iterator[RedisServer]:
    """A server that tests neither stop nor change the settings of."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def server(shared_server: RedisServer) -> RedisServer:
    """The shared server, emptied, its scripts and figures included."""
    for command in (("FLUSHALL",), ("SCRIPT", "FLUSH"), ("CONFIG", "RESETSTAT")):
        assert shared_server.ask(*command).startswith(b"+OK")
    return shared_server


@pytest.fixture
def own_server() -> Iterator[RedisServer]:
    """A server that a test may do anything to."""
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="session")
def cluster() -> Iterator[RedisClusterServers]:
    """Three masters and three replicas; nothing is killed in it."""
    with RedisClusterServers() as servers:
        yield servers


@pytest.fixture
async def link(server: RedisServer) -> AsyncIterator[RedisLink]:
    """A link to the shared server, with a deadline that no test meets by accident."""
    async with opened(server.socket_url) as link:
        yield link


@pytest.fixture
async def proxy(server: RedisServer) -> AsyncIterator[FaultProxy]:
    """A proxy before the shared server."""
    async with FaultProxy(server.port) as proxy:
        yield proxy
