"""Concurrency: how many requests may be in flight at once.

Each request in flight has a deadline, by which it leaves even if nobody says so: the worker that
held it may have died. The state, little-endian: `I kind`, then for each `Q deadline (us)`, in
order.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from lukhas.policy.rate_limiting.limits import Kind, Limit
from lukhas.policy.rate_limiting.words import KIND_BYTES, is_words, words_of, write_words
from lukhas.units import SECOND_NS

__all__ = ("Concurrency",)

_US_NS = 1000
_EMPTY = (5).to_bytes(KIND_BYTES, "little")


class Concurrency:
    """Limits on what is in flight, compiled; see `Counting`.

    Args:
        limits: at least one; the window is how long a request is held at most.
    """

    __slots__ = ("_hold_us", "limits")

    kind = Kind.CONCURRENCY

    def __init__(self, limits: Sequence[Limit]) -> None:
        self.limits = tuple(limits)
        self._hold_us = max(limit.window_ns for limit in self.limits) // _US_NS

    @property
    def layout(self) -> dict[str, int | list[int]]:
        """What a reader of states in another language needs to know; times in microseconds."""
        return {"quota": [limit.quota for limit in self.limits], "hold": self._hold_us}

    def new_state(self, _now_ns: int) -> bytearray:
        """See `Counting`."""
        return bytearray(_EMPTY)

    def take(self, state: bytearray, now_ns: int, cost: int) -> bytes | None:
        """See `Counting`."""
        if not self.fits(state, now_ns, cost):
            return None
        self.charge(state, now_ns, cost)
        return bytes(state)

    def fits(self, state: bytearray, now_ns: int, cost: int) -> bool:
        """See `Counting`."""
        deadlines = words_of(state)
        gone = bisect_right(deadlines, now_ns // _US_NS)
        if gone:
            del deadlines[:gone]
            write_words(state, deadlines)
        return not self.violated(state, now_ns, cost)

    def charge(self, state: bytearray, now_ns: int, cost: int) -> None:
        """See `Counting`."""
        deadlines = words_of(state)
        deadline_us = now_ns // _US_NS + self._hold_us
        at = bisect_right(deadlines, deadline_us)
        deadlines[at:at] = array("Q", [deadline_us]) * cost
        write_words(state, deadlines)

    def settle(self, state: bytearray, *, at_ns: int, now_ns: int, change: int) -> None:
        """See `Counting`: so many of those that came at `at_ns` leave."""
        del now_ns
        deadlines = words_of(state)
        deadline_us = at_ns // _US_NS + self._hold_us
        first = bisect_left(deadlines, deadline_us)
        last = bisect_right(deadlines, deadline_us)
        del deadlines[first : min(last, first - min(change, 0))]
        write_words(state, deadlines)

    def figures(self, state: bytes | bytearray, _now_ns: int) -> tuple[int, ...]:
        """See `Counting`; when a place becomes free cannot be known, so `t` is 0."""
        used = len(words_of(state))
        figures: list[int] = []
        for limit in self.limits:
            figures += (max(0, limit.quota - used), 0)
        return tuple(figures)

    def used(self, state: bytearray, _now_ns: int) -> tuple[int, ...]:
        """See `Counting`; as of the last `fits`."""
        return (len(words_of(state)),) * len(self.limits)

    def violated(self, state: bytearray, _now_ns: int, cost: int) -> tuple[int, ...]:
        """See `Counting`."""
        more = len(words_of(state)) + cost
        return tuple([index for index, limit in enumerate(self.limits) if more > limit.quota])

    def fits_at_ns(self, _state: bytearray, now_ns: int, index: int, cost: int) -> int | None:
        """See `Counting`; nobody knows when requests end, so it is worth another try in 1 s."""
        return None if cost > self.limits[index].quota else now_ns + SECOND_NS

    def is_idle(self, state: bytearray, now_ns: int) -> bool:
        """See `Counting`."""
        return now_ns >= self.expires_ns(state)

    def expires_ns(self, state: bytearray) -> int:
        """See `Counting`."""
        deadlines = words_of(state)
        return int(deadlines[-1]) * _US_NS if deadlines else 0

    def owns(self, state: bytes | bytearray) -> bool:
        """See `Counting`."""
        return is_words(state, _EMPTY)

    def adopt(self, state: bytes | bytearray, now_ns: int) -> bytearray:
        """See `Counting`: who is in flight stays so."""
        return bytearray(state) if is_words(state, _EMPTY) else self.new_state(now_ns)
