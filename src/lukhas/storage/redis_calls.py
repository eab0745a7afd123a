"""A command on its way, and the watch over those that take too long."""

from asyncio import AbstractEventLoop, Future, TimerHandle
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from lukhas.storage.redis_scripts import Script

__all__ = ("Call", "Carrier", "DeadlineWatch")

# A call is given up at most this part of its deadline late: so one timer serves many calls.
_TICKS = 8


class Carrier(Protocol):
    """What a call was handed to."""

    def overdue(self, call: "Call") -> None:
        """Fails a call that got no answer within its deadline."""
        ...


class Call:
    """A command on its way.

    Not frozen: one is made for every command, and it changes hands.

    Args:
        packed: the command as bytes to be sent.
        future: gets the reply, or a `StoreError`.
        script: the script that it runs, if it does.
        slot: which part of a cluster it is for; -1: any.

    Attributes:
        deadline_s: how long it may take.
        due_s: when its deadline passes, in the time of the loop.
        carrier: whom it was handed to last.
        heard_before: how often something had come from the server when it was sent.
        tries: how often it was sent again.
        asking: whether the server it goes to must be told that it was sent there by another.
    """

    __slots__ = (
        "asking", "carrier", "deadline_s", "due_s", "future", "heard_before", "packed", "script",
        "slot", "tries",
    )  # fmt: skip

    def __init__(
        self, packed: bytes, future: Future[Any], script: Script | None = None, slot: int = -1
    ) -> None:
        self.packed = packed
        self.future = future
        self.script = script
        self.slot = slot
        self.deadline_s = self.due_s = 0.0
        self.carrier: Carrier | None = None
        self.heard_before = 0
        self.tries = 0
        self.asking = False

    def fail(self, error: Exception) -> None:
        """Gives the caller an error, if it still waits."""
        if not self.future.done():
            self.future.set_exception(error)


class DeadlineWatch:
    """Gives up calls that share one deadline, with one timer for all of them.

    Args:
        loop: the running loop.
        deadline_s: how long each of them may take.
        give_up: called with each that is overdue and still waits.
    """

    __slots__ = ("_calls", "_deadline_s", "_give_up", "_loop", "_timer")

    def __init__(
        self, loop: AbstractEventLoop, deadline_s: float, give_up: Callable[[Call], None]
    ) -> None:
        self._loop = loop
        self._deadline_s = deadline_s
        self._give_up = give_up
        self._calls: deque[Call] = deque()
        self._timer: TimerHandle | None = None

    def add(self, call: Call) -> None:
        """Watches over a call from now on."""
        call.deadline_s = self._deadline_s
        call.due_s = due_s = self._loop.time() + self._deadline_s
        self._calls.append(call)
        if self._timer is None:
            self._timer = self._loop.call_at(due_s, self._look_twice)

    def close(self) -> None:
        """Stops watching."""
        self._calls.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _look_twice(self) -> None:
        # After a long pause of this process timers may run before answers that are there already
        # are read. Two turns of the loop later they have been.
        self._loop.call_soon(self._loop.call_soon, self._look)

    def _look(self) -> None:
        calls, now_s = self._calls, self._loop.time()
        while calls and (calls[0].due_s <= now_s or calls[0].future.done()):
            call = calls.popleft()
            if not call.future.done():
                self._give_up(call)
        self._timer = None
        if calls:
            next_s = max(calls[0].due_s, now_s + self._deadline_s / _TICKS)
            self._timer = self._loop.call_at(next_s, self._look_twice)
