"""A clock that moves only when told to."""

from datetime import UTC, datetime, timedelta

from lukhas.units import SECOND_NS

__all__ = ("ManualClock",)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_START_NS = 1_750_000_000 * SECOND_NS


class ManualClock:
    """A `lukhas.clock.Clock` for tests: time stands still until somebody moves it.

    Args:
        now_ns: the time to start at, Unix time in nanoseconds; a round second in 2025 if not given.
    """

    __slots__ = ("_now_ns",)

    def __init__(self, now_ns: int = _START_NS) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        """Unix time in nanoseconds."""
        return self._now_ns

    def advance(self, *, seconds: float = 0, ns: int = 0) -> None:
        """Moves time forward.

        Args:
            seconds: by so many seconds, to the nanosecond nearest.
            ns: and by so many nanoseconds.

        Raises:
            ValueError: time would go backwards, which a clock never does; `set` can.
        """
        step_ns = round(seconds * SECOND_NS) + ns
        if step_ns < 0:
            raise ValueError(
                f"a clock cannot go back by {-step_ns} ns; use set() or set_to() to force it"
            )
        self._now_ns += step_ns

    def set(self, now_ns: int) -> None:
        """Puts the clock to a time, even an earlier one, to see how code bears a broken clock."""
        self._now_ns = now_ns

    def set_to(self, when: datetime) -> None:
        """Puts the clock to a date and time, say the last minute of a month.

        Raises:
            ValueError: it has no time zone.
        """
        if when.tzinfo is None:
            raise ValueError(f"{when} has no time zone: give it one, such as tzinfo=UTC")
        # In whole numbers: as a float a Unix time has no nanoseconds left.
        self._now_ns = (when - _EPOCH) // timedelta(microseconds=1) * 1000
