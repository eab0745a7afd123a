"""`python -m benchmarks.fuzz_http1 --inputs 200000 --seed 1`: garbage for the front server.

Each input is a few requests, damaged at random, and comes in random pieces. The front server's own
protocol class reads it, the gateway's own client sends what it believes on to an origin, and both
what the pipeline saw and what the origin received are compared with a strict reading of the input
(`benchmarks.strict_http1`). Exit code 1 if something raised, hung, or was smuggled.
"""

import argparse
import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import uvloop

from benchmarks.strict_http1 import StrictRequest, strict_requests
from lukhas.clock import SystemClock
from lukhas.gateway.faults import FaultStage
from lukhas.gateway.forwarding import Forwarding
from lukhas.gateway.framing import FrontLimits
from lukhas.gateway.front import FrontConnection
from lukhas.gateway.front_state import FrontState
from lukhas.gateway.outbox import Outbox
from lukhas.gateway.plain_answers import PlainAnswers
from lukhas.gateway.upstream_connection import UpstreamConnection, UpstreamTimeouts
from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.intake import Intake
from lukhas.pipeline.pipeline import Pipeline

__all__ = ("CORPUS", "TOKENS", "Fuzzer", "damaged", "main")

_HOST = b"Host: a.example\r\n"
CORPUS = (
    b"GET /a HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"GET /a?q=1&q=2 HTTP/1.1\r\n" + _HOST + b"Accept: */*\r\nCookie: a=b; c=d\r\n\r\n",
    b"HEAD /a HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"GET http://a.example/b HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"OPTIONS * HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"GET /old HTTP/1.0\r\n" + _HOST + b"Connection: keep-alive\r\n\r\n",
    b"GET /last HTTP/1.1\r\n" + _HOST + b"Connection: close, x-hop\r\nX-Hop: 1\r\n\r\n",
    b"POST /b HTTP/1.1\r\n" + _HOST + b"Content-Length: 5\r\n\r\nhello",
    b"POST /b HTTP/1.1\r\n" + _HOST + b"Content-Length: 0\r\n\r\n",
    b"PUT /b HTTP/1.1\r\n" + _HOST + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
    b"POST /c HTTP/1.1\r\n" + _HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n",
    b"POST /c HTTP/1.1\r\n" + _HOST + b"Transfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n"
    b"1\r\na\r\n0\r\nX-T: 1\r\n\r\n",
    b"GET /ws HTTP/1.1\r\n" + _HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"\r\nDELETE /d HTTP/1.1\r\n" + _HOST + b"Content-Type: text/plain\r\n\r\n",
    b"POST /e HTTP/1.1\r\n" + _HOST + b"Content-Length: 45\r\n\r\n"
    b"GET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n\r\n",
)
TOKENS = (
    b"\r\n", b"\r", b"\n", b"\0", b" ", b"\t", b"\x0b", b"\x0c", b"\x85", b"\xa0", b":", b";", b",",
    b"0", b"5", b"-5", b"+5", b"0x5", b"ffffffffffffffff", b"\r\n\r\n", b"0\r\n\r\n", b"\n\n",
    b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"content-length:7\r\n",
    b"Content-Length : 5\r\n", b"Content-Length: 5,5\r\n", b" Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding:chunked\r\n",
    b"Transfer-Encoding: identity\r\n", b"Transfer-Encoding: chunked, identity\r\n",
    b"Transfer-Encoding : chunked\r\n", b"Transfer_Encoding: chunked\r\n",
    b"transfer-encoding:\tchunked \r\n", b"Host: b.example\r\n", b"Connection: close\r\n",
    b"Connection: transfer-encoding\r\n", b"Connection: content-length\r\n",
    b"HTTP/1.1", b"HTTP/2.0",
    b"GET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n", b"\x80\xff", b"%00", b"/../", b"//",
)  # fmt: skip
_MOST_TURNS = 400
_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
_OK_HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


def damaged(draws: random.Random) -> bytes:
    """One to four requests of the corpus, with none to six changes."""
    data = bytearray(b"".join(draws.choices(CORPUS, k=draws.randint(1, 4))))
    for _ in range(draws.choice((0, 1, 1, 1, 2, 2, 3, 6))):
        at = draws.randrange(len(data) + 1)
        end = min(len(data), at + draws.choice((1, 1, 2, 5, 20)))
        match draws.randrange(7):
            case 0:
                data[at:at] = draws.choice(TOKENS)
            case 1:
                data[at:end] = draws.choice(TOKENS)
            case 2:
                del data[at:end]
            case 3:
                data[at:at] = data[at:end]
            case 4:
                data[at:end] = draws.randbytes(end - at)
            case 5:
                # A whole line more, where lines begin.
                line = data.find(b"\r\n", at) + 2
                data[line:line] = draws.choice(TOKENS)
            case _:
                other = draws.choice(CORPUS)
                data[at:at] = other[draws.randrange(len(other)) :]
        if not data:
            break
    return bytes(data)


def _pieces(data: bytes, draws: random.Random) -> Iterator[bytes]:
    if draws.random() < 0.3:
        yield data
        return
    at = 0
    while at < len(data):
        end = at + draws.choice((1, 2, 7, 30, 100))
        yield data[at:end]
        at = end


class _Wire:
    """A transport that hands what is written to `taken`."""

    def __init__(self) -> None:
        self.data = b""
        self.closed = False
        self.taken: Any = None

    def write(self, data: bytes) -> None:
        self.data += data
        if self.taken is not None:
            self.taken()

    def write_eof(self) -> None:
        self.closed = True

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        """Nothing flows by itself."""

    resume_reading = pause_reading

    def get_extra_info(self, name: str) -> Any:
        return ("192.0.2.1", 1) if name == "peername" else None


class _OriginPool:
    """Gives the gateway's client connections to an origin that keeps every byte."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.wires: list[_Wire] = []

    def take_idle(self) -> None:
        """Each request gets a connection of its own, so that its bytes are apart."""

    def take_fresh(self, *, at_most_s: float) -> None:
        """As above."""

    async def open(self, *, is_prior: bool = False) -> UpstreamConnection:
        wire = _Wire()
        self.wires.append(wire)
        connection = UpstreamConnection(
            self.loop,
            "origin",
            UpstreamTimeouts(),
            Outbox(self.loop),
            PlainAnswers(),
            on_free=lambda _: None,
            on_gone=lambda _: None,
        )
        connection.connection_made(wire)
        answered = False

        def answer() -> None:
            nonlocal answered
            (*_, last) = strict_requests(wire.data) or (None,)
            if not answered and last is not None and last.whole:
                answered = True
                data = _OK_HEAD if last.method == b"HEAD" else _OK
                self.loop.call_soon(_received, connection, data)

        wire.taken = answer
        return connection


def _received(connection: UpstreamConnection, data: bytes) -> None:
    if not connection.is_closing():
        connection.data_received(data)


@dataclass
class Fuzzer:
    """Feeds inputs to a front server, and finds what is wrong.

    Attributes:
        wrong: what went wrong, with the input.
        seen: how many inputs brought how many requests through.
        answers: the statuses that clients got.
        heads: the requests of the last input that reached the pipeline.
    """

    wrong: list[tuple[str, bytes]] = field(default_factory=list)
    seen: Counter[int] = field(default_factory=Counter)
    answers: Counter[bytes] = field(default_factory=Counter)
    heads: list[Exchange] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._pool = _OriginPool()
        self._forward = Forwarding(cast("Any", self._pool))
        self.heads = []
        self._raised: list[str] = []
        pipeline = Pipeline([FaultStage()], lambda _, error: self._raised.append(repr(error)))
        run = pipeline.around(self._handle)
        self._state = FrontState(run, Intake(SystemClock(), "p"), FrontLimits())
        self._state.date = b"now"
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: self._raised.append(str(context))
        )

    async def _handle(self, exchange: Exchange) -> Response:
        self.heads.append(exchange)
        return await self._forward(exchange)

    async def feed(self, data: bytes, draws: random.Random) -> None:
        """One connection that carries these bytes and then ends."""
        self.heads, self._pool.wires, self._raised = [], [], []
        connection = FrontConnection(self._state)
        client = _Wire()
        connection.connection_made(cast("Any", client))
        try:
            for piece in _pieces(data, draws):
                if client.closed:
                    break
                connection.data_received(piece)
                if draws.random() < 0.2:
                    await asyncio.sleep(0)
            await self._rest()
            connection.connection_lost(None)
            for wire in self._pool.wires:
                wire.taken = None
            await self._rest()
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            self._raised.append(repr(error))
        self.judge(data, client)

    async def _rest(self) -> None:
        """Lets the loop turn until nothing moves any more: not for ever."""
        still = 0
        for _ in range(_MOST_TURNS):
            before = len(self.heads), [len(wire.data) for wire in self._pool.wires]
            await asyncio.sleep(0)
            after = len(self.heads), [len(wire.data) for wire in self._pool.wires]
            still = still + 1 if before == after else 0
            if still > 6:
                return
        self._raised.append("it does not come to rest")

    def judge(self, data: bytes, client: "_Wire | None") -> None:
        """Compares what came through with the input."""
        expected = strict_requests(data)
        self.seen[len(self.heads)] += 1
        answers = b"" if client is None else client.data
        for line in answers.split(b"HTTP/1.1 ")[1:]:
            self.answers[line[:3]] += 1
        problems = [*self._raised]
        if self._state.unhandled:
            problems.append("a failure of the gateway itself")
            self._state.unhandled = 0
        if len(asyncio.all_tasks()) > 1:
            problems.append("a task is left")
        problems += _smuggled(self.heads, expected)
        received = [strict_requests(wire.data) for wire in self._pool.wires if wire.data]
        problems += _forged(received, expected)
        self.wrong += [(problem, data) for problem in problems]


def _smuggled(seen: list[Exchange], expected: list[StrictRequest]) -> list[str]:
    """What the pipeline saw and the input does not have, in its order."""
    rest = iter(expected)
    for exchange in seen:
        head = exchange.head
        fields = tuple(pair for pair in head.headers.raw)
        for request in rest:
            if request.method == head.method.encode() and request.fields == fields:
                break
        else:
            return [f"a request that was not sent: {head.method} {head.path!r} {fields!r}"]
    return []


def _forged(received: list[list[StrictRequest]], expected: list[StrictRequest]) -> list[str]:
    """What the origin received and the input does not have, in its order."""
    rest = iter(expected)
    for requests in received:
        if len(requests) != 1:
            return [f"{len(requests)} requests where one was forwarded"]
        (request,) = requests
        for sent in rest:
            same = sent.method == request.method
            # A body that the client never finished is never finished at the origin.
            whole = sent.body == request.body and sent.whole
            if same and (whole or (not request.whole and sent.body.startswith(request.body))):
                break
        else:
            return [f"the origin got what was not sent: {request}"]
    return []


async def _fuzz(inputs: int, seed: int) -> Fuzzer:
    draws = random.Random(seed)
    fuzzer = Fuzzer()
    for _ in range(inputs):
        await fuzzer.feed(damaged(draws), draws)
        if len(fuzzer.wrong) >= 20:
            break
    return fuzzer


def main() -> int:
    """Runs and prints.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    begun_s = time.perf_counter()
    fuzzer = uvloop.run(_fuzz(options.inputs, options.seed))
    taken_s = time.perf_counter() - begun_s
    inputs = sum(fuzzer.seen.values())
    print(f"{inputs} inputs in {taken_s:.0f} s, seed {options.seed}")
    print(f"requests that came through, by input: {dict(sorted(fuzzer.seen.items()))}")
    told = {status.decode("latin-1"): count for status, count in fuzzer.answers.most_common(12)}
    print(f"answers: {told}")
    for problem, data in fuzzer.wrong:
        print(f"WRONG {problem}\n      {data!r}")
    print(f"{len(fuzzer.wrong)} wrong")
    return 1 if fuzzer.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
