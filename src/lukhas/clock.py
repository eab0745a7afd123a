"""Where time comes from: the only module of the product that reads a clock."""

import time
from typing import Protocol

__all__ = ("Clock", "SystemClock")


class Clock(Protocol):
    """A source of time."""

    def now_ns(self) -> int:
        """Unix time in nanoseconds; never goes backwards within a process."""
        ...


class SystemClock:
    """Wall time that never goes backwards: the monotonic clock plus an offset.

    `resync` follows the wall clock: forward at once, backward only slowly, so a clock that is
    set back by an hour does not freeze limits for an hour.
    """

    __slots__ = ("_monotonic_ns", "_offset_ns")

    # Below the pace of one call a second, so that time still moves forward between two calls.
    _MAX_STEP_BACK_NS = 100_000_000

    def __init__(self) -> None:
        self._monotonic_ns = time.monotonic_ns
        self._offset_ns = time.time_ns() - time.monotonic_ns()

    def now_ns(self) -> int:
        """Unix time in nanoseconds; never goes backwards within a process."""
        return self._monotonic_ns() + self._offset_ns

    def resync(self) -> None:
        """Follows the wall clock; to be called about once a second, never more often."""
        ahead_ns = (time.time_ns() - self._monotonic_ns()) - self._offset_ns
        self._offset_ns += max(ahead_ns, -self._MAX_STEP_BACK_NS)
