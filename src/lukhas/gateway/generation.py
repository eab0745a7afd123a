"""A set of workers that is started together, kept running, and ended together."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from lukhas.gateway.children import Child
from lukhas.gateway.cpus import usable_cpus
from lukhas.hub.child_link import ChildTask

__all__ = ("Generation", "all_or_none")


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

    Attributes:
        workers: those that are to serve, the oldest first.
    """

    def __init__(self, tasks: Sequence[ChildTask], *, stop_s: float) -> None:
        self._stop_s = stop_s
        self.workers = [self._worker(task) for task in tasks]
        self._keeping: dict[Child, asyncio.Task[None]] = {}

    def _worker(self, task: ChildTask) -> Child:
        return Child("lukhas.gateway", task, stop_s=self._stop_s)

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

        await all_or_none(*(start(worker) for worker in self.workers))

    def keep(self) -> None:
        """From now on starts each again that ends unasked."""
        for worker in self.workers:
            self._keep(worker)

    def _keep(self, worker: Child) -> None:
        self._keeping[worker] = asyncio.create_task(worker.keep())

    async def grow(self, task: ChildTask) -> None:
        """Adds a worker, and waits until it is ready.

        Raises:
            ChildFailedError: it did not get ready.
            OSError: a process cannot be started.
        """
        worker = self._worker(task)
        self.workers.append(worker)
        try:
            await worker.start()
        except BaseException:
            self.workers.remove(worker)
            await worker.stop()
            raise
        self._keep(worker)

    def shrink(self) -> Coroutine[Any, Any, None]:
        """Takes the last worker away at once; what is returned lets it finish what it has."""
        worker = self.workers.pop()
        return _ended(worker, self._keeping.pop(worker))

    async def stop(self) -> None:
        """Asks all to end, at once, and waits until they have."""
        keeping = list(self._keeping.values())
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)
        await asyncio.gather(*(worker.stop() for worker in self.workers))


async def _ended(worker: Child, keeping: "asyncio.Task[None]") -> None:
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    await worker.stop()
