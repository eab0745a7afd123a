"""The door to one upstream: its slots, and those who wait for one."""

import asyncio
from collections import deque

from lukhas.policy.overload.gate import Gate

__all__ = ("Door",)


class Door:
    """Slots of one upstream, and a short queue in front of them.

    Whoever waits gets a slot in the order of `next_waiting`; within a tier the first comes first.

    Args:
        gate: the slots.
        queue_s: longest time to wait.
        queue_length: how many of one tier may wait; 0 for none.

    Attributes:
        gate: as given.
        waiting: how many wait.
    """

    __slots__ = ("_length", "_queue_s", "_queues", "gate", "waiting")

    def __init__(self, gate: Gate, *, queue_s: float, queue_length: int) -> None:
        self.gate = gate
        self.waiting = 0
        self._queue_s = queue_s
        self._length = queue_length if queue_s > 0 else 0
        self._queues: list[deque[asyncio.Future[bool]]] = [deque() for _ in gate.standing.shares]

    def may_wait(self, index: int) -> bool:
        """Whether the queue has room for a tier."""
        return len(self._queues[index]) < self._length

    async def wait(self, index: int) -> bool:
        """Waits for a slot for a tier.

        Returns:
            Whether there is one, which must then be left; if not, it was waited for in vain.
        """
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        self._queues[index].append(waiter)
        self.gate.standing.waiting[index] += 1
        self.waiting += 1
        timer = loop.call_later(self._queue_s, self._give_up, index, waiter)
        try:
            return await waiter
        except BaseException:
            # The client is gone. It may have been given a slot in this very moment.
            if waiter.done() and not waiter.cancelled() and waiter.result():
                self.leave(index)
            else:
                self._forget(index, waiter)
            raise
        finally:
            timer.cancel()

    def leave(self, index: int) -> None:
        """Gives a slot back, to whoever comes next."""
        self.gate.leave(index)
        if self.waiting:
            self.let_in()

    def let_in(self) -> None:
        """Gives free slots to those who wait."""
        while self.waiting:
            index = self.gate.next_waiting()
            if index is None:
                return
            self.waiting -= 1
            waiter = self._queues[index].popleft()
            if waiter.done():
                # Its client has gone, and it has not come to leave the queue yet.
                self.gate.leave(index)
            else:
                waiter.set_result(True)

    def _give_up(self, index: int, waiter: "asyncio.Future[bool]") -> None:
        # It may have been given a slot in this very turn of the loop.
        if not waiter.done():
            self._forget(index, waiter)
            waiter.set_result(False)

    def _forget(self, index: int, waiter: "asyncio.Future[bool]") -> None:
        queue = self._queues[index]
        if waiter in queue:
            queue.remove(waiter)
            self.gate.standing.waiting[index] -= 1
            self.waiting -= 1
