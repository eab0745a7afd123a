"""What is normal for an hour of the week: a robust profile of a series.

Each hour of the week has a median, and each hour of the day a spread (median absolute deviation).
With few weeks behind it, an hour leans on the same hour of all days and on its weekday (shrinkage),
so two days of history already help and a single odd week does little. Values are compared as
`log1p`, in which a busy hour varies as much as a quiet one; the level of the last day is followed,
so growth is not an anomaly.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import median
from types import MappingProxyType
from typing import assert_never

from lukhas.units import HOUR_NS, SECOND_NS

__all__ = ("Direction", "SeasonalProfile")

_HOURS_OF_DAY = 24
_HOURS_OF_WEEK = 168
# 1970 began on a Thursday; slots begin on Monday.
_THURSDAY_HOURS = 72
_LEAST_HOURS = 48
_LEAST_STEP_HOURS = 24
_NO_HOURS: Mapping[int, float] = MappingProxyType({})
# The weight of what hour and weekday say apart, in weeks.
_SHRINKAGE = 1.5
# The weight of no difference between weekdays, in hours.
_WEEKDAY_SHRINKAGE = 6.0
# A normal distribution has a standard deviation of so many median absolute deviations.
_MAD_TO_SIGMA = 1.4826
# About 2 %: a series that hardly moves is not odd when it moves by one.
_LEAST_SPREAD = 0.02
_LEAST_OF_GLOBAL = 0.3
# How much of a day-long shift of the level is taken as the new level.
_LEVEL_WEIGHT = 0.8
_LEVEL_HOURS = 24
_RECENT_HOURS = 1


class Direction(Enum):
    """Which side of the normal counts as odd."""

    UP = "up"
    DOWN = "down"
    BOTH = "both"

    def counted(self, score: float) -> float:
        """A score as far as it counts."""
        match self:
            case Direction.UP:
                return score
            case Direction.DOWN:
                return -score
            case Direction.BOTH:
                return abs(score)
            case _:
                assert_never(self)


def _scaled(value: float) -> float:
    return math.copysign(math.log1p(abs(value)), value)


def _unscaled(value: float) -> float:
    return math.copysign(math.expm1(abs(value)), value)


def _hour_of_week(hour: int) -> int:
    return (hour + _THURSDAY_HOURS) % _HOURS_OF_WEEK


@dataclass(frozen=True, slots=True)
class SeasonalProfile:
    """The normal of a series, by the hour of the week in UTC.

    Attributes:
        centres: the median in each hour, from Monday 00:00, as `log1p`.
        spreads: the robust standard deviation in each hour of the day.
        level: how much all of it is higher now than in the history.
    """

    centres: tuple[float, ...]
    spreads: tuple[float, ...]
    level: float

    @classmethod
    def fitted(
        cls,
        values: Sequence[float | None],
        *,
        start_ns: int,
        step_s: int,
        hours: Mapping[int, float] = _NO_HOURS,
    ) -> "SeasonalProfile | None":
        """Learns what is normal.

        Args:
            values: one for each step, the oldest first; None where nothing is known.
            start_ns: the begin of the first step (Unix time).
            step_s: the length of a step.
            hours: means of hours of which the steps are no longer known, by the number of the hour
                since 1970. They tell the centre; the spread of steps only steps tell.

        Returns:
            None if fewer than 48 hours hold any value, or fewer than 24 a value of a step.
        """
        points = [
            ((start_ns + index * step_s * SECOND_NS), _scaled(value))
            for index, value in enumerate(values)
            if value is not None
        ]
        by_hour: dict[int, list[float]] = {}
        for time_ns, value in points:
            by_hour.setdefault(time_ns // HOUR_NS, []).append(value)
        medians = {hour: _scaled(value) for hour, value in hours.items()}
        medians |= {hour: median(found) for hour, found in by_hour.items()}
        if len(medians) < _LEAST_HOURS or len(by_hour) < _LEAST_STEP_HOURS:
            return None
        centres = _centres(medians)
        unlevelled = cls(centres, (), 0.0)
        residuals = [(time_ns, value - unlevelled.centre(time_ns)) for time_ns, value in points]
        level = _LEVEL_WEIGHT * _recent_level(residuals)
        return cls(centres, _spreads(residuals), level)

    def centre(self, time_ns: int) -> float:
        """The normal at a moment, as `log1p`; between the middles of two hours it is a line."""
        position = (time_ns - HOUR_NS // 2) / HOUR_NS
        hour = math.floor(position)
        part = position - hour
        before = self.centres[_hour_of_week(hour)]
        after = self.centres[_hour_of_week(hour + 1)]
        return before + part * (after - before) + self.level

    def expected(self, time_ns: int) -> float:
        """The normal value at a moment."""
        return _unscaled(self.centre(time_ns))

    def score(self, value: float, time_ns: int) -> float:
        """How many robust standard deviations a value is above the normal; negative if below."""
        spread = self.spreads[time_ns // HOUR_NS % _HOURS_OF_DAY]
        return (_scaled(value) - self.centre(time_ns)) / spread


def _centres(by_hour: dict[int, float]) -> tuple[float, ...]:
    """The median of each hour of the week, shrunk towards what hour and weekday say apart."""
    everything = median(by_hour.values())
    of_day: list[list[float]] = [[] for _ in range(_HOURS_OF_DAY)]
    of_week: list[list[float]] = [[] for _ in range(_HOURS_OF_WEEK)]
    for hour, value in by_hour.items():
        of_day[hour % _HOURS_OF_DAY].append(value)
        of_week[_hour_of_week(hour)].append(value)
    # Slots begin at midnight, so the hour of the day is the slot modulo 24.
    daily = [median(found) if found else everything for found in of_day]
    offsets = [_weekday_offset(of_week, daily, weekday) for weekday in range(7)]
    centres = []
    for slot, found in enumerate(of_week):
        towards = daily[slot % _HOURS_OF_DAY] + offsets[slot // _HOURS_OF_DAY]
        own = median(found) if found else 0.0
        centres.append((len(found) * own + _SHRINKAGE * towards) / (len(found) + _SHRINKAGE))
    return tuple(centres)


def _weekday_offset(of_week: list[list[float]], daily: list[float], weekday: int) -> float:
    """How much a day of the week lies above all days: two hours of it say a little, a day all."""
    first = weekday * _HOURS_OF_DAY
    above = [
        value - daily[hour] for hour in range(_HOURS_OF_DAY) for value in of_week[first + hour]
    ]
    return median(above) * len(above) / (len(above) + _WEEKDAY_SHRINKAGE) if above else 0.0


def _recent_level(residuals: list[tuple[int, float]]) -> float:
    """How much the last day lies above the profile, but for its last hour, which may be odd."""
    end_ns = residuals[-1][0]
    recent = [
        value
        for time_ns, value in residuals
        if _RECENT_HOURS * HOUR_NS <= end_ns - time_ns < _LEVEL_HOURS * HOUR_NS
    ]
    return median(recent) if recent else 0.0


def _spreads(residuals: list[tuple[int, float]]) -> tuple[float, ...]:
    """The spread of each hour of the day, with its neighbours, and never far below that of all."""
    daily: list[list[float]] = [[] for _ in range(_HOURS_OF_DAY)]
    for time_ns, value in residuals:
        daily[time_ns // HOUR_NS % _HOURS_OF_DAY].append(value)
    overall = max(_LEAST_SPREAD, _deviation([value for _, value in residuals]))
    spreads = []
    for hour in range(_HOURS_OF_DAY):
        found = [*daily[hour - 1], *daily[hour], *daily[(hour + 1) % _HOURS_OF_DAY]]
        own = _deviation(found) if found else overall
        spreads.append(max(_LEAST_SPREAD, _LEAST_OF_GLOBAL * overall, own))
    return tuple(spreads)


def _deviation(values: list[float]) -> float:
    middle = median(values)
    return _MAD_TO_SIGMA * median([abs(value - middle) for value in values])
