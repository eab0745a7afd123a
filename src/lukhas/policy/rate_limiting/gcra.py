"""GCRA: smooths requests to a steady rate, with a burst that is stated apart.

The generic cell rate algorithm (ITU-T I.371, annex A): each limit keeps the time at which all that
was admitted is paid off at the steady rate. At most `burst` may be owed. In any stretch of time T
no more than `burst + T * rate` is admitted; so this kind is for smoothing, not for quotas.

The state, little-endian: `I kind`, then for each limit `Q window (s)` and `Q paid off (us)`.
"""

from array import array
from collections.abc import Sequence

from lukhas.policy.rate_limiting.limits import Kind, Limit
from lukhas.policy.rate_limiting.words import KIND_BYTES, is_words, words_of, write_words
from lukhas.units import SECOND_NS

__all__ = ("Gcra",)

_US_NS = 1000
_KIND_BYTES = (3).to_bytes(KIND_BYTES, "little")
_MOST = 2**53


class Gcra:
    """Limits that smooth, compiled; see `Counting`.

    Args:
        limits: at least one, each with a burst.
    """

    __slots__ = ("_rates", "_windows_s", "limits")

    kind = Kind.GCRA

    def __init__(self, limits: Sequence[Limit]) -> None:
        self.limits = tuple(limits)
        # What one request owes, in microseconds; rounded up, so that the rate is never exceeded.
        owed = [-(-limit.window_ns // (_US_NS * limit.quota)) for limit in self.limits]
        self._rates = tuple(
            (each_us, each_us * limit.burst)
            for each_us, limit in zip(owed, self.limits, strict=True)
        )
        self._windows_s = tuple(limit.window_s for limit in self.limits)

    @property
    def layout(self) -> dict[str, list[int]]:
        """What a reader of states in another language needs to know; times in microseconds."""
        return {
            "window_s": list(self._windows_s),
            "each": [each_us for each_us, _most_us in self._rates],
            "most": [most_us for _each_us, most_us in self._rates],
        }

    def new_state(self, _now_ns: int) -> bytearray:
        """See `Counting`."""
        return self._state([0] * len(self.limits))

    def take(self, state: bytearray, now_ns: int, cost: int) -> bytes | None:
        """See `Counting`."""
        if not self.fits(state, now_ns, cost):
            return None
        self.charge(state, now_ns, cost)
        return bytes(state)

    def fits(self, state: bytearray, now_ns: int, cost: int) -> bool:
        """See `Counting`."""
        return not self.violated(state, now_ns, cost)

    def charge(self, state: bytearray, now_ns: int, cost: int) -> None:
        """See `Counting`."""
        now_us = now_ns // _US_NS
        words = words_of(state)
        for index, (each_us, _most_us) in enumerate(self._rates):
            at = 2 * index + 1
            words[at] = max(words[at], now_us) + each_us * cost
        write_words(state, words)

    def settle(self, state: bytearray, *, at_ns: int, now_ns: int, change: int) -> None:
        """See `Counting`; what was paid off since it was charged is not given back."""
        now_us = now_ns // _US_NS
        paid_off_us = max(0, now_us - at_ns // _US_NS)
        words = words_of(state)
        for index, (each_us, _most_us) in enumerate(self._rates):
            at = 2 * index + 1
            change_us = each_us * change
            if change < 0:
                change_us = min(0, change_us + paid_off_us)
            words[at] = min(_MOST, max(0, max(words[at], now_us) + change_us))
        write_words(state, words)

    def figures(self, state: bytes | bytearray, now_ns: int) -> tuple[int, ...]:
        """See `Counting`."""
        now_us = now_ns // _US_NS
        figures: list[int] = []
        for (each_us, most_us), paid_us in zip(self._rates, words_of(state)[1::2], strict=True):
            owed_us = max(0, paid_us - now_us)
            remaining = max(0, (most_us - owed_us) // each_us)
            # One more fits when the debt is down to what leaves room for it.
            more_us = owed_us - (most_us - (remaining + 1) * each_us)
            wait_us = min(max(0, more_us), owed_us)
            figures += (remaining, -(-wait_us * _US_NS // SECOND_NS))
        return tuple(figures)

    def used(self, state: bytearray, now_ns: int) -> tuple[int, ...]:
        """See `Counting`: how much of the burst is owed."""
        remaining = self.figures(state, now_ns)[::2]
        return tuple([limit.burst - r for limit, r in zip(self.limits, remaining, strict=True)])

    def violated(self, state: bytearray, now_ns: int, cost: int) -> tuple[int, ...]:
        """See `Counting`."""
        now_us = now_ns // _US_NS
        words = words_of(state)
        return tuple(
            [
                index
                for index, (each_us, most_us) in enumerate(self._rates)
                if max(0, words[2 * index + 1] - now_us) + each_us * cost > most_us
            ]
        )

    def fits_at_ns(self, state: bytearray, _now_ns: int, index: int, cost: int) -> int | None:
        """See `Counting`."""
        each_us, most_us = self._rates[index]
        if each_us * cost > most_us:
            return None
        paid_us = words_of(state)[2 * index + 1]
        return (paid_us - (most_us - each_us * cost)) * _US_NS

    def is_idle(self, state: bytearray, now_ns: int) -> bool:
        """See `Counting`."""
        return now_ns >= self.expires_ns(state)

    def expires_ns(self, state: bytearray) -> int:
        """See `Counting`."""
        return max(words_of(state)[1::2]) * _US_NS

    def owns(self, state: bytes | bytearray) -> bool:
        """See `Counting`."""
        windows_s = words_of(state)[::2] if is_words(state, _KIND_BYTES) else ()
        return tuple(windows_s) == self._windows_s

    def adopt(self, state: bytes | bytearray, now_ns: int) -> bytearray:
        """See `Counting`: a debt to a window of the same length stays."""
        words = words_of(state) if is_words(state, _KIND_BYTES) else array("Q")
        if not words or len(words) % 2:
            return self.new_state(now_ns)
        debts = dict(zip(words[::2], words[1::2], strict=True))
        return self._state([debts.get(window_s, 0) for window_s in self._windows_s])

    def _state(self, paid_us: Sequence[int]) -> bytearray:
        words = array("Q")
        for pair in zip(self._windows_s, paid_us, strict=True):
            words.extend(pair)
        state = bytearray(_KIND_BYTES)
        write_words(state, words)
        return state
