"""A set of workers that is started together, kept running, and ended together."""

import asyncio
import os
from collections.abc import Coroutine, Sequence
from typing import Any

from lukhas.gateway.children import Child
from lukhas.hub.child_link import ChildTask

__all__ = ("Generation", "all_or_none", "usable_cpus")


def usable_cpus() -> int:
    """How many CPUs this process may use."""
    return len(os.sched_getaffinity(0))


async def all_or_none(*starts: Coroutine[Any, Any, None]) -> None:
    """Waits for all; when one fails the others are given up too."""
    starting = [asyncio.create_task(start) for start in starts]
    try:
        await asyncio.gather(*starting)
    finally:
        for task in starting:
            task.cancel()
        await asyncio.gather(*starting, return_exceptions=True)


class Generation:
    """All workers with one version of code and settings.

    Args:
        tasks: one for each worker.
        stop_s: how long they may take to end when asked.
    """

    def __init__(self, tasks: Sequence[ChildTask], *, stop_s: float) -> None:
        self._workers = [Child("lukhas.gateway", task, stop_s=stop_s) for task in tasks]
        self._keeping: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Starts all and waits until all are ready. After a failure, `stop` ends the others.

        Raises:
            ChildFailedError: one did not get ready.
            OSError: a process cannot be started.
        """
        # A start is all CPU: more at once than there are CPUs would only be late together.
        turn = asyncio.Semaphore(max(2, usable_cpus()))

        async def start(worker: Child) -> None:
            async with turn:
                await worker.start()

        await all_or_none(*(start(worker) for worker in self._workers))

    def keep(self) -> None:
        """From now on starts each again that ends unasked."""
        self._keeping = [asyncio.create_task(worker.keep()) for worker in self._workers]

    async def stop(self) -> None:
        """Asks all to end, at once, and waits until they have."""
        for task in self._keeping:
            task.cancel()
        await asyncio.gather(*self._keeping, return_exceptions=True)
        await asyncio.gather(*(worker.stop() for worker in self._workers))
