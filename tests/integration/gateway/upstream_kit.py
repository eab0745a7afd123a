"""Servers that answer as they are told, and a hub before them without the server in front."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from lukhas.clock import Clock, SystemClock
from lukhas.config.settings import Settings
from lukhas.gateway.direct_way import DirectWay
from lukhas.gateway.faults import FaultStage
from lukhas.gateway.upstreams import Upstreams
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.hub.best_of import watch_servers
from lukhas.hub.fallbacks import fallback_stages
from lukhas.hub.hub import Hub
from lukhas.pipeline.driving import finish, start
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.timed_way import TimedWay
from tests.integration.gateway.kit import until

__all__ = ("Api", "Say", "Served", "forwarding", "hanging_up", "saying", "served", "whole_body")

Say = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]
"""Answers a request of this head."""


class Api:
    """A server that answers as it is told; knows what it was asked, and who is connected."""

    def __init__(self, say: Say, *, name: str = "", host: str = "127.0.0.1", port: int = 0) -> None:
        self.say = say
        self.name = name
        self.host = host
        self.port = port
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.open = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    async def __aenter__(self) -> "Api":
        self._server = await asyncio.start_server(self._accept, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.ensure_future(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                _, found, rest = head.partition(b"content-length: ")
                if found:
                    self.bodies.append(await reader.readexactly(int(rest.split(b"\r")[0])))
                await self.say(head, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()


def saying(
    body: bytes, status: int = 200, *fields: bytes, after: asyncio.Event | None = None
) -> Say:
    """A whole response, when there is no event to wait for or that has come."""
    lines = b"".join(field + b"\r\n" for field in fields)
    answer = b"HTTP/1.1 %d X\r\n%bcontent-length: %d\r\n\r\n%b" % (status, lines, len(body), body)

    async def say(_head: bytes, writer: asyncio.StreamWriter) -> None:
        if after is not None:
            await after.wait()
        writer.write(answer)

    return say


async def hanging_up(_head: bytes, writer: asyncio.StreamWriter) -> None:
    """No response, and the end of the connection."""
    writer.transport.abort()


async def whole_body(response: Response) -> bytes:
    """The body of a response, read to its end."""
    if isinstance(response.body, bytes):
        return response.body
    return b"".join([piece async for piece in response.body])  # type: ignore[union-attr]


class Served:
    """A hub before upstreams, without the server in front."""

    def __init__(
        self, hub: Hub, upstreams: Upstreams, way: DirectWay | TimedWay | None = None
    ) -> None:
        self.hub = hub
        self.upstreams = upstreams
        self.way = way or DirectWay(hub.pipeline, upstreams.handler)

    def gauge(self, name: str) -> float:
        return self.hub.recorder.gauges()[name]

    def exchange(
        self,
        path: bytes = b"/x",
        *fields: tuple[bytes, bytes],
        method: str = "GET",
        client: str = "192.0.2.1",
        body: Any = None,
    ) -> Exchange:
        path, _, query = path.partition(b"?")
        head = RequestHead(method, "http", b"shop.test", path, query, Headers(list(fields)))
        exchange = self.hub.intake.exchange(head, client)
        exchange.body = body
        return exchange

    async def answer(self, exchange: Exchange) -> Response:
        """Takes it through the pipeline, as the front server does."""
        step: Any = self.way.take(exchange)
        if not isinstance(step, Response):
            run = step
            step = start(run)
            if not isinstance(step, Response):
                step = await finish(run, step)
        assert isinstance(step, Response)
        return step

    async def ask(
        self,
        path: bytes = b"/x",
        *fields: tuple[bytes, bytes],
        method: str = "GET",
        body: Any = None,
    ) -> Response:
        return await self.answer(self.exchange(path, *fields, method=method, body=body))


@asynccontextmanager
async def served(
    tmp_path: Path, *, clock: Clock | None = None, **tree: object
) -> AsyncIterator[Served]:
    """A hub of these settings; sees to it that nothing it began goes on after it."""
    settings = Settings.model_validate({"state_dir": tmp_path} | tree)
    hub = Hub(
        settings,
        clock=clock or SystemClock(),
        under_observe=(FaultStage(),),
        around_cache=fallback_stages(settings),
        forwards=True,
    )
    upstreams = Upstreams(settings, hub.recorder, hub.clock)
    watch_servers(hub.pipeline, upstreams.is_fit)
    upstreams.show(hub.recorder)
    tasks = asyncio.all_tasks()
    try:
        yield Served(hub, upstreams)
    finally:
        await upstreams.close()
        await hub.close()
        await until(lambda: asyncio.all_tasks() <= tasks | _of_servers())


def forwarding(tmp_path: Path, **tree: object) -> AbstractAsyncContextManager[Served]:
    """As `served`, with settings by which every request goes on to a server."""
    quiet: dict[str, Any] = {"cache": {"mode": "off"}, "exempt": {"addresses": ["192.0.2.1"]}}
    return served(tmp_path, **quiet | tree)


def _of_servers() -> set["asyncio.Task[Any]"]:
    """Tasks of the servers of the tests, which end with these."""
    return {
        task
        for task in asyncio.all_tasks()
        if getattr(task.get_coro(), "__qualname__", "").startswith("Api.")
    }
