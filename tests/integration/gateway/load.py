"""Clients without retries, in a loop of their own, that count what fails."""

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Iterator

import uvloop

from tests.integration.gateway.kit import Client, Origin, Turn, whole

__all__ = ("Load", "loaded")

_PAUSE_S = 0.015
_SLOW_S = 0.3
_EVENTS = 8
_EVENT_S = 0.1
_STREAM = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)


class Load:
    """An origin and its clients.

    Attributes:
        port: where the clients ask; set it before `begin`.
        origin_port: where the origin is.
        answered: answers by kind of client.
        failed: what went wrong, by kind of client and what.
    """

    def __init__(self) -> None:
        self.port = 0
        self.origin_port = 0
        self.answered: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self._loop = uvloop.new_event_loop()
        self._ending = False
        self._clients: list[asyncio.Task[None]] = []
        self._origin = Origin()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

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

        self._origin.scripts |= {b"/slow": slow, b"/events": events}
        await self._origin.start()

    def begin(self, *, kept: int = 8, fresh: int = 6, slow: int = 4, streams: int = 3) -> None:
        """Starts the clients: so many of each kind."""
        kinds = {"kept": kept, "fresh": fresh, "slow": slow, "streams": streams}
        asyncio.run_coroutine_threadsafe(self._begin(kinds), self._loop).result(10)

    async def _begin(self, kinds: dict[str, int]) -> None:
        for kind, count in kinds.items():
            self._clients += [asyncio.create_task(self._run(kind)) for _ in range(count)]

    async def _run(self, kind: str) -> None:
        client: Client | None = None
        while not self._ending:
            try:
                if client is None:
                    client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
                is_last = await self._ask(kind, client)
            except Exception as error:  # noqa: BLE001 - all of them count
                self.failed[f"{kind}: {error!r}"] += 1
                is_last = True
            if client is not None and (is_last or kind == "fresh"):
                client.close()
                client = None
            await asyncio.sleep(_PAUSE_S)
        if client is not None:
            client.close()

    async def _ask(self, kind: str, client: Client) -> bool:
        """Asks once; gives whether the connection ends with the answer."""
        path = {"slow": b"/slow", "streams": b"/events"}.get(kind, b"/fine")
        reply = await client.get(path)
        wanted = {
            "slow": b"slow",
            "streams": b"".join(b"data: %d\n\n" % number for number in range(_EVENTS)),
        }.get(kind, b"ok")
        if (reply.status, reply.body) == (200, wanted):
            self.answered[kind] += 1
        else:
            self.failed[f"{kind}: {reply.status} {reply.body[:40]!r}"] += 1
        return reply.values(b"connection") == [b"close"]

    def end(self) -> None:
        """Lets every client finish what it waits for, and stops."""
        self._ending = True
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(30)

    async def _end(self) -> None:
        await asyncio.gather(*self._clients)

    def close(self) -> None:
        """Stops the origin and the loop."""
        asyncio.run_coroutine_threadsafe(self._origin.close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextlib.contextmanager
def loaded() -> Iterator[Load]:
    """An origin, and clients that can be let loose."""
    load = Load()
    try:
        load.open()
        yield load
    finally:
        load.close()
