"""What the tests of the link share."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable

from lukhas.errors import StoreError
from lukhas.policy.breaker import BreakerSettings
from lukhas.storage.redis_link import RedisLink
from lukhas.storage.redis_scripts import Script
from lukhas.storage.redis_settings import settings_from_url
from lukhas.units import MILLISECOND_NS

__all__ = ("ADD", "PATIENT_S", "failure_of", "opened", "until")

PATIENT_S = 20.0
"""A deadline that no test meets by accident."""
ADD = Script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
_BREAKER = BreakerSettings(pause_ns=10 * MILLISECOND_NS, longest_pause_ns=40 * MILLISECOND_NS)


@contextlib.asynccontextmanager
async def opened(
    url: str, *, breaker: BreakerSettings = _BREAKER, **changes: object
) -> AsyncIterator[RedisLink]:
    """A link with short pauses and long deadlines; leaves no task behind."""
    before = _tasks_of_links()
    values = {"deadline_s": PATIENT_S, "connect_timeout_s": PATIENT_S, "breaker": breaker}
    settings = dataclasses.replace(settings_from_url(url), **{**values, **changes})  # type: ignore[arg-type]
    link = RedisLink(settings)
    try:
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
    while not holds():
        await asyncio.sleep(0.002)
