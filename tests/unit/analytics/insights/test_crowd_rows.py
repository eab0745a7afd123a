"""Who called in each window, and the peaks of each consumer."""

from lukhas.analytics.crowds import Crowd, packed_crowd
from lukhas.analytics.insights.crowd_rows import (
    Callers,
    CrowdRow,
    callers_of,
    crowd_rows,
    windows_before,
)
from lukhas.policy.insights.consumers import ConsumerUse
from lukhas.policy.insights.tier_limits import ConsumerPeak
from lukhas.telemetry.leaders import Leaders, Tally
from tests.unit.analytics.insights.kit import BEGIN_S, Filled, request

HOUR_S = 3600
DAY_S = 86_400


def row(level: int, start_s: int, *, again: bool = False, **requests: int) -> CrowdRow:
    leaders = Leaders({key: Tally(number) for key, number in requests.items()})
    return CrowdRow(level, start_s, packed_crowd(Crowd(leaders)), again)


def peaks_of(callers: Callers, consumer: str) -> dict[int, int]:
    (peak,) = (each for each in callers.peaks if each.consumer == consumer)
    return dict(peak.peaks)


def test_windows_are_as_many_as_there_is_history_for() -> None:
    """Minutes are kept for six hours, hours long; never more than seven windows before."""
    assert [windows_before(hours * HOUR_S) for hours in (1, 2, 5, 6, 24, 24 * 7, 24 * 30)] == [
        5, 2, 0, 7, 7, 4, 0,
    ]  # fmt: skip


def test_each_hour_belongs_to_one_window() -> None:
    """Three windows of a day: what was in each, the oldest first; without the present one."""
    end_s = BEGIN_S + 3 * DAY_S
    rows = [
        row(HOUR_S, BEGIN_S, a=5),
        row(HOUR_S, BEGIN_S + DAY_S - HOUR_S, a=1),
        row(HOUR_S, BEGIN_S + DAY_S, a=7, b=2),
        row(HOUR_S, BEGIN_S + 2 * DAY_S, a=9),
        row(60, end_s - 60, a=1),
    ]
    callers = callers_of(rows, to_s=end_s, window_s=DAY_S)
    a, b = callers.uses
    assert a == ConsumerUse(
        consumer="a", requests=10, errors=0, limited=0, before=(6, 7), errors_before=0
    )
    assert (b.requests, b.before) == (0, (0, 2))
    assert callers.everybody == Tally(10)


def test_peaks_are_the_most_of_a_minute_an_hour_and_a_day() -> None:
    """Hours give those of an hour and a day, minutes those of a minute, and neither is doubled."""
    to_s = BEGIN_S + 10 * HOUR_S
    rows = [
        row(HOUR_S, BEGIN_S, a=100),
        row(HOUR_S, BEGIN_S + HOUR_S, a=60),
        row(60, BEGIN_S + HOUR_S, again=True, a=40),
        row(60, BEGIN_S + HOUR_S + 60, again=True, a=20),
        row(60, BEGIN_S + 2 * HOUR_S, a=10, b=3),
        row(60, BEGIN_S + 2 * HOUR_S + 60, a=12),
    ]
    callers = callers_of(rows, to_s=to_s, window_s=DAY_S)
    assert peaks_of(callers, "a") == {60: 40, HOUR_S: 100, DAY_S: 182}
    assert peaks_of(callers, "b") == {60: 3, HOUR_S: 3, DAY_S: 3}
    assert callers.uses[0].requests == 182


def test_what_is_before_the_window_has_no_peak() -> None:
    """Only what was asked for in it."""
    rows = [row(HOUR_S, BEGIN_S, a=100), row(HOUR_S, BEGIN_S + DAY_S, a=5)]
    callers = callers_of(rows, to_s=BEGIN_S + 2 * DAY_S, window_s=DAY_S)
    assert callers.peaks == [ConsumerPeak(consumer="a", limited=0, peaks=((HOUR_S, 5), (DAY_S, 5)))]


def test_nobody_is_nothing() -> None:
    """An empty history."""
    assert callers_of([], to_s=BEGIN_S, window_s=DAY_S) == Callers()


async def test_rows_of_a_day_hold_each_request_once(store: Filled) -> None:
    """Hours that are over, minutes of the one that is not; and the minutes of the peaks again."""
    for hour in range(8):
        for minute in range(0, 60, 20):
            asked = [request(consumer="key:1")] * (hour + 1)
            await store.write(BEGIN_S + hour * HOUR_S + minute * 60, asked)
    await store.write(BEGIN_S + 7 * HOUR_S + 50 * 60, [request(consumer="key:2")])
    to_s = BEGIN_S + 7 * HOUR_S + 51 * 60
    store.clock.time_s = to_s
    rows = await crowd_rows(store.history, to_s=to_s, window_s=DAY_S)
    once = [each for each in rows if not each.is_again]
    assert sum(each.level == HOUR_S for each in once) == 7
    callers = callers_of(rows, to_s=to_s, window_s=DAY_S)
    assert callers.everybody.requests == 3 * sum(range(1, 9)) + 1
    assert peaks_of(callers, "key:1") == {60: 8, HOUR_S: 24, DAY_S: 108}
    # Minutes of six hours back, and of none before.
    assert min(each.start_s for each in rows if each.is_again) >= to_s - 6 * HOUR_S


async def test_rows_of_an_hour_are_minutes(store: Filled) -> None:
    """Of this hour, and of those before it."""
    for hour in range(3):
        await store.write(BEGIN_S + hour * HOUR_S, [request()] * (hour + 1))
    to_s = BEGIN_S + 3 * HOUR_S
    store.clock.time_s = to_s
    rows = await crowd_rows(store.history, to_s=to_s, window_s=HOUR_S)
    (use,) = callers_of(rows, to_s=to_s, window_s=HOUR_S).uses
    assert (use.requests, use.before) == (3, (1, 2))
