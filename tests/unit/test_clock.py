"""The system clock."""

import time

import pytest

from lukhas.clock import Clock, SystemClock
from lukhas.units import HOUR_NS, MILLISECOND_NS, SECOND_NS


class TwoTimes:
    """Stands for the time module: a wall and a monotonic clock that tests set."""

    def __init__(self, *, wall_ns: int, monotonic_ns: int) -> None:
        self.wall_ns = wall_ns
        self.uptime_ns = monotonic_ns

    def time_ns(self) -> int:
        return self.wall_ns

    def monotonic_ns(self) -> int:
        return self.uptime_ns

    def pass_ns(self, duration_ns: int) -> None:
        self.wall_ns += duration_ns
        self.uptime_ns += duration_ns


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> TwoTimes:
    stand_in = TwoTimes(wall_ns=1_700_000_000 * SECOND_NS, monotonic_ns=5 * SECOND_NS)
    monkeypatch.setattr("lukhas.clock.time", stand_in)
    return stand_in


def test_now_is_unix_time() -> None:
    """The system clock tells the wall time in nanoseconds."""
    clock: Clock = SystemClock()
    assert abs(clock.now_ns() - time.time_ns()) < 5 * SECOND_NS


def test_now_follows_the_monotonic_clock(times: TwoTimes) -> None:
    """Between two resyncs a step of the wall clock is not seen."""
    clock = SystemClock()
    start_ns = clock.now_ns()
    assert start_ns == times.wall_ns
    times.pass_ns(7 * SECOND_NS)
    times.wall_ns -= HOUR_NS
    assert clock.now_ns() == start_ns + 7 * SECOND_NS


def test_resync_goes_forward_at_once(times: TwoTimes) -> None:
    """A wall clock that was set forward is followed in one step."""
    clock = SystemClock()
    times.wall_ns += HOUR_NS
    clock.resync()
    assert clock.now_ns() == times.wall_ns


def test_resync_goes_back_slowly(times: TwoTimes) -> None:
    """A wall clock set back by an hour takes back at most a tenth of a second each time."""
    clock = SystemClock()
    before_ns = clock.now_ns()
    times.wall_ns -= HOUR_NS
    times.pass_ns(SECOND_NS)
    clock.resync()
    assert clock.now_ns() == before_ns + SECOND_NS - 100 * MILLISECOND_NS


def test_resync_takes_back_a_small_step_whole(times: TwoTimes) -> None:
    """A step back below a tenth of a second is followed in one go."""
    clock = SystemClock()
    times.wall_ns -= 30 * MILLISECOND_NS
    times.pass_ns(SECOND_NS)
    clock.resync()
    assert clock.now_ns() == times.wall_ns


def test_time_never_goes_back_with_a_resync_a_second(times: TwoTimes) -> None:
    """Resynced once a second, the clock moves on while it catches up, and then agrees."""
    clock = SystemClock()
    times.wall_ns -= 3 * SECOND_NS
    last_ns = clock.now_ns()
    for _ in range(40):
        times.pass_ns(SECOND_NS)
        clock.resync()
        assert clock.now_ns() > last_ns
        last_ns = clock.now_ns()
    assert last_ns == times.wall_ns
