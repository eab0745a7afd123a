"""The models: each makes of the past of a series the values to come."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

from lukhas.policy.forecasting.cycles import Cycle, Values, filled, known
from lukhas.policy.forecasting.profile import profile_days, profile_level
from lukhas.policy.forecasting.theta import theta

__all__ = ("LEVEL", "MODELS", "NAIVE_DAY", "NAIVE_WEEK", "Model")


@dataclass(frozen=True, slots=True)
class Model:
    """A way to forecast.

    Attributes:
        name: for people.
        least_days: how many days of history it needs.
        ahead: gives so many values to come, none of them negative, of a history with at least
            one known value.
    """

    name: str
    least_days: int
    ahead: Callable[[Values, Cycle, int], list[float]]


def _level(values: Values, cycle: Cycle, horizon: int) -> list[float]:
    """The mean of the last day that has any value."""
    end = len(values)
    while end > 0:
        found = known(values[max(0, end - cycle.day) : end])
        if found:
            return [max(0.0, fmean(found))] * horizon
        end -= cycle.day
    return [0.0] * horizon


def _repeated(values: Values, period: int, horizon: int) -> list[float]:
    last = filled(values, period)[-period:]
    return [max(0.0, last[step % len(last)]) for step in range(horizon)]


LEVEL = Model("level", 0, _level)
"""As the last day on average: for what is too short to have a season."""
NAIVE_DAY = Model("naive-day", 1, lambda values, cycle, steps: _repeated(values, cycle.day, steps))
"""As a day ago: what every other model has to beat."""
NAIVE_WEEK = Model(
    "naive-week", 8, lambda values, cycle, steps: _repeated(values, cycle.week, steps)
)
"""As a week ago."""
MODELS: tuple[Model, ...] = (
    NAIVE_DAY,
    NAIVE_WEEK,
    Model("profile", 3, profile_level),
    Model("profile-trend", 5, profile_days),
    Model("theta-day", 3, lambda values, cycle, steps: theta(values, cycle.day, steps)),
    Model("theta-week", 15, lambda values, cycle, steps: theta(values, cycle.week, steps)),
)
"""All with a season; the first is the reference."""
