"""Quotas of calendar days, weeks and months: exact counters that start afresh with the period.

Nothing slides: at the turn of a period the whole quota is there again, as on a bill. So twice the
quota can pass around that moment, which is what a quota of a calendar month means.

The state, little-endian: `I kind`, then for each limit `Q period`, `Q start (us)`, `Q used`.
"""

from array import array
from collections.abc import Sequence

from lukhas.policy.rate_limiting.limits import Kind, Limit
from lukhas.policy.rate_limiting.periods import PERIOD_CODES, Span, span_at
from lukhas.policy.rate_limiting.words import KIND_BYTES, is_words, words_of, write_words
from lukhas.units import SECOND_NS

__all__ = ("CalendarQuota",)

_US_NS = 1000
_KIND_BYTES = (4).to_bytes(KIND_BYTES, "little")
_STRIDE = 3
_MOST = 2**53


class CalendarQuota:
    """Limits over calendar periods, compiled; see `Counting`.

    Args:
        limits: at least one, each with a period and a time zone.
    """

    __slots__ = ("_codes", "_spans", "limits")

    kind = Kind.QUOTA

    def __init__(self, limits: Sequence[Limit]) -> None:
        self.limits = tuple(limits)
        self._codes = tuple(PERIOD_CODES[limit.period] for limit in self.limits)
        # The period asked for last; a memo, no state.
        self._spans = [Span(0, 0)] * len(self.limits)

    def new_state(self, now_ns: int) -> bytearray:
        """See `Counting`."""
        words = array("Q")
        for index, code in enumerate(self._codes):
            words.extend((code, self._span(index, now_ns // _US_NS).start_us, 0))
        state = bytearray(_KIND_BYTES)
        write_words(state, words)
        return state

    def take(self, state: bytearray, now_ns: int, cost: int) -> bytes | None:
        """See `Counting`."""
        if not self.fits(state, now_ns, cost):
            return None
        self.charge(state, now_ns, cost)
        return bytes(state)

    def fits(self, state: bytearray, now_ns: int, cost: int) -> bool:
        """See `Counting`."""
        self._move_on(state, now_ns)
        return not self.violated(state, now_ns, cost)

    def charge(self, state: bytearray, _now_ns: int, cost: int) -> None:
        """See `Counting`."""
        words = words_of(state)
        for at in range(2, len(words), _STRIDE):
            words[at] += cost
        write_words(state, words)

    def settle(self, state: bytearray, *, at_ns: int, now_ns: int, change: int) -> None:
        """See `Counting`; what belongs to a period that is over changes nothing."""
        self._move_on(state, now_ns)
        words = words_of(state)
        for at in range(0, len(words), _STRIDE):
            if at_ns // _US_NS >= words[at + 1]:
                words[at + 2] = min(_MOST, max(0, words[at + 2] + change))
        write_words(state, words)

    def figures(self, state: bytes | bytearray, now_ns: int) -> tuple[int, ...]:
        """See `Counting`; `t` is the time to the end of the period."""
        words = words_of(state)
        figures: list[int] = []
        for index, limit in enumerate(self.limits):
            start_us, used = words[index * _STRIDE + 1 : (index + 1) * _STRIDE]
            end_ns = self._span(index, max(now_ns // _US_NS, start_us)).end_us * _US_NS
            figures += (max(0, limit.quota - used), -((now_ns - end_ns) // SECOND_NS))
        return tuple(figures)

    def used(self, state: bytearray, _now_ns: int) -> tuple[int, ...]:
        """See `Counting`."""
        return tuple(words_of(state)[2::_STRIDE])

    def violated(self, state: bytearray, _now_ns: int, cost: int) -> tuple[int, ...]:
        """See `Counting`."""
        return tuple(
            [
                index
                for index, (limit, used) in enumerate(
                    zip(self.limits, self.used(state, 0), strict=True)
                )
                if used + cost > limit.quota
            ]
        )

    def fits_at_ns(self, state: bytearray, now_ns: int, index: int, cost: int) -> int | None:
        """See `Counting`."""
        if cost > self.limits[index].quota:
            return None
        start_us = words_of(state)[index * _STRIDE + 1]
        return self._span(index, max(now_ns // _US_NS, start_us)).end_us * _US_NS

    def is_idle(self, state: bytearray, now_ns: int) -> bool:
        """See `Counting`."""
        return now_ns >= self.expires_ns(state)

    def expires_ns(self, state: bytearray) -> int:
        """See `Counting`."""
        starts_us = words_of(state)[1::_STRIDE]
        ends_us = [self._span(index, start_us).end_us for index, start_us in enumerate(starts_us)]
        return max(ends_us) * _US_NS

    def spans(self, now_us: int) -> tuple[tuple[int, Span, Span], ...]:
        """For each limit the code of its period, and the period at a time and the next one."""
        spans = []
        for index, code in enumerate(self._codes):
            span = self._span(index, now_us)
            spans.append((code, span, self._span(index, span.end_us)))
        return tuple(spans)

    def owns(self, state: bytes | bytearray) -> bool:
        """See `Counting`."""
        words = words_of(state) if is_words(state, _KIND_BYTES) else array("Q")
        return len(words) % _STRIDE == 0 and tuple(words[::_STRIDE]) == self._codes

    def adopt(self, state: bytes | bytearray, now_ns: int) -> bytearray:
        """See `Counting`: a period that both have, begun at the same time, keeps its count."""
        adopted = self.new_state(now_ns)
        if not is_words(state, _KIND_BYTES):
            return adopted
        old = words_of(state)
        words = words_of(adopted)
        counted = {(old[at], old[at + 1]): old[at + 2] for at in range(0, len(old) - 2, _STRIDE)}
        for at in range(0, len(words), _STRIDE):
            words[at + 2] = counted.get((words[at], words[at + 1]), 0)
        write_words(adopted, words)
        return adopted

    def _span(self, index: int, at_us: int) -> Span:
        span = self._spans[index]
        if not span.start_us <= at_us < span.end_us:
            limit = self.limits[index]
            span = self._spans[index] = span_at(at_us, limit.period, limit.zone)
        return span

    def _move_on(self, state: bytearray, now_ns: int) -> None:
        words = words_of(state)
        moved = False
        for index in range(len(self.limits)):
            at = index * _STRIDE
            start_us = self._span(index, now_ns // _US_NS).start_us
            if start_us > words[at + 1]:
                words[at + 1], words[at + 2], moved = start_us, 0, True
        if moved:
            write_words(state, words)
