"""The shape of a day, the weight of a weekday, and a level: their product.

The newest days count most, and a weekday leans on all others while there are few weeks. So a shop
that has moved its sale from noon to the evening is followed within days.
"""

from collections.abc import Sequence
from statistics import fmean

from lukhas.policy.forecasting.cycles import WEEK_DAYS, Cycle, Values, known
from lukhas.policy.forecasting.smoothing import Drifting, smoothed, theta_line

__all__ = ("profile_days", "profile_level")

# What a day weighs in the shape, in relation to the day after it.
_SHAPE_DECAY = 0.85
# The same, of weeks, for the weight of a weekday.
_WEEK_DECAY = 0.8
# How many weeks 'every weekday is alike' weighs.
_SHRINKAGE = 0.25
# A day of which less is known says nothing of its level.
_LEAST_KNOWN = 0.5


def profile_level(values: Values, cycle: Cycle, horizon: int) -> list[float]:
    """The values to come where the level stays as it is."""
    return _ahead(values, cycle, horizon, with_trend=False)


def profile_days(values: Values, cycle: Cycle, horizon: int) -> list[float]:
    """The values to come where the level of the days goes on by Theta."""
    return _ahead(values, cycle, horizon, with_trend=True)


def _ahead(values: Values, cycle: Cycle, horizon: int, *, with_trend: bool) -> list[float]:
    # Days are counted back from the end, so that the last one is whole.
    offset = len(values) % cycle.day
    days = [
        values[at : at + cycle.day] for at in range(offset, len(values) - cycle.day + 1, cycle.day)
    ]
    levels = [_level(day, cycle.day) for day in days]
    if not any(levels):
        return [max(0.0, fmean(known(values)))] * horizon
    shape = _shape(days, levels, cycle.day)
    weekdays = _weekdays(levels)
    line = _line(levels, weekdays, with_trend=with_trend)
    ahead = []
    for step in range(horizon):
        day, slot = divmod(step, cycle.day)
        weekday = weekdays[(len(days) + day) % WEEK_DAYS]
        ahead.append(max(0.0, line.at(day + 1) * weekday * shape[slot]))
    return ahead


def _level(day: Values, steps: int) -> float | None:
    found = known(day)
    return fmean(found) if len(found) >= _LEAST_KNOWN * steps else None


def _shape(days: Sequence[Values], levels: Sequence[float | None], steps: int) -> list[float]:
    """For each slot of the day its part of the day's level; 1 on average."""
    above = [0.0] * steps
    weights = [0.0] * steps
    weight = 1.0
    for day, level in zip(reversed(days), reversed(levels), strict=True):
        if level:
            for slot, value in enumerate(day):
                if value is not None:
                    above[slot] += weight * value / level
                    weights[slot] += weight
        weight *= _SHAPE_DECAY
    shape = [part / total if total else 1.0 for part, total in zip(above, weights, strict=True)]
    average = fmean(shape)
    return [part / average for part in shape] if average > 0 else [1.0] * steps


def _weekdays(levels: Sequence[float | None]) -> list[float]:
    """For each day of the week (the first day of the series is 0) its part of a usual day."""
    sums = [_SHRINKAGE] * WEEK_DAYS
    weights = [_SHRINKAGE] * WEEK_DAYS
    half = WEEK_DAYS // 2
    # Only days in the middle of a week: else a trend would look like a weekday.
    for at in range(half, len(levels) - half):
        level = levels[at]
        around = known(levels[at - half : at + half + 1])
        usual = fmean(around) if around else 0.0
        if level is None or len(around) < WEEK_DAYS - 1 or usual <= 0:
            continue
        weight = _WEEK_DECAY ** ((len(levels) - 1 - at) // WEEK_DAYS)
        sums[at % WEEK_DAYS] += weight * level / usual
        weights[at % WEEK_DAYS] += weight
    parts = [total / weight for total, weight in zip(sums, weights, strict=True)]
    average = fmean(parts)
    return [part / average for part in parts]


def _line(
    levels: Sequence[float | None], weekdays: Sequence[float], *, with_trend: bool
) -> Drifting:
    """The level of the days to come, without the weekdays in it."""
    plain = [
        level / weekdays[at % WEEK_DAYS] for at, level in enumerate(levels) if level is not None
    ]
    return theta_line(plain) if with_trend else Drifting(smoothed(plain), 0.0)
