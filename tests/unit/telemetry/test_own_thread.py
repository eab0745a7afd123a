"""A thread that nothing waits for."""

import asyncio
import threading

import pytest

from lukhas.telemetry.own_thread import OwnThread


async def test_jobs_run_one_after_the_other() -> None:
    """Off the loop, and their results come to it."""
    thread = OwnThread("t")
    first, second = await asyncio.gather(
        thread.run(threading.get_ident), thread.run(threading.get_ident)
    )
    assert first == second != threading.get_ident()
    thread.close()


async def test_what_a_job_raises_is_raised_where_it_is_waited_for() -> None:
    """And the thread goes on."""
    thread = OwnThread("t")

    def fail() -> None:
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        await thread.run(fail)
    assert await thread.run(lambda: 5) == 5
    thread.close()


async def test_a_job_that_nobody_waits_for_is_done_all_the_same() -> None:
    """Its result is dropped."""
    thread = OwnThread("t")
    begun, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        go_on.wait(10)
        done.set()

    waiting = thread.run(slow)
    assert await asyncio.to_thread(begun.wait, 10)
    waiting.cancel()
    go_on.set()
    assert await thread.run(done.is_set)
    thread.close()


def test_a_loop_that_has_ended_is_no_trouble() -> None:
    """A process may end while something is still written."""
    go_on, done = threading.Event(), threading.Event()
    thread = OwnThread("t")

    def slow() -> None:
        go_on.wait(10)

    async def begin() -> None:
        thread.run(slow)

    asyncio.run(begin())
    go_on.set()

    async def after() -> None:
        await thread.run(done.set)

    asyncio.run(after())
    assert done.is_set()
    thread.close()
