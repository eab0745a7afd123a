"""The link to Redis beside redis-py: one call a time, and 32 callers at once."""

import asyncio
import dataclasses
import os
import resource
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import redis.asyncio as redis_py
import uvloop

from benchmarks.measurement import Figure, Section, pin
from lukhas.errors import StoreUnavailableError
from lukhas.policy.breaker import BreakerSettings
from lukhas.storage.redis_link import RedisLink
from lukhas.storage.redis_scripts import Script
from lukhas.storage.redis_settings import settings_from_url
from lukhas.testing.redis_server import RedisServer, free_port
from lukhas.units import SECOND_NS

__all__ = ("run",)

_CALLERS = 32
_CALLS_EACH = 400
_SERIAL = 1500
_ROUNDS = 7
_KEYS = [b"limit:{%d}" % number for number in range(256)]
# What a fixed window needs: small, so that it shows the way to the server and not the server.
_SOURCE = """
local used = redis.call('INCRBY', KEYS[1], ARGV[1])
if used == tonumber(ARGV[1]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return {used, redis.call('PTTL', KEYS[1])}
"""
_SCRIPT = Script(_SOURCE)
# Never met here: a deadline is a different mode, which redis-py is not compared in.
_DEADLINE_S = 5.0

Call = Callable[[int], Awaitable[object]]


@dataclass(slots=True)
class _Taken:
    per_s: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    serial_us: list[float] = field(default_factory=list)


class _PipelinePerTurn:
    """What redis-py can do best: all calls of one turn of the loop in one of its pipelines."""

    def __init__(self, client: "redis_py.Redis") -> None:
        self._client = client
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[tuple[object, ...], asyncio.Future[object]]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, *command: object) -> asyncio.Future[object]:
        if not self._waiting:
            self._loop.call_soon(self._flush)
        future: asyncio.Future[object] = self._loop.create_future()
        self._waiting.append((command, future))
        return future

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        task = self._loop.create_task(self._send(waiting))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, waiting: list[tuple[tuple[object, ...], asyncio.Future[object]]]) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for command, _ in waiting:
            pipeline.execute_command(*command)
        replies = await pipeline.execute(raise_on_error=False)
        for (_, future), reply in zip(waiting, replies, strict=True):
            future.set_result(reply)


def run() -> Section:
    """Runs the comparison."""
    section = Section(
        "Link to Redis",
        f"Valkey over a Unix socket, on one core; the callers on the other, on uvloop. Calls a "
        f"second and CPU of the calling process with {_CALLERS} callers, each waiting for its "
        "answer; p50 with one. redis-py: a pool of connections as it comes, and with all calls of "
        "one turn of the loop in one of its pipelines. The script is INCRBY, PEXPIRE and PTTL by "
        f"EVALSHA. {_ROUNDS} interleaved rounds in one process; medians.",
    )
    with RedisServer() as server:
        if (os.cpu_count() or 1) > 1:
            os.sched_setaffinity(server.pid, {0})
        pin(1)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            taken = runner.run(_measure(server))
            refusal_us = runner.run(_refusals())
    for name, values in taken.items():
        section.figures.append(
            Figure(
                name,
                (
                    ("calls/s", round(statistics.median(values.per_s))),
                    ("CPU us/call", round(statistics.median(values.cpu_us), 1)),
                    ("1 caller p50 us", round(statistics.median(values.serial_us), 1)),
                ),
                ours=name.startswith("lukhas"),
            )
        )
    _aim(section, taken)
    section.at_most("p50 of a call while the server is left alone", refusal_us, 20, " us")
    return section


def _aim(section: Section, taken: dict[str, _Taken]) -> None:
    ours = taken["lukhas script"]
    per_s = statistics.median(ours.per_s)
    section.at_least("script calls/s, 32 callers", per_s, 30_000)
    for peer, bound in (("redis-py script", 2.0), ("redis-py pipeline script", 1.2)):
        ratio = per_s / statistics.median(taken[peer].per_s)
        section.at_least(f"times the calls/s of {peer}", ratio, bound)
    bare = statistics.median(taken["redis-py INCR"].serial_us)
    section.at_most(
        "p50 of a script, of a bare INCR of redis-py", statistics.median(ours.serial_us) / bare, 1.4
    )


async def _measure(server: RedisServer) -> dict[str, _Taken]:
    async with _cases(server) as cases:
        taken = {name: _Taken() for name in cases}
        for name, call in cases.items():
            await _check(server, name, call)
        for _ in range(_ROUNDS):
            for name, call in cases.items():
                await _round(call, taken[name])
        return taken


@asynccontextmanager
async def _cases(server: RedisServer) -> AsyncIterator[dict[str, Call]]:
    settings = dataclasses.replace(settings_from_url(server.socket_url), deadline_s=_DEADLINE_S)
    client = redis_py.Redis(unix_socket_path=server.socket_path)
    digest = await client.script_load(_SOURCE)
    piped = _PipelinePerTurn(client)
    async with RedisLink(settings) as link:
        yield {
            "redis-py INCR": lambda number: client.incr(b"n:%d" % number),
            "redis-py pipeline INCR": lambda number: piped("INCR", b"n:%d" % number),
            "lukhas INCR": lambda number: link.call(b"INCR", b"n:%d" % number),
            "redis-py script": lambda number: client.evalsha(digest, 1, _KEYS[number], 1, 60_000),
            "redis-py pipeline script": lambda number: piped(
                "EVALSHA", digest, 1, _KEYS[number], 1, 60_000
            ),
            "lukhas script": lambda number: link.script(_SCRIPT, [_KEYS[number]], [1, 60_000]),
        }
    await client.aclose()


async def _check(server: RedisServer, name: str, call: Call) -> None:
    """Every call is carried out once, and replies are those of the calls."""
    server.ask("FLUSHALL")
    replies = await asyncio.gather(*(call(0) for _ in range(_CALLERS)))
    # A pool does not keep the order of its callers.
    counts = {reply[0] if isinstance(reply, list) else reply for reply in replies}
    if counts != set(range(1, _CALLERS + 1)):
        raise RuntimeError(f"{name} counts wrong: {counts}")


async def _refusals() -> float:
    """Microseconds that a call takes while nothing listens and the breaker is open."""
    address = f"redis://127.0.0.1:{free_port()}"
    breaker = BreakerSettings(pause_ns=60 * SECOND_NS, longest_pause_ns=60 * SECOND_NS)
    settings = dataclasses.replace(settings_from_url(address), breaker=breaker)
    taken_us: list[float] = []
    async with RedisLink(settings) as link:
        for number in range(5000):
            begun_s = time.perf_counter()
            try:
                await link.script(_SCRIPT, [_KEYS[number % len(_KEYS)]], [1, 60_000])
            except StoreUnavailableError:
                taken_us.append((time.perf_counter() - begun_s) * 1e6)
    return statistics.median(taken_us)


async def _round(call: Call, taken: _Taken) -> None:
    async def caller(first: int) -> None:
        for number in range(_CALLS_EACH):
            await call((first + number) % len(_KEYS))

    before, begun_s = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    await asyncio.gather(*(caller(number * 7) for number in range(_CALLERS)))
    lasted_s, after = time.perf_counter() - begun_s, resource.getrusage(resource.RUSAGE_SELF)
    calls = _CALLERS * _CALLS_EACH
    used_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    taken.per_s.append(calls / lasted_s)
    taken.cpu_us.append(used_s / calls * 1e6)
    single: list[float] = []
    for number in range(_SERIAL):
        begun_s = time.perf_counter()
        await call(number % len(_KEYS))
        single.append((time.perf_counter() - begun_s) * 1e6)
    taken.serial_us.append(statistics.median(single))
