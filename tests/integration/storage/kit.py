"""What the tests of the link share."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable

import hiredis

from lukhas.errors import StoreError
from lukhas.policy.breaker import BreakerSettings
from lukhas.storage.redis_link import RedisLink
from lukhas.storage.redis_scripts import Script
from lukhas.storage.redis_settings import settings_from_url
from lukhas.units import MILLISECOND_NS

__all__ = ("ADD", "PATIENT_S", "failure_of", "opened", "scripted", "until")

PATIENT_S = 20.0
"""A deadline that no test meets by accident."""
ADD = Script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
_BREAKER = BreakerSettings(pause_ns=10 * MILLISECOND_NS, longest_pause_ns=40 * MILLISECOND_NS)


@contextlib.asynccontextmanager
async def opened(
    url: str, *, breaker: BreakerSettings = _BREAKER, ready: bool = True, **changes: object
) -> AsyncIterator[RedisLink]:
    """A link with short pauses and long deadlines, tried once; leaves no task behind."""
    before = _tasks_of_links()
    values = {"deadline_s": PATIENT_S, "connect_timeout_s": PATIENT_S, "breaker": breaker}
    settings = dataclasses.replace(settings_from_url(url), **{**values, **changes})  # type: ignore[arg-type]
    link = RedisLink(settings)
    try:
        if ready:
            await link.ready()
        yield link
    finally:
        await link.close()
    assert _tasks_of_links() <= before


def _tasks_of_links() -> set[asyncio.Task[object]]:
    return {
        task
        for task in asyncio.all_tasks()
        if getattr(task.get_coro(), "__qualname__", "").startswith("Redis")
    }


async def failure_of(link: RedisLink, *command: bytes | str | int) -> StoreError:
    """The error that a command fails with."""
    try:
        reply = await link.call(*command)
    except StoreError as error:
        return error
    raise AssertionError(f"it did not fail: {reply!r}")


async def until(holds: Callable[[], bool]) -> None:
    """Waits until something holds; the time limit of the test is the limit."""
    # What is waited for lies in another process: there is no event of it here.
    while not holds():  # noqa: ASYNC110
        await asyncio.sleep(0.002)


@contextlib.asynccontextmanager
async def scripted(answer: Callable[[list[bytes]], bytes]) -> AsyncIterator[int]:
    """A server on 127.0.0.1 that greets as any and answers other commands as a test says."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        commands = hiredis.Reader()
        while data := await reader.read(65_536):
            commands.feed(data)
            while (command := commands.gets()) is not False:
                greeting = command[0] in {b"HELLO", b"PING"}
                writer.write(b"+OK\r\n" if greeting else answer(command))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
