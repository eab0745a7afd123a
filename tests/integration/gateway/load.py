"""Clients without retries, in a loop of their own, that count what fails."""

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import uvloop

from lukhas.http.websocket_frames import accept_of, close_frame
from tests.integration.gateway.kit import Client, Origin, Turn, whole

__all__ = ("KINDS", "Failure", "Load", "loaded")

KINDS = ("kept", "fresh", "slow", "uploads", "streams", "sockets")
"""Requests on a kept connection, each on a new one, with a slow answer, with a slow body, answered
by an event stream, and WebSocket connections (on the path `/ws`)."""

_PAUSE_S = 0.015
_SLOW_S = 0.3
_EVENTS = 8
_EVENT_S = 0.1
_MESSAGES = 8
_KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
_TEXT, _CLOSE = 0x81, 0x88
_STREAM = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that got no whole answer, or a wrong one.

    Attributes:
        kind: of client.
        port: the client's end of the connection; 0 where none was made.
        what: what went wrong.
    """

    kind: str
    port: int
    what: str


class Load:
    """An origin and its clients.

    Attributes:
        port: where the clients ask; set it before `begin`.
        origin_port: where the origin is.
        answered: answers by kind of client.
        failures: everything that went wrong.
    """

    def __init__(self) -> None:
        self.port = 0
        self.origin_port = 0
        self.answered: Counter[str] = Counter()
        self.failures: list[Failure] = []
        self._loop = uvloop.new_event_loop()
        self._ending = False
        self._clients: list[asyncio.Task[None]] = []
        self._origin = Origin()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    @property
    def failed(self) -> Counter[str]:
        """What went wrong, by kind of client and what."""
        return Counter(f"{failure.kind}: {failure.what}" for failure in self.failures)

    def open(self) -> None:
        """Starts the origin."""
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)
        self.origin_port = self._origin.port

    async def _open(self) -> None:
        async def slow(turn: Turn) -> None:
            await asyncio.sleep(_SLOW_S)
            await turn.send(whole(b"slow"))

        async def events(turn: Turn) -> None:
            await turn.send(_STREAM)
            for number in range(_EVENTS):
                await asyncio.sleep(_EVENT_S)
                await turn.send(b"9\r\ndata: %d\n\n\r\n" % number)
            await turn.send(b"0\r\n\r\n")

        self._origin.scripts |= {b"/slow": slow, b"/events": events, b"/ws": _echo_messages}
        await self._origin.start()

    def begin(self, **kinds: int) -> None:
        """Starts the clients: so many of each kind, see `KINDS`."""
        assert set(kinds) <= set(KINDS)
        asyncio.run_coroutine_threadsafe(self._begin(kinds), self._loop).result(10)

    async def _begin(self, kinds: dict[str, int]) -> None:
        for kind, count in kinds.items():
            self._clients += [asyncio.create_task(self._run(kind)) for _ in range(count)]

    async def _run(self, kind: str) -> None:
        client: Client | None = None
        try:
            while not self._ending:
                client = await self._turn(kind, client)
                await asyncio.sleep(_PAUSE_S)
        finally:
            if client is not None:
                client.abort()

    async def _turn(self, kind: str, client: Client | None) -> Client | None:
        """Asks once; gives the connection if it goes on."""
        port = 0
        try:
            if client is not None and client.reader.at_eof():
                # It is known to be closed before anything is sent on it: no request is lost.
                client.close()
                client = None
            if client is None:
                client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
            port = client.writer.get_extra_info("sockname")[1]
            is_last = await _ASKING[kind](client)
            self.answered[kind] += 1
        except Exception as error:  # noqa: BLE001 - all of them count
            self.failures.append(Failure(kind, port, repr(error)))
            is_last = True
        if client is not None and (is_last or kind == "fresh"):
            client.close()
            return None
        return client

    def end(self) -> None:
        """Lets every client finish what it waits for, and stops."""
        self._ending = True
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(30)

    async def _end(self) -> None:
        await asyncio.gather(*self._clients)

    async def _abandon(self) -> None:
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        for _ in range(5):  # Until the connections are closed, too.
            await asyncio.sleep(0)

    def close(self) -> None:
        """Stops the origin and the loop, and clients that a failed test has left."""
        asyncio.run_coroutine_threadsafe(self._abandon(), self._loop).result(10)
        asyncio.run_coroutine_threadsafe(self._origin.close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _get(client: Client, path: bytes, wanted: bytes) -> bool:
    """Asks once; gives whether the connection ends with the answer."""
    reply = await client.get(path)
    _check((reply.status, reply.body), (200, wanted))
    return reply.values(b"connection") == [b"close"]


async def _fine(client: Client) -> bool:
    return await _get(client, b"/fine", b"ok")


async def _slow(client: Client) -> bool:
    return await _get(client, b"/slow", b"slow")


async def _stream(client: Client) -> bool:
    events = b"".join(b"data: %d\n\n" % number for number in range(_EVENTS))
    return await _get(client, b"/events", events)


async def _upload(client: Client) -> bool:
    await client.send(b"POST /fine HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(3):
        await client.send(b"5\r\nhello\r\n")
        await asyncio.sleep(_SLOW_S / 3)
    reply = await client.ask(b"0\r\n\r\n")
    _check((reply.status, reply.body), (200, b"ok"))
    return reply.values(b"connection") == [b"close"]


async def _talk(client: Client) -> bool:
    """A WebSocket connection from its handshake to its end."""
    await client.send(
        b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n\r\n" % _KEY
    )
    _check((await client.head()).status, 101)
    for number in range(_MESSAGES):
        text = b"message %d" % number
        await client.send(bytes((_TEXT, 0x80 | len(text))) + bytes(4) + text)
        _check(await asyncio.wait_for(_frame(client.reader), 10), (_TEXT, text))
        await asyncio.sleep(_EVENT_S)
    await client.send(close_frame(1000, "", masked=True))
    _check((await asyncio.wait_for(_frame(client.reader), 10))[0], _CLOSE)
    return True


_ASKING: dict[str, Callable[[Client], Awaitable[bool]]] = {
    "kept": _fine,
    "fresh": _fine,
    "slow": _slow,
    "uploads": _upload,
    "streams": _stream,
    "sockets": _talk,
}


def _check(got: object, wanted: object) -> None:
    if got != wanted:
        raise ValueError(f"{got!r} in place of {wanted!r}")


async def _frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """One short frame: its first byte, and what it holds with no mask or one of zeros."""
    first, length = await reader.readexactly(2)
    if length & 0x80:
        await reader.readexactly(4)
    return first, await reader.readexactly(length & 0x7F)


async def _echo_messages(turn: Turn) -> None:
    (key,) = turn.seen.values(b"sec-websocket-key")
    await turn.send(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept_of(key)
    )
    first = _TEXT
    while first != _CLOSE:
        first, payload = await _frame(turn.reader)
        await turn.send(bytes((first, len(payload))) + payload)
    turn.writer.close()


@contextlib.contextmanager
def loaded() -> Iterator[Load]:
    """An origin, and clients that can be let loose."""
    load = Load()
    try:
        load.open()
        yield load
    finally:
        load.close()
