"""Connections that wait at the socket of another worker."""

import asyncio
import socket

from lukhas.gateway.relief import Relief


class _Greeter(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(b"hello")
        transport.close()


async def test_what_nobody_accepts_is_taken_over() -> None:
    """A sibling that accepts nothing strands nobody."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as sibling:
        relief = Relief(loop, [sibling], _Greeter)
        async with asyncio.timeout(20):
            for _ in range(3):
                reader, writer = await asyncio.open_connection(*sibling.getsockname())
                assert await reader.read() == b"hello"
                writer.close()
        await relief.close()
        # Closed, it takes nothing more, and the socket is still its owner's.
        with socket.create_connection(sibling.getsockname()):
            accepted, _ = sibling.accept()
            accepted.close()


async def test_a_connection_that_cannot_be_joined_is_closed() -> None:
    """A client whose connection fails at this end is not left waiting."""

    def fail() -> asyncio.Protocol:
        raise ConnectionError("no")

    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as sibling:
        relief = Relief(loop, [sibling], fail)
        async with asyncio.timeout(20):
            reader, writer = await asyncio.open_connection(*sibling.getsockname())
            assert await reader.read() == b""
            writer.close()
        await relief.close()


async def test_a_socket_that_does_not_listen_yet_is_left_alone() -> None:
    """Such a socket shows as ready, and gives nothing."""
    loop = asyncio.get_running_loop()
    with socket.socket() as sibling:
        sibling.bind(("127.0.0.1", 0))
        relief = Relief(loop, [sibling], _Greeter)
        for _ in range(3):
            relief._look()
        await relief.close()
