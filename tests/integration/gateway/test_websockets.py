"""WebSocket connections through the gateway, with the client and the server of `websockets`."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Request, Response

from lukhas.gateway.framing import FrontLimits
from lukhas.testing.redis_server import RedisServer
from tests.integration.gateway.certificates import Authority
from tests.integration.gateway.kit import WAIT_S, Gateway, Turn, gateway, until

ROUTE = {"name": "socket", "path": "/ws/{rest:path}", "websocket": True}
HANDSHAKE = (
    b"GET /ws/x HTTP/1.1\r\nHost: a.example\r\nConnection: keep-alive, Upgrade\r\n"
    b"Upgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


class EchoServer:
    """Echoes; what it saw stays."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.codes: list[int | None] = []
        self.port = 0

    async def handle(self, connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None
        self.requests.append(request)
        try:
            async for message in connection:
                if message == "close":
                    await connection.close(4001, "as asked")
                    return
                if message == "flood":
                    for _ in range(400):
                        await connection.send(bytes(65_536))
                    continue
                await connection.send(message)
        finally:
            self.codes.append(connection.close_code)

    @staticmethod
    def refuse(connection: ServerConnection, request: Request) -> Response | None:
        if request.path == "/ws/refused":
            return connection.respond(403, "not you")
        return None


@contextlib.asynccontextmanager
async def echoing(tmp_path: Path, **settings: object) -> AsyncIterator[tuple[Gateway, EchoServer]]:
    """A gateway in front of an echo server."""
    echo = EchoServer()
    async with serve(
        echo.handle,
        "127.0.0.1",
        0,
        process_request=echo.refuse,
        select_subprotocol=lambda _, offered: offered[0] if offered else None,
        max_size=None,
    ) as server:
        echo.port = next(iter(server.sockets)).getsockname()[1]
        values = {"routes": [ROUTE]} | settings
        async with gateway(tmp_path, upstream_port=echo.port, **values) as gate:  # type: ignore[arg-type]
            yield gate, echo
            for connection in tuple(gate.state.connections):
                connection.abort()
            await until(lambda: not gate.state.connections)
            assert gate.state.unhandled == 0


def opened(gate: Gateway, path: str = "/ws/echo", **options: object) -> connect:
    return connect(
        f"ws://127.0.0.1:{gate.port}{path}",
        proxy=None,
        max_size=None,
        **options,  # type: ignore[arg-type]
    )


async def closed(connection: ClientConnection) -> tuple[int | None, str | None]:
    """The close code and the reason of a connection that ends."""
    with contextlib.suppress(ConnectionClosed):
        async with asyncio.timeout(WAIT_S):
            while True:
                await connection.recv()
    return connection.close_code, connection.close_reason


@pytest.mark.parametrize("compression", ["deflate", None])
async def test_messages_pass_both_ways(tmp_path: Path, compression: str | None) -> None:
    """Texts, bytes, fragments and pings, compressed or not, in their order; the end is 1000."""
    async with echoing(tmp_path) as (gate, echo):
        async with opened(gate, compression=compression, subprotocols=["chat"]) as connection:
            assert connection.subprotocol == "chat"
            for message in ("hello", b"\x00" * 100_000, "", "ü" * 70_000):
                await connection.send(message)
                assert await connection.recv() == message
            await connection.send(["in ", "three ", "parts"])
            assert await connection.recv() == "in three parts"
            await (await connection.ping())
            figures = gate.doors.figures
            assert (figures.open, figures.messages_in, figures.messages_out) == (1, 5, 5)
        assert connection.close_code == 1000
        await until(lambda: echo.codes == [1000])
        await until(lambda: figures.open == 0)
        request = echo.requests[0]
        assert request.headers["x-forwarded-for"] == "127.0.0.1"
        assert request.headers["host"].startswith("127.0.0.1")
        counts = gate.hub.recorder.snapshot().requests
        assert sum(n for labels, n in counts.items() if labels[2] == "1xx") == 1


async def test_close_codes_of_the_upstream_reach_the_client(tmp_path: Path) -> None:
    """A code of the application passes with its reason."""
    async with echoing(tmp_path) as (gate, _), opened(gate) as connection:
        await connection.send("close")
        assert await closed(connection) == (4001, "as asked")


async def test_a_slow_client_stops_the_upstream(tmp_path: Path) -> None:
    """What the client does not take is not heaped up in the gateway, and arrives in the end."""
    async with (
        echoing(tmp_path) as (gate, _),
        opened(gate, max_queue=1, compression=None) as connection,
    ):
        await connection.send("flood")
        (tunnel,) = gate.state.connections
        await until(lambda: tunnel._stuck)  # type: ignore[attr-defined]
        size = tunnel._client.get_write_buffer_size()  # type: ignore[attr-defined]
        assert size < 4 * 1024 * 1024
        for _ in range(400):
            assert len(await connection.recv()) == 65_536


async def test_routes_without_it_ignore_the_wish(tmp_path: Path) -> None:
    """Elsewhere Upgrade is passed over, and the request is answered as any other."""
    async with gateway(tmp_path, routes=[ROUTE]) as gate:
        client = await gate.client()
        reply = await client.ask(HANDSHAKE.replace(b"/ws/x", b"/fine") + b"\r\n")
        assert reply.status == 200
        assert gate.origin.seen[0].values(b"upgrade") == []


async def test_refusals_of_the_upstream_pass(tmp_path: Path) -> None:
    """A handshake that the upstream refuses is refused with its answer."""
    async with echoing(tmp_path) as (gate, _):
        with pytest.raises(InvalidStatus) as caught:
            await opened(gate, "/ws/refused")
        assert caught.value.response.status_code == 403
        assert caught.value.response.body == b"not you"
        assert gate.doors.figures.open == 0


WRONG = {
    "another handshake": b"Upgrade: websocket\r\nSec-WebSocket-Accept: AAAA\r\n",
    "no accept": b"Upgrade: websocket\r\n",
    "another protocol": b"Upgrade: h2c\r\nSec-WebSocket-Accept: " + ACCEPT + b"\r\n",
    "a subprotocol nobody asked for": b"Upgrade: websocket\r\nSec-WebSocket-Accept: "
    + ACCEPT
    + b"\r\nSec-WebSocket-Protocol: chat\r\n",
    "an extension nobody asked for": b"Upgrade: websocket\r\nSec-WebSocket-Accept: "
    + ACCEPT
    + b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n",
}


@pytest.mark.parametrize("lines", WRONG.values(), ids=WRONG)
async def test_a_101_that_is_not_right_is_502(tmp_path: Path, lines: bytes) -> None:
    """The gateway leaves HTTP only for what answers the handshake."""

    async def accept(turn: Turn) -> None:
        await turn.send(b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\n" + lines + b"\r\n")
        await turn.gone()

    async with gateway(tmp_path, routes=[ROUTE]) as gate:
        gate.origin.scripts[b"/ws/x"] = accept
        client = await gate.client()
        assert (await client.ask(HANDSHAKE + b"\r\n")).status == 502
        assert (await client.get()).status == 200


async def test_a_right_101_is_relayed(tmp_path: Path) -> None:
    """With what the upstream sent at once behind it, and nothing of its hops."""

    async def accept(turn: Turn) -> None:
        assert turn.seen.values(b"upgrade") == [b"websocket"]
        await turn.send(
            b"HTTP/1.1 101 Switching\r\nConnection: Upgrade, x-hop\r\nX-Hop: 1\r\n"
            b"Upgrade: websocket\r\nX-Mine: 2\r\nSec-WebSocket-Accept: " + ACCEPT + b"\r\n\r\n"
            b"\x81\x02hi"
        )
        await turn.gone()

    async with gateway(tmp_path, routes=[ROUTE]) as gate:
        gate.origin.scripts[b"/ws/x"] = accept
        client = await gate.client()
        reply = await client.ask(HANDSHAKE + b"\r\n")
        assert reply.status == 101
        assert reply.values(b"sec-websocket-accept") == [ACCEPT]
        assert (reply.values(b"x-hop"), reply.values(b"x-mine")) == ([], [b"2"])
        assert await client.reader.readexactly(4) == b"\x81\x02hi"


@pytest.mark.parametrize(
    ("find", "put", "status"),
    [
        (b"Version: 13", b"Version: 8", 426),
        (b"dGhlIHNhbXBsZSBub25jZQ==", b"c2hvcnQ=", 400),
        (b"dGhlIHNhbXBsZSBub25jZQ==", b"?", 400),
    ],
    ids=["version", "short key", "no key"],
)
async def test_bad_handshakes(tmp_path: Path, find: bytes, put: bytes, status: int) -> None:
    """They are refused here, and the upstream is not asked."""
    async with gateway(tmp_path, routes=[ROUTE]) as gate:
        client = await gate.client()
        assert (await client.ask(HANDSHAKE.replace(find, put) + b"\r\n")).status == status
        assert gate.origin.seen == []


async def test_a_client_that_does_not_wait_is_ended(tmp_path: Path) -> None:
    """Bytes before the 101 could be a request that is smuggled: the connection ends."""
    async with gateway(tmp_path, routes=[ROUTE]) as gate:

        async def accept(turn: Turn) -> None:
            await turn.send(
                b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Accept: " + ACCEPT + b"\r\n\r\n"
            )
            await turn.gone()

        gate.origin.scripts[b"/ws/x"] = accept
        client = await gate.client()
        await client.send(HANDSHAKE + b"\r\nGET /secret HTTP/1.1\r\nHost: a.example\r\n\r\n")
        assert b"101" not in await client.rest()
        assert [seen.what for seen in gate.origin.seen] == [b"GET /ws/x"]


async def test_handshakes_are_limited(tmp_path: Path) -> None:
    """A handshake is a request like any other: one too many gets 429."""
    async with echoing(tmp_path, tiers={"free": "1/minute"}) as (gate, _), opened(gate):
        with pytest.raises(InvalidStatus) as caught:
            await opened(gate)
        assert caught.value.response.status_code == 429


async def test_a_limit_in_flight_holds_to_the_end(tmp_path: Path) -> None:
    """An open connection is in flight for its whole life."""
    limits = [{"name": "open", "limits": "1 concurrent"}]
    async with echoing(tmp_path, rate_limits=limits) as (gate, echo):
        async with opened(gate):
            with pytest.raises(InvalidStatus):
                await opened(gate)
        await until(lambda: len(echo.codes) == 1 and not gate.doors.figures.open)
        async with opened(gate) as connection:
            await connection.send("again")
            assert await connection.recv() == "again"


async def test_messages_are_limited(tmp_path: Path) -> None:
    """Those within the limit pass, the next one closes the connection with 1008."""
    limits = [{"name": "talk", "limits": "3/minute", "cost": "messages"}]
    async with echoing(tmp_path, rate_limits=limits) as (gate, echo), opened(gate) as connection:
        for _ in range(3):
            await connection.send("x")
            assert await connection.recv() == "x"
        await connection.send("one too many")
        code, reason = await closed(connection)
        assert code == 1008
        assert reason is not None
        assert reason.startswith("over the limit talk")
        await until(lambda: echo.codes == [1008])


async def test_long_messages_are_refused(tmp_path: Path) -> None:
    """1009 for one above the cap, in parts too."""
    settings = {"websocket": {"message_bytes": 1000}}
    async with (
        echoing(tmp_path, **settings) as (gate, _),
        opened(gate, compression=None) as connection,
    ):
        await connection.send(b"x" * 1000)
        assert len(await connection.recv()) == 1000
        await connection.send([b"x" * 600, b"x" * 401])
        assert (await closed(connection))[0] == 1009


async def test_silent_connections_end(tmp_path: Path) -> None:
    """1001 after the idle time; a ping is not silence."""
    settings = {"websocket": {"idle_timeout_s": 0.3}}
    async with echoing(tmp_path, **settings) as (gate, _), opened(gate) as connection:
        assert (await closed(connection))[0] == 1001


async def test_an_upstream_that_dies_is_told(tmp_path: Path) -> None:
    """1014: a connection that ends without a close frame was no clean end."""

    async def accept(turn: Turn) -> None:
        await turn.send(
            b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Accept: " + ACCEPT + b"\r\n\r\n"
        )
        await turn.reader.read(1)
        turn.reset()

    async with gateway(tmp_path, routes=[ROUTE]) as gate:
        gate.origin.scripts[b"/ws/x"] = accept
        client = await gate.client()
        assert (await client.ask(HANDSHAKE + b"\r\n")).status == 101
        await client.send(b"\x81\x81\0\0\0\0x")
        assert (await client.rest()).startswith(b"\x88\x23\x03\xf6the upstream ended")


@pytest.mark.parametrize(
    "frame",
    [
        b"\x81\x01x",
        b"\xc1\x80\0\0\0\0",
        b"\x83\x80\0\0\0\0",
        b"\x80\x80\0\0\0\0",
        b"\x09\x80\0\0\0\0",
    ],
    ids=["unmasked", "reserved bit", "opcode", "continuation", "ping in parts"],
)
async def test_broken_frames_end_it(tmp_path: Path, frame: bytes) -> None:
    """1002, and the upstream never sees them."""
    got = b""

    async def accept(turn: Turn) -> None:
        nonlocal got
        await turn.send(
            b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Accept: " + ACCEPT + b"\r\n\r\n"
        )
        while piece := await turn.reader.read(1000):
            got += piece

    async with gateway(tmp_path, routes=[ROUTE]) as gate:
        gate.origin.scripts[b"/ws/x"] = accept
        client = await gate.client()
        assert (await client.ask(HANDSHAKE + b"\r\n")).status == 101
        await client.send(frame)
        assert (await client.rest())[2:4] == b"\x03\xea"
        await until(lambda: not gate.origin.open)
        assert got[:1] == b"\x88"


async def test_drain_lets_them_talk_then_says_1001(tmp_path: Path) -> None:
    """Until the time to drain is over messages pass; then both sides are told."""

    def short(limits: FrontLimits) -> FrontLimits:
        return dataclasses.replace(limits, drain_s=1.5)

    async with echoing(tmp_path, limits=[]) as (gate, echo), opened(gate) as connection:
        gate.state.limits = short(gate.state.limits)
        draining = asyncio.create_task(gate.server.drain())
        await until(lambda: gate.state.draining)
        await connection.send("still here")
        assert await connection.recv() == "still here"
        assert (await closed(connection))[0] == 1001
        await draining
        await until(lambda: echo.codes == [1001])


async def test_over_tls(tmp_path: Path) -> None:
    """wss, through the same way."""
    authority = Authority(tmp_path)
    certificate, key = authority.pair("api.example")
    async with echoing(tmp_path, tls={"certificate": certificate, "key": key}) as (gate, echo):
        url = f"wss://api.example:{gate.port}/ws/echo"
        async with connect(
            url, ssl=authority.client(), host="127.0.0.1", port=gate.port, proxy=None
        ) as connection:
            await connection.send("secret")
            assert await connection.recv() == "secret"
        assert echo.requests[0].headers["x-forwarded-proto"] == "https"


async def test_messages_counted_in_redis_keep_their_order(tmp_path: Path) -> None:
    """While the store is asked, what comes next waits its turn; nothing overtakes or is lost."""
    with RedisServer() as server:
        counters = {"store": f"redis://127.0.0.1:{server.port}", "deadline_s": 20.0}
        limits = [{"name": "talk", "limits": "60/minute", "cost": "messages"}]
        async with echoing(tmp_path, rate_limits=limits, counters=counters) as (gate, echo):
            await gate.hub.start()
            async with opened(gate, compression=None) as connection:
                sent = [f"message {number} " + "x" * (number % 7 * 1000) for number in range(60)]
                for message in sent:
                    await connection.send(message)
                assert [await connection.recv() for _ in sent] == sent
                await connection.send("one too many")
                assert (await closed(connection))[0] == 1008
            await until(lambda: echo.codes == [1008])


async def test_a_client_that_leaves_while_its_messages_are_counted(tmp_path: Path) -> None:
    """Nothing is left of its connection."""
    with RedisServer() as server:
        counters = {"store": f"redis://127.0.0.1:{server.port}", "deadline_s": 20.0}
        limits = [{"name": "talk", "limits": "1000/minute", "cost": "messages"}]
        async with echoing(tmp_path, rate_limits=limits, counters=counters) as (gate, echo):
            await gate.hub.start()
            connection = await opened(gate, compression=None)
            for _ in range(50):
                await connection.send("x")
            connection.transport.abort()
            await until(lambda: not gate.doors.figures.open and echo.codes)
            await until(lambda: not gate.state.connections)
