"""Simple exponential smoothing, and Theta: smoothing with half of the trend on top.

Theta with its usual two lines is simple exponential smoothing with a drift of half the slope of
the line through all values (Hyndman and Billah 2003, "Unmasking the Theta method").
"""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ("Drifting", "slope_of", "smoothed", "theta_line")

_WEIGHTS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)


@dataclass(frozen=True, slots=True)
class Drifting:
    """A level and what is added to it each step.

    Attributes:
        level: after the last value.
        drift: a step.
    """

    level: float
    drift: float

    def at(self, steps: int) -> float:
        """The value so many steps after the last one; 1 is the next."""
        return self.level + self.drift * steps


def slope_of(values: Sequence[float]) -> float:
    """The slope a step of the straight line with the least squares; 0 for fewer than 2 values."""
    count = len(values)
    if count < 2:
        return 0.0
    middle = (count - 1) / 2
    mean = sum(values) / count
    above = sum((at - middle) * (value - mean) for at, value in enumerate(values))
    return above * 12 / (count * (count * count - 1))


def smoothed(values: Sequence[float], weights: Sequence[float] = _WEIGHTS) -> float:
    """The level after the last value, with the weight that foresaw the next value best.

    Args:
        values: at least one.
        weights: what the newest value may weigh, from 0 to 1.
    """
    best_level, best_error = values[-1], float("inf")
    for weight in weights:
        level = values[0]
        error = 0.0
        for value in values[1:]:
            off = value - level
            error += off * off
            level += weight * off
        if error < best_error:
            best_level, best_error = level, error
    return best_level


def theta_line(values: Sequence[float]) -> Drifting:
    """Level and drift of a series without a season.

    Args:
        values: at least one.
    """
    return Drifting(smoothed(values), slope_of(values) / 2)
