"""Which addresses are connected to."""

import asyncio
import socket

import pytest

from lukhas.config.targets import TargetAddress
from lukhas.gateway.dialling import Dial


async def test_what_a_name_stands_for_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """And one bad address among several is enough."""
    places = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 80)),
    ]

    async def getaddrinfo(*_asked: object, **_options: object) -> object:
        return places

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    with pytest.raises(OSError, match="metadata"):
        await Dial(TargetAddress("http", "rebound.test", 80))(asyncio.Protocol)
    places.clear()
    with pytest.raises(OSError, match="no address"):
        await Dial(TargetAddress("http", "rebound.test", 80))(asyncio.Protocol)


async def test_a_literal_address_is_checked_too() -> None:
    """It needs no look-up."""
    with pytest.raises(OSError, match="link-local"):
        await Dial(TargetAddress("http", "169.254.7.7", 80))(asyncio.Protocol)


async def test_every_address_of_a_name_is_tried() -> None:
    """Until one takes the connection."""
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    transport, _ = await Dial(TargetAddress("http", "localhost", port))(asyncio.Protocol)
    transport.close()
    server.close()
