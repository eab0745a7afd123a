"""`python -m benchmarks.overload_origin PORT`: an API that does so much at once and no more.

Requests beyond that wait in the order they came in, for as long as it takes; it also does what
nobody waits for any longer, as most servers do.
"""

import asyncio
import sys
from typing import cast

import uvloop

__all__ = ("CAPACITY_RPS", "main")

_AT_ONCE = 8
_SERVICE_S = 0.02
CAPACITY_RPS = _AT_ONCE / _SERVICE_S
"""How many requests a second it can do."""

_ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncache-control: no-store\r\n"
    b"content-length: 11\r\n\r\n"
    b'{"done": 1}'
)


class _Connection(asyncio.Protocol):
    """Takes one request at a time, without a body."""

    def __init__(self, slots: asyncio.Semaphore, tasks: set[asyncio.Task[None]]) -> None:
        self._slots = slots
        self._tasks = tasks
        self._read = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._read += data
        while b"\r\n\r\n" in self._read:
            self._read = self._read.partition(b"\r\n\r\n")[2]
            task = asyncio.ensure_future(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None

    async def _work(self) -> None:
        async with self._slots:
            await asyncio.sleep(_SERVICE_S)
        if self._transport is not None:
            self._transport.write(_ANSWER)


async def _serve(port: int) -> None:
    slots = asyncio.Semaphore(_AT_ONCE)
    tasks: set[asyncio.Task[None]] = set()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: _Connection(slots, tasks), "127.0.0.1", port, backlog=1024
    )
    await server.serve_forever()


def main(port: int) -> None:
    """Serves until it is ended."""
    uvloop.run(_serve(port))


if __name__ == "__main__":
    main(int(sys.argv[1]))
