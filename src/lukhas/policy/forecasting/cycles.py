"""Series with a day in them: values by step, gaps, and what a slot of the day means."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

__all__ = ("WEEK_DAYS", "Cycle", "Values", "filled", "known", "naive_scale")

Values = Sequence[float | None]
"""One value for each step, the oldest first; None where nothing is known."""

WEEK_DAYS = 7


@dataclass(frozen=True, slots=True)
class Cycle:
    """How many steps it takes until a series does the same again.

    Attributes:
        day: steps of a day, at least 1.
    """

    day: int

    @property
    def week(self) -> int:
        """Steps of a week."""
        return self.day * WEEK_DAYS


def known(values: Values) -> list[float]:
    """The values that are known."""
    return [value for value in values if value is not None]


def filled(values: Values, period: int) -> list[float]:
    """The series without gaps: a gap takes the value a period before, else after, else the mean.

    Raises:
        ValueError: nothing is known at all.
    """
    found = known(values)
    if not found:
        raise ValueError("a series of which nothing is known cannot be filled")
    whole: list[float | None] = list(values)
    for at in range(period, len(whole)):
        if whole[at] is None:
            whole[at] = whole[at - period]
    for at in range(len(whole) - period - 1, -1, -1):
        if whole[at] is None:
            whole[at] = whole[at + period]
    mean = fmean(found)
    return [mean if value is None else value for value in whole]


def naive_scale(values: Values, period: int) -> float | None:
    """The mean error of 'as a period ago' in the series itself, the scale of MASE.

    Source: Hyndman and Koehler 2006, "Another look at measures of forecast accuracy".

    Returns:
        None where no two values are a period apart, or all of these are equal.
    """
    errors = [
        abs(value - before)
        for before, value in zip(values, values[period:], strict=False)
        if before is not None and value is not None
    ]
    scale = fmean(errors) if errors else 0.0
    return scale or None
