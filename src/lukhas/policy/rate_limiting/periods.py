"""Calendar periods: when a day, a week or a month begins and ends in a time zone."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import Enum
from types import MappingProxyType
from typing import assert_never

__all__ = ("PERIOD_CODES", "Period", "Span", "span_at")

_SECOND_US = 1_000_000


class Period(Enum):
    """A stretch of the calendar."""

    NONE = "none"
    DAY = "day"
    WEEK = "week"
    """Monday to Sunday (ISO 8601)."""
    MONTH = "month"


PERIOD_CODES = MappingProxyType({Period.NONE: 0, Period.DAY: 1, Period.WEEK: 2, Period.MONTH: 3})
"""What stands for a period in a state."""


@dataclass(frozen=True, slots=True)
class Span:
    """From `start_us` to just before `end_us`, Unix time in microseconds."""

    start_us: int
    end_us: int


def span_at(at_us: int, period: Period, zone: tzinfo) -> Span:
    """The period that a time lies in.

    Args:
        at_us: Unix time in microseconds.
        period: day, week or month; NONE is one span without end.
        zone: whose midnight counts. A midnight that a clock change leaves out or repeats is the
            first moment of its day.
    """
    if period is Period.NONE:
        return Span(0, 2**53)
    day = datetime.fromtimestamp(at_us // _SECOND_US, UTC).astimezone(zone).date()
    first, after = _days(day, period)
    start_us, end_us = _midnight_us(first, zone), _midnight_us(after, zone)
    # A clock change around midnight: the date on the clock is that of the period before or after.
    if at_us < start_us:
        before, _first = _days(first - timedelta(days=1), period)
        return Span(_midnight_us(before, zone), start_us)
    if at_us >= end_us:
        _after, following = _days(after, period)
        return Span(end_us, _midnight_us(following, zone))
    return Span(start_us, end_us)


def _days(day: date, period: Period) -> tuple[date, date]:
    match period:
        case Period.DAY | Period.NONE:
            return day, day + timedelta(days=1)
        case Period.WEEK:
            monday = day - timedelta(days=day.weekday())
            return monday, monday + timedelta(days=7)
        case Period.MONTH:
            first = day.replace(day=1)
            return first, (first + timedelta(days=32)).replace(day=1)
        case _:
            assert_never(period)


def _midnight_us(day: date, zone: tzinfo) -> int:
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    return int(midnight.timestamp()) * _SECOND_US
