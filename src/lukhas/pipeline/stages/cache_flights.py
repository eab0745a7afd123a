"""Request collapsing: of concurrent misses one asks the origin, the others wait for its answer."""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable
from enum import Enum
from typing import TypeAlias

from lukhas.policy.caching.keys import CacheKey
from lukhas.units import SECOND_NS

__all__ = ("Flight", "FlightEnd", "FlightKey", "Flights")

FlightKey: TypeAlias = tuple[CacheKey, int]
"""A cache key, and a hash of the principal where the answer may be meant for one only."""

_ALONE_NS = 30 * SECOND_NS
_MAX_ALONE = 4096
# More than so many that wait are a crowd.
_FEW = 12


class FlightEnd(Enum):
    """How the fetch that others wait for ended."""

    STORED = "stored"
    """Look it up."""
    ABANDONED = "abandoned"
    """The leader went away: somebody else should lead."""
    NOT_SHARED = "not shared"
    """The answer cannot be stored, failed, or is too slow: everybody asks for themselves."""


class Flight:
    """One fetch on its way, and those who wait for it.

    Attributes:
        asked_s: since when the leader asks the origin after it waited for another process, in the
            time of the loop; infinite while it waits, minus infinite if it did not.
        key: what is fetched.
        ticket: the store's ticket, drawn before the fetch began.
        is_promising: whether its answer is likely to be for sharing.
        on_end: told once how it ended, before those who wait are.
    """

    __slots__ = ("asked_s", "is_promising", "joined_s", "key", "on_end", "ticket", "waiters")

    def __init__(self, key: FlightKey, ticket: int, *, is_promising: bool) -> None:
        self.key = key
        self.ticket = ticket
        self.is_promising = is_promising
        self.asked_s = -math.inf
        self.joined_s = 0.0
        self.on_end: Callable[[FlightEnd], None] | None = None
        self.waiters: list[asyncio.Future[FlightEnd]] = []


class Flights:
    """The fetches on their way in this process.

    Args:
        wait_limit_s: longest time to wait for a fetch; a leader whose client reads slowly must
            not hold up the others. Time in which the leader waits for another process is not
            counted: if it were, all would go to the origin at the moment the leader does.
        patience_s: how long a few wait where nothing is known about the answers: if the answer is
            not for sharing, they have not lost the time of a whole fetch. Of a crowd nobody asks
            after so long: keeping it off a slow origin is what waiting is for.
    """

    def __init__(self, wait_limit_s: float, patience_s: float = 0.2) -> None:
        self.wait_limit_s = wait_limit_s
        self._patience_s = patience_s
        self._flying: dict[FlightKey, Flight] = {}
        self._alone: OrderedDict[FlightKey, int] = OrderedDict()
        self._shared: OrderedDict[FlightKey, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._flying)

    def find(self, key: FlightKey) -> Flight | None:
        """The fetch of this key that is on its way."""
        return self._flying.get(key)

    def begin(self, key: FlightKey, ticket: int, *, is_promising: bool = False) -> Flight:
        """Begins a fetch; one of the same key that is on its way gets no more waiters.

        Args:
            key: what is fetched.
            ticket: the store's.
            is_promising: whether the answer is likely to be for sharing, so that it is worth
                waiting for; if answers to the key were stored before, it is anyway.
        """
        is_promising = is_promising or key in self._shared
        flight = self._flying[key] = Flight(key, ticket, is_promising=is_promising)
        return flight

    def end(self, flight: Flight | None, how: FlightEnd) -> None:
        """Releases all waiters of a fetch at once. Only the first call counts."""
        if flight is None:
            return
        self._leave(flight)
        on_end, flight.on_end = flight.on_end, None
        if on_end is not None:
            on_end(how)
        waiters, flight.waiters = flight.waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(how)

    async def wait(self, flight: Flight) -> FlightEnd:
        """Waits for the end of a fetch, but not for ever."""
        loop = asyncio.get_running_loop()
        # A future of its own, so that a waiter that is cancelled takes nobody with it.
        waiter: asyncio.Future[FlightEnd] = loop.create_future()
        flight.waiters.append(waiter)
        flight.joined_s = loop.time()
        timers = [loop.call_later(self.wait_limit_s, self._give_up, flight, waiter)]
        if not flight.is_promising:
            timers.append(loop.call_later(self._patience_s, self._lose_patience, flight, waiter))
        try:
            return await waiter
        finally:
            for timer in timers:
                timer.cancel()

    def is_worth_waiting(self, flight: Flight, begun_s: float) -> bool:
        """Whether its leader should go on waiting for a fetch of another process.

        If not, it asks the origin itself, and those who wait for it have their patience anew.

        Args:
            flight: the fetch that it would make itself.
            begun_s: since when it waits, in the time of the loop.
        """
        now_s = asyncio.get_running_loop().time()
        limit_s = self.wait_limit_s
        if not flight.is_promising and len(flight.waiters) <= _FEW:
            limit_s = min(self._patience_s, limit_s)
        is_worth = now_s - begun_s < limit_s
        flight.asked_s = math.inf if is_worth else now_s
        return is_worth

    def go_alone(self, key: FlightKey, now_ns: int) -> None:
        """Remembers for a while that answers to this key cannot be shared, so nobody waits."""
        self._shared.pop(key, None)
        self._alone[key] = now_ns + _ALONE_NS
        self._alone.move_to_end(key)
        if len(self._alone) > _MAX_ALONE:
            self._alone.popitem(last=False)

    def is_alone(self, key: FlightKey, now_ns: int) -> bool:
        """Whether `go_alone` was called for this key not long ago."""
        return now_ns < self._alone.get(key, 0)

    def share_again(self, key: FlightKey) -> None:
        """Forgets `go_alone`: an answer was stored, so that the next ones are worth waiting for."""
        self._alone.pop(key, None)
        self._shared[key] = None
        self._shared.move_to_end(key)
        if len(self._shared) > _MAX_ALONE:
            self._shared.popitem(last=False)

    def _give_up(self, flight: Flight, waiter: "asyncio.Future[FlightEnd]") -> None:
        if waiter.done():
            return
        loop = waiter.get_loop()
        # The leader itself waits for another process no longer than the limit.
        left_s = min(flight.asked_s + self.wait_limit_s - loop.time(), self.wait_limit_s)
        if left_s > 0:
            loop.call_later(left_s, self._give_up, flight, waiter)
            return
        # Too slow for one is too slow for those who come later: they get another leader.
        self._leave(flight)
        waiter.set_result(FlightEnd.NOT_SHARED)

    def _lose_patience(self, flight: Flight, waiter: "asyncio.Future[FlightEnd]") -> None:
        if waiter.done() or len(flight.waiters) > _FEW:
            return
        loop = waiter.get_loop()
        # While others still join, it may become a crowd.
        left_s = flight.joined_s + self._patience_s - loop.time()
        if left_s > 0:
            loop.call_later(left_s, self._lose_patience, flight, waiter)
        else:
            waiter.set_result(FlightEnd.NOT_SHARED)

    def _leave(self, flight: Flight) -> None:
        if self._flying.get(flight.key) is flight:
            del self._flying[flight.key]
