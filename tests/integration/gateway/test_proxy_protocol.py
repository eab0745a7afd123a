"""PROXY headers before HTTP and before TLS."""

import asyncio
import contextlib
import dataclasses
import socket
import ssl
from pathlib import Path

import pytest

from lukhas.gateway.framing import FrontLimits
from tests.integration.gateway.certificates import Authority
from tests.integration.gateway.kit import Client, gateway, until

GET = b"GET /fine HTTP/1.1\r\nHost: a.example\r\n\r\n"
V1 = b"PROXY TCP4 198.51.100.9 10.0.0.1 4000 443\r\n"
V2 = (
    b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x13"
    + bytes((198, 51, 100, 9, 10, 0, 0, 1, 0, 1, 0, 2))
    + b"\x03\x00\x04abcd"
)
TRUSTING = {"proxy_protocol": ["127.0.0.0/8"]}


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
async def test_the_source_is_the_client(tmp_path: Path, header: bytes) -> None:
    """Requests count as those of the client that the header names, kept alive too."""
    async with gateway(tmp_path, server=TRUSTING) as gate:
        client = await gate.client()
        assert (await client.ask(header + GET)).status == 200
        assert (await client.ask(GET)).status == 200
        said = [seen.values(b"x-forwarded-for") for seen in gate.origin.seen]
        assert said[0] == [b"198.51.100.9"]


async def test_a_header_that_comes_byte_by_byte(tmp_path: Path) -> None:
    """Nothing behind it is lost."""
    async with gateway(tmp_path, server=TRUSTING) as gate:
        client = await gate.client()
        for byte in V2:
            await client.send(bytes((byte,)))
            await asyncio.sleep(0)
        assert (await client.ask(GET)).status == 200
        assert gate.origin.seen[0].values(b"x-forwarded-for") == [b"198.51.100.9"]


async def test_local_connections_keep_their_own_address(tmp_path: Path) -> None:
    """A health check of the balancer stands for nobody else."""
    local = b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
    async with gateway(tmp_path, server=TRUSTING) as gate:
        client = await gate.client()
        assert (await client.ask(local + GET)).status == 200
        assert gate.origin.seen[0].values(b"x-forwarded-for") == [b"127.0.0.1"]


@pytest.mark.parametrize("sent", [GET, b"PROXY TCP4 nonsense\r\n" + GET], ids=["none", "bad"])
async def test_without_a_good_header_there_is_no_answer(tmp_path: Path, sent: bytes) -> None:
    """From a balancer that is to send one, anything else ends the connection."""
    async with gateway(tmp_path, server=TRUSTING) as gate:
        client = await gate.client()
        await client.send(sent)
        assert await client.rest() == b""
        entrance = gate.doors.entrance
        assert entrance is not None
        assert entrance.refused == 1
        assert gate.state.requests == 0


async def test_a_header_that_does_not_come_is_waited_for_in_vain(tmp_path: Path) -> None:
    """After the time for a head the connection ends."""
    settings = TRUSTING | {"header_timeout_s": 0.1}
    async with gateway(tmp_path, server=settings) as gate:
        client = await gate.client()
        await client.send(V1[:10])
        assert await client.rest() == b""


async def test_a_client_that_leaves_within_the_header(tmp_path: Path) -> None:
    """It is forgotten."""
    async with gateway(tmp_path, server=TRUSTING) as gate:
        client = await gate.client()
        await client.send(V1[:10])
        client.close()
        entrance = gate.doors.entrance
        assert entrance is not None
        await until(lambda: entrance.refused == 1)
        assert not entrance.joining


async def test_others_cannot_name_a_source(tmp_path: Path) -> None:
    """From an address that is not listed the header is no method of HTTP: 501."""
    async with gateway(tmp_path, server={"proxy_protocol": ["192.0.2.0/24"]}) as gate:
        client = await gate.client()
        assert (await client.ask(V1 + GET)).status == 501
        assert (await gate.get()).status == 200
        assert gate.origin.seen[0].values(b"x-forwarded-for") == [b"127.0.0.1"]


async def test_without_the_setting_nobody_can(tmp_path: Path) -> None:
    """By default it is no HTTP either."""
    async with gateway(tmp_path) as gate:
        client = await gate.client()
        assert (await client.ask(V2 + GET)).status == 501


def _handshake(port: int, context: ssl.SSLContext) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 10) as plain:
        plain.sendall(V2)
        with context.wrap_socket(plain, server_hostname="api.example") as secure:
            secure.sendall(GET.replace(b"a.example", b"api.example"))
            return secure.recv(4096)


async def test_the_header_comes_before_the_handshake(tmp_path: Path) -> None:
    """With TLS the balancer passes the handshake on behind its header."""
    authority = Authority(tmp_path)
    certificate, key = authority.pair("api.example")
    tls = {"certificate": certificate, "key": key}
    async with gateway(tmp_path, server=TRUSTING, tls=tls) as gate:
        answer = await asyncio.to_thread(_handshake, gate.port, authority.client())
        assert answer.startswith(b"HTTP/1.1 200")
        assert gate.origin.seen[0].values(b"x-forwarded-for") == [b"198.51.100.9"]
        assert gate.origin.seen[0].values(b"x-forwarded-proto") == [b"https"]


async def test_limits_hold_for_each_source(tmp_path: Path) -> None:
    """Two clients behind one balancer have a limit each."""
    settings = {"tiers": {"free": "1/minute"}, "server": TRUSTING}
    async with gateway(tmp_path, **settings) as gate:  # type: ignore[arg-type]
        statuses = []
        for source in (b"198.51.100.9", b"198.51.100.9", b"198.51.100.10"):
            client = await gate.client()
            header = b"PROXY TCP4 %b 10.0.0.1 4000 443\r\n" % source
            statuses.append((await client.ask(header + GET)).status)
        assert statuses == [200, 429, 200]


async def test_drain_lets_in_who_is_on_the_way(tmp_path: Path) -> None:
    """A connection whose header is not whole yet is still served when the gateway ends."""

    def patient(limits: FrontLimits) -> FrontLimits:
        return dataclasses.replace(limits, drain_s=20.0)

    async with gateway(tmp_path, server=TRUSTING, limits=patient) as gate:
        entrance = gate.doors.entrance
        assert entrance is not None
        client: Client = await gate.client()
        await client.send(V1[:10])
        await until(lambda: entrance.joining)
        draining = asyncio.create_task(gate.server.drain())
        await until(lambda: gate.state.draining)
        reply = await client.ask(V1[10:] + GET)
        assert (reply.status, reply.values(b"connection")) == (200, [b"close"])
        with contextlib.suppress(ConnectionError):
            await client.rest()
        await draining
