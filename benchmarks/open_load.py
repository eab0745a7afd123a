"""Load that does not wait for answers: requests come when they come, as from many clients."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

__all__ = ("Answers", "Stream", "drive")


@dataclass(frozen=True, slots=True)
class Stream:
    """The requests of one kind.

    Attributes:
        name: what they are called.
        request: the bytes of each.
        rps: how many come in a second, by a Poisson process.
    """

    name: str
    request: bytes
    rps: float


@dataclass(slots=True)
class Answers:
    """What became of the requests of one kind.

    Attributes:
        offered: how many came.
        by_status: answers in time, by status.
        late: how many had none in time.
        latencies_s: of the answers with status 200.
    """

    offered: int = 0
    by_status: dict[int, int] = field(default_factory=dict)
    late: int = 0
    latencies_s: list[float] = field(default_factory=list)

    def share(self, status: int) -> float:
        """The share of requests that got an answer of this status in time."""
        return self.by_status.get(status, 0) / max(1, self.offered)

    def quantile_ms(self, q: float) -> float:
        """A quantile of the latency of good answers; 0 if there were none."""
        found = sorted(self.latencies_s)
        return found[min(len(found) - 1, int(len(found) * q))] * 1000 if found else 0.0


class _Client(asyncio.Protocol):
    """One keep-alive connection; reads responses with a length."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[int] | None = None
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def ask(self, request: bytes) -> "asyncio.Future[int]":
        """Sends a request; its status when the whole answer is there, 0 if none comes."""
        self._answer = asyncio.get_running_loop().create_future()
        self._read = b""
        if self.transport is None:
            self._answer.set_result(0)
        else:
            self.transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, separator, body = self._read.partition(b"\r\n\r\n")
        if not separator:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        if len(body) >= length:
            self._end(int(head[9:12]))

    def connection_lost(self, _error: Exception | None) -> None:
        self.transport = None
        self._end(0)

    def _end(self, status: int) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(status)


class _Load:
    def __init__(self, port: int, patience_s: float) -> None:
        self._port = port
        self._patience_s = patience_s
        self._idle: list[_Client] = []
        self._loop = asyncio.get_running_loop()

    async def one(self, request: bytes, due_s: float, answers: Answers | None) -> None:
        """One request. A client whose patience ends hangs up."""
        client: _Client | None = None
        status = 0
        try:
            async with asyncio.timeout_at(due_s + self._patience_s):
                client = self._idle.pop() if self._idle else await self._connect()
                status = await client.ask(request)
        except (TimeoutError, OSError):
            status = 0
        if client is not None and client.transport is not None:
            if status:
                self._idle.append(client)
            else:
                client.transport.abort()
        if answers is None:
            return
        answers.offered += 1
        if not status:
            answers.late += 1
            return
        answers.by_status[status] = answers.by_status.get(status, 0) + 1
        if status == 200:
            answers.latencies_s.append(self._loop.time() - due_s)

    async def _connect(self) -> _Client:
        _, client = await self._loop.create_connection(_Client, "127.0.0.1", self._port)
        return client

    def close(self) -> None:
        for client in self._idle:
            if client.transport is not None:
                client.transport.abort()


async def drive(
    port: int,
    streams: Sequence[Stream],
    *,
    seconds: float,
    warm_s: float,
    patience_s: float,
    seed: int = 1,
) -> dict[str, Answers]:
    """Sends all streams at once, each request at its time, whatever became of those before.

    Latencies count from the time at which a request was due, so that a slow sender hides nothing.

    Args:
        port: where to, on 127.0.0.1.
        streams: what to send.
        seconds: for how long.
        warm_s: what is due before that does not count.
        patience_s: a client that has no answer by then hangs up.
        seed: of the arrival times.
    """
    loop = asyncio.get_running_loop()
    load = _Load(port, patience_s)
    answers = {stream.name: Answers() for stream in streams}
    due = sorted(_arrivals(streams, seconds, seed))
    begun_s = loop.time()
    running: set[asyncio.Task[None]] = set()
    for after_s, number in due:
        pause_s = begun_s + after_s - loop.time()
        if pause_s > 0:
            await asyncio.sleep(pause_s)
        stream = streams[number]
        counted = answers[stream.name] if after_s >= warm_s else None
        task = asyncio.ensure_future(load.one(stream.request, begun_s + after_s, counted))
        running.add(task)
        task.add_done_callback(running.discard)
    if running:
        await asyncio.wait(running)
    load.close()
    return answers


def _arrivals(streams: Sequence[Stream], seconds: float, seed: int) -> list[tuple[float, int]]:
    found: list[tuple[float, int]] = []
    for number, stream in enumerate(streams):
        rng = random.Random(f"{seed} {stream.name}")
        at_s = rng.expovariate(stream.rps)
        while at_s < seconds:
            found.append((at_s, number))
            at_s += rng.expovariate(stream.rps)
    return found
