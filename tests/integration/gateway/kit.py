"""A scriptable origin, a gateway in front of it and a raw client, all in one loop."""

import asyncio
import contextlib
import dataclasses
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lukhas.config.settings import Settings
from lukhas.config.targets import TargetAddress
from lukhas.gateway.dialling import Dial
from lukhas.gateway.direct_way import DirectWay
from lukhas.gateway.faults import FaultStage
from lukhas.gateway.forwarding import Forwarding
from lukhas.gateway.framing import FrontLimits
from lukhas.gateway.front_doors import FrontDoors, served_certificates
from lukhas.gateway.front_server import FrontServer
from lukhas.gateway.front_state import FrontState
from lukhas.gateway.upstream_connection import UpstreamTimeouts
from lukhas.gateway.upstream_pool import UpstreamPool
from lukhas.gateway.websocket_upgrade import UpgradeTarget
from lukhas.gateway.worker import front_limits
from lukhas.hub.hub import Hub

__all__ = (
    "Answer",
    "Client",
    "Gateway",
    "Origin",
    "Turn",
    "gateway",
    "plain_dial",
    "until",
    "whole",
)

WAIT_S = 10.0
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def until(condition: Callable[[], object]) -> None:
    """Lets the loop turn until the condition holds; fails after a generous time."""
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 - what is waited for knows of no event
            await asyncio.sleep(0.002)


def whole(body: bytes, *lines: bytes, status: bytes = b"200 OK") -> bytes:
    """A response with a Content-Length."""
    head = b"".join(line + b"\r\n" for line in lines)
    return b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n\r\n%b" % (status, head, len(body), body)


@dataclass
class Seen:
    """A request as the origin got it."""

    line: bytes
    fields: list[tuple[bytes, bytes]]
    connection: int
    body: bytes | None = None

    def values(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.fields if key == name]

    @property
    def what(self) -> bytes:
        """Method and target."""
        return self.line.rpartition(b" ")[0]


@dataclass
class Turn:
    """One request at the origin, for a script to answer."""

    seen: Seen
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def gone(self) -> bool:
        """Waits until the gateway has closed the connection."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass
        return True

    async def body(self) -> bytes:
        """Reads the request body."""
        self.seen.body = await _read_body(self.reader, self.seen.fields)
        return self.seen.body

    def reset(self) -> None:
        """Ends the connection with a reset."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.writer.transport.abort()


Script = Callable[[Turn], Awaitable[None]]


@dataclass
class Answer:
    """Bytes to answer with, and whether the connection is closed after them."""

    data: bytes
    close: bool = False


class Origin:
    """An origin whose answer to each path is a script; `ok` for all others."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.whole: list[bytes] = []
        self.scripts: dict[bytes, Answer | Script] = {}
        self.connections = 0
        self.open = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.open += 1
        number = self.connections
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._turn(reader, writer, number):
                    pass
        except asyncio.CancelledError:
            pass
        finally:
            self.open -= 1
            self._tasks.discard(task)
            writer.transport.abort()

    async def _turn(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        line, *rest = head[:-4].split(b"\r\n")
        fields = [tuple(item.split(b": ", 1)) for item in rest]
        seen = Seen(line, fields, number)  # type: ignore[arg-type]
        self.seen.append(seen)
        path = line.split(b" ")[1].partition(b"?")[0]
        script = self.scripts.get(path)
        turn = Turn(seen, reader, writer)
        if callable(script):
            await script(turn)
            return not writer.transport.is_closing()
        await turn.body()
        self.whole.append(seen.what)
        answer = script or Answer(_OK)
        await turn.send(b"" if line.startswith(b"HEAD") and not script else answer.data)
        if line.startswith(b"HEAD") and not script:
            await turn.send(_OK[:-2])
        return not answer.close


async def _read_body(reader: asyncio.StreamReader, fields: list[tuple[bytes, bytes]]) -> bytes:
    index = dict(fields)
    if b"transfer-encoding" not in index:
        return await reader.readexactly(int(index.get(b"content-length", b"0")))
    pieces = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        pieces.append((await reader.readexactly(size + 2))[:-2])
    await reader.readuntil(b"\r\n")
    return b"".join(pieces)


@dataclass
class Reply:
    """A response as the client got it."""

    status: int
    fields: list[tuple[bytes, bytes]]
    body: bytes = b""
    head: bytes = b""

    def values(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.fields if key == name]


class Client:
    """Raw bytes to the gateway and back."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            self.writer.write(data)
            await asyncio.wait_for(self.writer.drain(), WAIT_S)

    async def head(self) -> Reply:
        """The next response head."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), WAIT_S)
        line, *rest = head[:-4].split(b"\r\n")
        fields = [tuple(item.split(b": ", 1)) for item in rest]
        return Reply(int(line.split(b" ")[1]), fields, head=head)  # type: ignore[arg-type]

    async def reply(self, *, is_head: bool = False) -> Reply:
        """The next whole response."""
        reply = await self.head()
        bodiless = is_head or reply.status < 200 or reply.status in {204, 304}
        if not bodiless:
            reply.body = await asyncio.wait_for(_reply_body(self.reader, reply), WAIT_S)
        return reply

    async def ask(self, data: bytes) -> Reply:
        await self.send(data)
        return await self.reply(is_head=data.startswith(b"HEAD"))

    async def get(self, path: bytes = b"/fine", *lines: bytes) -> Reply:
        more = b"".join(line + b"\r\n" for line in lines)
        return await self.ask(b"GET %b HTTP/1.1\r\nHost: a.example\r\n%b\r\n" % (path, more))

    async def rest(self) -> bytes:
        """Everything until the connection ends; a reset counts as an end."""
        received = b""
        async with asyncio.timeout(WAIT_S):
            with contextlib.suppress(ConnectionError):
                while piece := await self.reader.read(65536):
                    received += piece
        return received

    def close(self) -> None:
        self.writer.close()

    def abort(self) -> None:
        self.writer.transport.abort()


async def _reply_body(reader: asyncio.StreamReader, reply: Reply) -> bytes:
    if reply.values(b"transfer-encoding") == [b"chunked"]:
        return await _read_body(reader, reply.fields)
    length = reply.values(b"content-length")
    return await (reader.readexactly(int(length[0])) if length else reader.read())


@dataclass
class Gateway:
    """A running gateway; see `gateway`."""

    origin: Origin
    hub: Hub
    state: FrontState
    server: FrontServer
    pool: UpstreamPool
    listening: socket.socket
    doors: FrontDoors
    clients: list[Client] = field(default_factory=list)

    @property
    def port(self) -> int:
        port: int = self.listening.getsockname()[1]
        return port

    async def client(
        self, *, limit: int = 2**16, context: ssl.SSLContext | None = None, name: str | None = None
    ) -> Client:
        """A client that has connected, by TLS where there is a context."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, limit=limit, ssl=context, server_hostname=name
        )
        client = Client(reader, writer)
        self.clients.append(client)
        return client

    async def get(self, path: bytes = b"/fine", *lines: bytes) -> Reply:
        """A request on a connection of its own."""
        client = await self.client()
        try:
            return await client.get(path, *lines)
        finally:
            client.close()


def plain_dial(port: int, host: str = "127.0.0.1") -> Dial:
    """Opens plain connections to a port."""
    return Dial(TargetAddress("http", host, port))


@contextlib.asynccontextmanager
async def gateway(
    tmp_path: Path,
    *,
    upstream_port: int | None = None,
    limits: Callable[[FrontLimits], FrontLimits] | None = None,
    rate_limits: Sequence[Mapping[str, object]] = (),
    timeouts: UpstreamTimeouts | None = None,
    connections: int = 16,
    prefix: bytes = b"",
    **settings: object,
) -> AsyncIterator[Gateway]:
    """An origin with a gateway in front of it; without rate limits unless the settings have some.

    Args:
        tmp_path: for the state.
        upstream_port: where to forward, instead of to the origin.
        limits: changes the front server's limits.
        rate_limits: limits on top of the tiers.
        timeouts: of the upstream.
        connections: size of the pool.
        prefix: put before each path.
        settings: fields of `Settings`.
    """
    origin = Origin()
    await origin.start()
    common = {"tiers": {"free": None}, "state_dir": tmp_path / "state", "limits": rate_limits}
    values = common | settings
    built = Settings.model_validate(values)
    hub = Hub(built, under_observe=(FaultStage(),))
    hub.openapi.open()
    dial = plain_dial(upstream_port or origin.port)
    pool = UpstreamPool(
        "default",
        dial,
        timeouts=timeouts or UpstreamTimeouts(connect_s=3.0, response_s=6.0, idle_s=6.0),
        connections=connections,
    )
    forwarding = Forwarding(pool, prefix=prefix, body_bytes=built.server.body_bytes)
    front = dataclasses.replace(front_limits(built), drain_s=5.0)
    certificates = served_certificates(built)
    state = FrontState(
        DirectWay(hub.pipeline, forwarding).take,
        hub.intake,
        limits(front) if limits else front,
        scheme="http" if certificates is None else "https",
    )
    upgrade = UpgradeTarget(
        dial, upstream="default", connect_s=3.0, response_s=6.0, head=forwarding.head_of
    )
    doors = FrontDoors(built, state, certificates)
    doors.take_websockets(
        hub.pipeline,
        lambda _: upgrade,
    )
    server = FrontServer(state, hub.clock, connect=doors.connect, entrance=doors.entrance)
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    await server.listen(listening)
    running = Gateway(origin, hub, state, server, pool, listening, doors)
    try:
        yield running
    finally:
        for client in running.clients:
            client.abort()
        for connection in tuple(state.connections):
            connection.abort()
        await until(lambda: not state.connections)
        await server.drain()
        listening.close()
        pool.close()
        await origin.close()
        await until(lambda: not origin.open)
        await hub.close()
        await asyncio.sleep(0)
