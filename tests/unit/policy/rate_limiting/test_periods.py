"""Calendar periods."""

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import pytest

from lukhas.policy.rate_limiting.periods import PERIOD_CODES, Period, Span, span_at

BERLIN = ZoneInfo("Europe/Berlin")


def us(*when: int, zone: tzinfo = UTC) -> int:
    year, month, day, hour, minute = (*when, 0, 0)[:5]
    return int(datetime(year, month, day, hour, minute, tzinfo=zone).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        (Period.DAY, (2025, 6, 11), (2025, 6, 12)),
        (Period.WEEK, (2025, 6, 9), (2025, 6, 16)),
        (Period.MONTH, (2025, 6, 1), (2025, 7, 1)),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/Sao_Paulo"])
def test_periods_end_at_midnight_of_their_zone(
    period: Period, start: tuple[int, ...], end: tuple[int, ...], zone: str
) -> None:
    """Weeks on Monday, months on the first."""
    local = ZoneInfo(zone)
    expected = Span(us(*start, zone=local), us(*end, zone=local))
    assert span_at(us(2025, 6, 11, 12, 0), period, local) == expected
    assert span_at(expected.start_us, period, local) == expected
    assert span_at(expected.end_us - 1, period, local) == expected
    assert span_at(expected.end_us, period, local).start_us == expected.end_us


@pytest.mark.parametrize(("day", "hours"), [((2026, 3, 29), 23), ((2026, 10, 25), 25)])
def test_days_of_a_clock_change_are_shorter_or_longer(day: tuple[int, ...], hours: int) -> None:
    """As on the wall."""
    span = span_at(us(*day, 12, 0, zone=BERLIN), Period.DAY, BERLIN)
    assert span.end_us - span.start_us == hours * 3600 * 1_000_000


@pytest.mark.parametrize("month", [1, 12])
def test_months_go_over_the_turn_of_the_year(month: int) -> None:
    """December ends where January begins."""
    span = span_at(us(2025 + (month == 1), month, 15), Period.MONTH, UTC)
    assert us(2026, 1, 1) in {span.start_us, span.end_us}


@pytest.mark.parametrize(
    ("zone", "inside", "start", "end"),
    [
        # The clock went from 0:01 back to 23:01: the day of before shows again, and has ended.
        ("America/St_Johns", (2010, 11, 7, 2, 40), (2010, 11, 7, 2, 30), (2010, 11, 8, 3, 30)),
        # It went from 23:30 to 0:30: midnight was left out, and the day begins half an hour later.
        ("America/Toronto", (1919, 3, 31, 4, 40), (1919, 3, 30, 5, 0), (1919, 3, 31, 5, 0)),
    ],
)
def test_changes_around_midnight_leave_no_hole(
    zone: str, inside: tuple[int, ...], start: tuple[int, ...], end: tuple[int, ...]
) -> None:
    """A time lies in the period that is said to hold it, whatever the date on the clock."""
    at_us = us(*inside)
    span = span_at(at_us, Period.DAY, ZoneInfo(zone))
    assert span == Span(us(*start), us(*end))
    assert span.start_us <= at_us < span.end_us


def test_no_period_is_one_span_without_end() -> None:
    """And each period has a code of its own."""
    assert span_at(us(2025, 1, 1), Period.NONE, UTC) == Span(0, 2**53)
    assert sorted(PERIOD_CODES.values()) == list(range(len(Period)))
