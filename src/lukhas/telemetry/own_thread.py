"""A thread for what may block, and which nothing waits for when the process ends."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

__all__ = ("OwnThread",)

_T = TypeVar("_T")
_Job = Callable[[], None]


class OwnThread:
    """Runs one job after the other.

    It ends with the process, also in the middle of a job: unlike the executors of the standard
    library, which let a process wait for a write to a pipe that nobody reads.

    Args:
        name: of the thread, for people.
    """

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def run(self, job: Callable[[], _T]) -> "asyncio.Future[_T]":
        """Has a job done; its result or what it raises comes to the running loop.

        One that nobody waits for any more is done all the same.
        """
        loop = asyncio.get_running_loop()
        result: asyncio.Future[_T] = loop.create_future()

        def done() -> None:
            settle: Callable[[], None]
            try:
                settle = partial(result.set_result, job())
            except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
                settle = partial(result.set_exception, error)
            # The loop may be closed by now.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_unless_done, result, settle)

        self._jobs.put(done)
        return result

    def close(self) -> None:
        """Lets the thread end after what it has to do; does not wait for it."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


def _unless_done(result: "asyncio.Future[_T]", settle: Callable[[], None]) -> None:
    if not result.done():
        settle()
