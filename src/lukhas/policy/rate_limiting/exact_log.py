"""The exact log: the time of everything that counts, for small limits such as those of logins.

A charge counts for just its window: at most the quota is admitted in any window, and never less
than could be. The price is memory, 8 bytes for everything that counts, so quotas are small.

The state, little-endian: `I kind`, then for each unit of cost `Q time (us, rounded up)`, in order.
"""

from array import array
from bisect import bisect_right
from collections.abc import Sequence

from lukhas.policy.rate_limiting.limits import Kind, Limit
from lukhas.policy.rate_limiting.words import KIND_BYTES, is_words, words_of, write_words
from lukhas.units import SECOND_NS

__all__ = ("ExactLog",)

_US_NS = 1000
_EMPTY = (2).to_bytes(KIND_BYTES, "little")


class ExactLog:
    """Limits that are counted in one log, compiled; see `Counting`.

    Args:
        limits: at least one; a longer window has the larger quota.
    """

    __slots__ = ("_windows", "limits", "longest_ns")

    kind = Kind.EXACT

    def __init__(self, limits: Sequence[Limit]) -> None:
        self.limits = tuple(limits)
        self.longest_ns = max(limit.window_ns for limit in self.limits)
        self._windows = tuple((limit.quota, limit.window_ns // _US_NS) for limit in self.limits)

    @property
    def layout(self) -> dict[str, int | list[int]]:
        """What a reader of states in another language needs to know; times in microseconds."""
        return {
            "window": [window_us for _quota, window_us in self._windows],
            "quota": [quota for quota, _window_us in self._windows],
            "longest": self.longest_ns // _US_NS,
        }

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
        times, now_us = self._believed(state, now_ns)
        gone = bisect_right(times, now_us - self.longest_ns // _US_NS)
        if gone:
            del times[:gone]
            write_words(state, times)
        return all(
            _count(times, now_us, window_us) + cost <= quota for quota, window_us in self._windows
        )

    def charge(self, state: bytearray, now_ns: int, cost: int) -> None:
        """See `Counting`."""
        times = words_of(state)
        # Rounded up: within a microsecond a charge counts rather too long than too short.
        at_us = max(-(-now_ns // _US_NS), times[-1] if times else 0)
        write_words(state, times + array("Q", [at_us]) * cost)

    def settle(self, state: bytearray, *, at_ns: int, now_ns: int, change: int) -> None:
        """See `Counting`; more than the quota is not counted, since nothing fits then anyway."""
        self.fits(state, now_ns, 0)
        times = words_of(state)
        if change > 0:
            most = max(quota for quota, _window_us in self._windows)
            self.charge(state, now_ns, min(change, most - len(times)))
            return
        end = bisect_right(times, -(-at_ns // _US_NS))
        del times[max(0, end + change) : end]
        write_words(state, times)

    def figures(self, state: bytes | bytearray, now_ns: int) -> tuple[int, ...]:
        """See `Counting`."""
        times, now_us = self._believed(state, now_ns)
        figures: list[int] = []
        for quota, window_us in self._windows:
            count = _count(times, now_us, window_us)
            leaves_ns = (times[-count] + window_us) * _US_NS if count else now_ns
            figures += (max(0, quota - count), -((now_ns - leaves_ns) // SECOND_NS))
        return tuple(figures)

    def used(self, state: bytearray, now_ns: int) -> tuple[int, ...]:
        """See `Counting`."""
        times, now_us = self._believed(state, now_ns)
        return tuple([_count(times, now_us, window_us) for _quota, window_us in self._windows])

    def violated(self, state: bytearray, now_ns: int, cost: int) -> tuple[int, ...]:
        """See `Counting`."""
        times, now_us = self._believed(state, now_ns)
        return tuple(
            [
                index
                for index, (quota, window_us) in enumerate(self._windows)
                if _count(times, now_us, window_us) + cost > quota
            ]
        )

    def fits_at_ns(self, state: bytearray, now_ns: int, index: int, cost: int) -> int | None:
        """See `Counting`."""
        quota, window_us = self._windows[index]
        if cost > quota:
            return None
        times, now_us = self._believed(state, now_ns)
        excess = _count(times, now_us, window_us) + cost - quota
        if excess <= 0:
            return now_ns
        first = len(times) - _count(times, now_us, window_us)
        return int(times[first + excess - 1] + window_us) * _US_NS

    def is_idle(self, state: bytearray, now_ns: int) -> bool:
        """See `Counting`."""
        return now_ns >= self.expires_ns(state)

    def expires_ns(self, state: bytearray) -> int:
        """See `Counting`."""
        times = words_of(state)
        return int(times[-1]) * _US_NS + self.longest_ns if times else 0

    def owns(self, state: bytes | bytearray) -> bool:
        """See `Counting`."""
        return is_words(state, _EMPTY)

    def adopt(self, state: bytes | bytearray, now_ns: int) -> bytearray:
        """See `Counting`: times are times under any limits."""
        return bytearray(state) if is_words(state, _EMPTY) else self.new_state(now_ns)

    def _believed(self, state: bytes | bytearray, now_ns: int) -> "tuple[array[int], int]":
        """The times that are logged, and the time in microseconds, which never goes back."""
        times = words_of(state)
        now_us = now_ns // _US_NS
        return times, (max(now_us, times[-1]) if times else now_us)


def _count(times: "array[int]", now_us: int, window_us: int) -> int:
    return len(times) - bisect_right(times, now_us - window_us)
