"""How wrong a model would have been: forecasts from moments of the past, against what came."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from lukhas.policy.forecasting.cycles import Cycle, Values, known
from lukhas.policy.forecasting.models import Model

__all__ = ("Trial", "error_of", "origins", "tried")

_MOST_ORIGINS = 6
_LEAST_KNOWN = 0.5


@dataclass(frozen=True, slots=True)
class Trial:
    """A forecast of the past.

    Attributes:
        lead: how many steps ahead, from 0.
        expected: what the model said.
        came: what came.
    """

    lead: int
    expected: float
    came: float


def origins(values: Values, cycle: Cycle, horizon: int) -> list[int]:
    """From where to forecast, the latest first; each is followed by `horizon` steps of history.

    They are a day apart, or further where the history is long, so that every weekday has its turn.
    """
    latest = len(values) - horizon
    earliest = max(cycle.day, len(values) // 3)
    # Not whole weeks: else only one weekday would ever be tried.
    stride = max(1, min(6, (latest - earliest) // cycle.day // _MOST_ORIGINS)) * cycle.day
    found = list(range(latest, earliest - 1, -stride))[:_MOST_ORIGINS]
    return [origin for origin in found if len(known(values[:origin])) >= _LEAST_KNOWN * cycle.day]


def tried(
    model: Model, values: Values, cycle: Cycle, *, horizon: int, at: Sequence[int]
) -> list[Trial]:
    """What a model would have said.

    Args:
        model: which.
        values: the history.
        cycle: its seasons.
        horizon: how many steps ahead each time.
        at: from where, see `origins`.
    """
    trials = []
    for origin in at:
        ahead = model.ahead(values[:origin], cycle, horizon)
        for lead, expected in enumerate(ahead):
            came = values[origin + lead]
            if came is not None:
                trials.append(Trial(lead, expected, came))
    return trials


def error_of(trials: Sequence[Trial]) -> float | None:
    """The mean absolute error; None if nothing could be compared."""
    return fmean(abs(trial.expected - trial.came) for trial in trials) if trials else None
