"""`python -m benchmarks.timed_origin PORT MEAN_MS PLACES`: an API whose service takes time.

It works on so many requests at once; others wait in the order in which they came. Times are
exponential, from a seed that is always the same. With a mean of 0 it answers at once. What is
below `/cached` may be stored.
"""

import asyncio
import contextlib
import random
import subprocess
import sys
from collections.abc import Iterator
from typing import cast

import uvloop

from benchmarks.servers import LOAD_CPU, free_port, running

__all__ = ("main", "origin")

_SEED = 20_261_125
_BODY = b'{"done": 1}'
_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\ncache-control: "
)
_KEPT = _HEAD + b"public, max-age=3600\r\n\r\n" + _BODY
_PASSING = _HEAD + b"no-store\r\n\r\n" + _BODY


class _Work:
    """What all connections share: the places, and how long each request takes."""

    def __init__(self, mean_s: float, places: int) -> None:
        self.mean_s = mean_s
        self.slots = asyncio.Semaphore(places)
        self.tasks: set[asyncio.Task[None]] = set()
        self._random = random.Random(_SEED)

    def next_s(self) -> float:
        return self._random.expovariate(1 / self.mean_s)


class _Connection(asyncio.Protocol):
    """Takes requests without a body."""

    def __init__(self, work: _Work) -> None:
        self._work = work
        self._read = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._read += data
        while b"\r\n\r\n" in self._read:
            head, _, self._read = self._read.partition(b"\r\n\r\n")
            answer = _KEPT if head.startswith(b"GET /cached") else _PASSING
            if not self._work.mean_s:
                self._write(answer)
                continue
            task = asyncio.ensure_future(self._serve(answer))
            self._work.tasks.add(task)
            task.add_done_callback(self._work.tasks.discard)

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None

    async def _serve(self, answer: bytes) -> None:
        async with self._work.slots:
            await asyncio.sleep(self._work.next_s())
        self._write(answer)

    def _write(self, answer: bytes) -> None:
        if self._transport is not None:
            self._transport.write(answer)


@contextlib.contextmanager
def origin(
    *, mean_ms: float = 0.0, places: int = 1, cpu: str | None = LOAD_CPU
) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """One that runs until the block ends: its port and its process."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.timed_origin"]
    with running([*command, str(port), str(mean_ms), str(places)], port, cpu=cpu) as process:
        yield port, process


async def _serve(port: int, mean_ms: float, places: int) -> None:
    work = _Work(mean_ms / 1000, places)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(work), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


def main(port: int, mean_ms: float, places: int) -> None:
    """Serves until it is ended."""
    uvloop.run(_serve(port, mean_ms, places))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
