"""The clock of the test kit."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from lukhas.clock import Clock
from lukhas.testing.clock import ManualClock
from lukhas.units import SECOND_NS


def test_it_is_a_clock_that_stands_still() -> None:
    """It starts where it is told to, or on a whole second, and does not move by itself."""
    clock: Clock = ManualClock()
    assert clock.now_ns() % SECOND_NS == 0
    assert clock.now_ns() == clock.now_ns() > 0
    assert ManualClock(now_ns=7).now_ns() == 7


def test_advance_moves_it_forward() -> None:
    """By seconds, by nanoseconds, or by both."""
    clock = ManualClock(now_ns=5)
    clock.advance(seconds=1.5)
    assert clock.now_ns() == 1_500_000_005
    clock.advance(ns=2)
    assert clock.now_ns() == 1_500_000_007
    clock.advance(seconds=2, ns=-1)
    assert clock.now_ns() == 3_500_000_006
    clock.advance()
    assert clock.now_ns() == 3_500_000_006


def test_advance_never_goes_back() -> None:
    """A clock does not; a test that wants it must say so with `set`."""
    clock = ManualClock(now_ns=5)
    with pytest.raises(ValueError, match="cannot go back by 1 ns"):
        clock.advance(ns=-1)
    assert clock.now_ns() == 5
    clock.set(3)
    assert clock.now_ns() == 3


def test_it_can_be_put_to_a_date() -> None:
    """To the microsecond, in any time zone; a time without one could mean anything."""
    clock = ManualClock()
    clock.set_to(datetime(1970, 1, 1, 1, 0, 0, 7, tzinfo=ZoneInfo("Europe/Berlin")))
    assert clock.now_ns() == 7_000
    clock.set_to(datetime(2026, 1, 31, tzinfo=UTC))
    assert clock.now_ns() == 1_769_817_600 * SECOND_NS
    with pytest.raises(ValueError, match="has no time zone"):
        clock.set_to(datetime(2026, 1, 31))  # noqa: DTZ001 - that is what is refused
