"""Each fault is the one that its name says."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from lukhas.testing.fault_proxy import Fault, FaultProxy


@pytest.fixture
async def proxy() -> AsyncIterator[FaultProxy]:
    """A proxy before a server that sends everything back."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with FaultProxy(server.sockets[0].getsockname()[1]) as proxy:
        yield proxy
    server.close()


class Client:
    """A connection through the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, data: bytes) -> bytes:
        """Sends, and gives what comes back first."""
        self.writer.write(data)
        return await self.reader.read(1000)


@pytest.fixture
async def client(proxy: FaultProxy) -> AsyncIterator[Client]:
    """A connection that was made before the fault."""
    client = Client(*await asyncio.open_connection("127.0.0.1", proxy.port))
    assert await client.ask(b"hello") == b"hello"
    yield client
    client.writer.close()


async def test_pass_lets_everything_through(proxy: FaultProxy, client: Client) -> None:
    """And notes what came from clients."""
    assert await client.ask(b"again") == b"again"
    assert proxy.pieces == [b"hello", b"again"]
    assert proxy.connections == 1


async def test_refuse_refuses_and_resets(proxy: FaultProxy, client: Client) -> None:
    """Old connections break, new ones are refused, until it is switched again."""
    await proxy.switch(Fault.REFUSE)
    with pytest.raises(ConnectionResetError):
        await client.ask(b"x")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", proxy.port)
    await proxy.switch(Fault.PASS)
    again = Client(*await asyncio.open_connection("127.0.0.1", proxy.port))
    assert await again.ask(b"x") == b"x"
    again.writer.close()


async def test_reset_accepts_and_resets(proxy: FaultProxy, client: Client) -> None:
    """Old and new connections alike."""
    await proxy.switch(Fault.RESET)
    with pytest.raises(ConnectionResetError):
        await client.ask(b"x")
    again = Client(*await asyncio.open_connection("127.0.0.1", proxy.port))
    with pytest.raises(ConnectionResetError):
        await again.ask(b"x")


async def test_hang_holds_everything_back(proxy: FaultProxy, client: Client) -> None:
    """Nothing is lost: it comes when the fault is over."""
    await proxy.switch(Fault.HANG)
    answer = asyncio.ensure_future(client.ask(b"later"))
    while proxy.pieces[-1] != b"later":  # noqa: ASYNC110 - the proxy has no event for it
        await asyncio.sleep(0)
    for _ in range(50):
        await asyncio.sleep(0)
    assert not answer.done()
    await proxy.switch(Fault.PASS)
    assert await answer == b"later"


async def test_delay_makes_answers_late(proxy: FaultProxy, client: Client) -> None:
    """By as much as it says, or more."""
    await proxy.switch(Fault.DELAY, delay_s=0.05)
    begun_s = time.monotonic()
    assert await client.ask(b"x") == b"x"
    assert time.monotonic() - begun_s >= 0.05


async def test_cut_closes_in_the_middle(proxy: FaultProxy, client: Client) -> None:
    """After as many bytes as it says, counted over the whole connection."""
    await proxy.switch(Fault.CUT, after_bytes=8)
    assert await client.ask(b"abcdef") == b"abc"
    assert await client.reader.read() == b""


async def test_garbage_replaces_answers(proxy: FaultProxy, client: Client) -> None:
    """By something that is an answer in another protocol."""
    await proxy.switch(Fault.GARBAGE)
    assert (await client.ask(b"x")).startswith(b"HTTP/1.1 400")


async def test_throttle_sends_byte_by_byte(proxy: FaultProxy, client: Client) -> None:
    """The answer comes whole in the end."""
    await proxy.switch(Fault.THROTTLE, bytes_per_s=500)
    client.writer.write(b"0123456789")
    assert await client.reader.readexactly(10) == b"0123456789"


async def test_without_a_server_connections_are_reset() -> None:
    """The proxy is no server itself."""
    async with FaultProxy(1) as proxy:
        client = Client(*await asyncio.open_connection("127.0.0.1", proxy.port))
        with pytest.raises(ConnectionResetError):
            await client.ask(b"x")
