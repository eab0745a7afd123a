"""Two tries of one request at the same time: the first good answer counts."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from lukhas.http.messages import Response
from lukhas.pipeline.pipeline import discard

__all__ = ("LOST", "raced")

LOST = "another try was quicker"
"""The message with which the slower try is cancelled."""

_Try = Callable[[], Coroutine[Any, Any, Response]]


async def raced(
    begin: _Try,
    *,
    late_s: float,
    may_begin: Callable[[], bool],
    is_good: Callable[[Response], bool],
) -> Response:
    """The answer of one try, or of two where the first is late.

    Args:
        begin: begins a try.
        late_s: when the first is late.
        may_begin: whether there may be a second; asked when the first is late.
        is_good: whether an answer is worth more than that of a try still under way.

    Raises:
        Exception: what the last try raised, where none had an answer.
    """
    loop = asyncio.get_running_loop()
    tries = [loop.create_task(begin())]
    try:
        done, _ = await asyncio.wait(tries, timeout=late_s)
        if not done and may_begin():
            tries.append(loop.create_task(begin()))
        best = await _best(tries, is_good)
    except BaseException:
        await _end(tries)
        raise
    await _end([each for each in tries if each is not best])
    return best.result()


async def _best(
    tries: list["asyncio.Task[Response]"], is_good: Callable[[Response], bool]
) -> "asyncio.Task[Response]":
    """The first try with a good answer; if there is none, one with any; else the last."""
    under_way = set(tries)
    while under_way:
        done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
        for each in done:
            if each.exception() is None and is_good(each.result()):
                return each
    answered = [each for each in tries if each.exception() is None]
    return answered[-1] if answered else tries[-1]


async def _end(tries: list["asyncio.Task[Response]"]) -> None:
    """Gives tries up, with what they have brought."""
    for each in tries:
        each.cancel(LOST)
    for ended in await asyncio.gather(*tries, return_exceptions=True):
        if isinstance(ended, Response):
            discard(ended)
