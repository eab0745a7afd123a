"""Which addresses are connected to."""

import asyncio
import ipaddress
import socket

import pytest

from lukhas.config.targets import TargetAddress
from lukhas.gateway.dialling import Dial, refused_because


@pytest.mark.parametrize(
    ("address", "local", "why"),
    [
        ("127.0.0.1", False, ""),
        ("10.0.0.1", False, ""),
        ("2001:db8::1", False, ""),
        ("169.254.1.1", False, "link-local"),
        ("169.254.1.1", True, ""),
        ("fe80::1", False, "link-local"),
        ("169.254.169.254", True, "metadata"),
        ("::ffff:169.254.169.254", True, "metadata"),
        ("fd00:ec2::254", False, "metadata"),
        ("100.100.100.200", False, "metadata"),
        ("224.0.0.1", True, "no machine"),
        ("0.0.0.0", True, "no machine"),
        ("::", False, "no machine"),
    ],
)
def test_addresses_that_no_api_has(address: str, local: bool, why: str) -> None:
    """Metadata services are never asked; link-local ones only where that is set."""
    found = refused_because(ipaddress.ip_address(address), allow_link_local=local)
    assert (why in found) if why else not found


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
