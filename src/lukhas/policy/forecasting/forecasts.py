"""A forecast with a band, by the model that a back-test found best."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lukhas.policy.forecasting.back_test import Trial, error_of, origins, tried
from lukhas.policy.forecasting.cycles import Cycle, Values, known
from lukhas.policy.forecasting.models import LEVEL, MODELS, NAIVE_DAY, Model

__all__ = ("Forecast", "Score", "forecast", "reached")

_MOST_WEEKS = 8
_LEAST_KNOWN = 3
# The band holds four of five values of the back-test.
_TAIL = 0.1
# Values far below the mean are told apart no better than by this part of it.
_LEAST_OF_MEAN = 0.1
_MOST_TRIED_DAYS = 7


@dataclass(frozen=True, slots=True)
class Score:
    """What the back-test said of a model.

    Attributes:
        model: its name.
        error: mean absolute error, in the unit of the series.
    """

    model: str
    error: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """The values to come; three of each, `low <= expected <= high`.

    Attributes:
        model: the name of the model that was chosen.
        low: above this are nine of ten values, by the errors of the back-test.
        expected: what the model says.
        high: below this are nine of ten.
        scores: of all models that were tried, the chosen one first; empty where the history is too
            short to try any.
    """

    model: str
    low: tuple[float, ...]
    expected: tuple[float, ...]
    high: tuple[float, ...]
    scores: tuple[Score, ...] = ()

    def error_against_naive(self) -> float | None:
        """The error of the chosen model over that of 'as a day ago'; never above 1."""
        naive = next((score for score in self.scores if score.model == NAIVE_DAY.name), None)
        return self.scores[0].error / naive.error if naive is not None and naive.error else None


def forecast(
    values: Values,
    cycle: Cycle,
    horizon: int,
    *,
    tried_steps: int | None = None,
    models: Sequence[Model] = MODELS,
) -> Forecast | None:
    """Forecasts a series of counts, rates or durations: of values that are never negative.

    Every model whose days are there is tried at up to six moments of the past. The one with the
    smallest mean error is taken, so that in the back-test none is ever worse than seasonal naive.

    Args:
        values: the history; of a long one the last eight weeks are looked at.
        cycle: its seasons.
        horizon: how many steps ahead.
        tried_steps: how many steps ahead the models are compared; the horizon if None. Never more
            than a week, nor than a quarter of the history.
        models: which to try, the reference first.

    Returns:
        None where fewer than three values are known.
    """
    values = _trimmed(values)[-_MOST_WEEKS * cycle.week :]
    if len(known(values)) < _LEAST_KNOWN:
        return None
    tried_steps = min(tried_steps or horizon, _MOST_TRIED_DAYS * cycle.day, len(values) // 4)
    tried_steps = max(1, tried_steps)
    moments = origins(values, cycle, tried_steps) if len(values) >= 2 * cycle.day else []
    scored: list[tuple[float, Model, list[Trial]]] = []
    for model in models:
        # At every one of the moments, so that all answer the same questions.
        if not moments or moments[-1] < model.least_days * cycle.day:
            continue
        trials = tried(model, values, cycle, horizon=tried_steps, at=moments)
        error = error_of(trials)
        if error is not None and math.isfinite(error):
            scored.append((error, model, trials))
    if not scored:
        return _untried(values, cycle, horizon)
    # A stable sort: where two are as good, the simpler one comes first.
    scored.sort(key=lambda each: each[0])
    _, chosen, trials = scored[0]
    expected = chosen.ahead(values, cycle, horizon)
    low, high = _band(expected, trials, known(values), cycle)
    scores = tuple(Score(model.name, error) for error, model, _ in scored)
    return Forecast(chosen.name, low, tuple(expected), high, scores)


def reached(values: Sequence[float], limit: float) -> int | None:
    """The first step at which a limit is reached; None if it is not."""
    return next((step for step, value in enumerate(values) if value >= limit), None)


def _trimmed(values: Values) -> Values:
    """The history from its first known value on: what was before it was not there yet."""
    first = next((at for at, value in enumerate(values) if value is not None), len(values))
    return values[first:]


def _untried(values: Values, cycle: Cycle, horizon: int) -> Forecast:
    """Where there is too little to try anything: between the least and the most that was seen."""
    model = NAIVE_DAY if len(values) >= 2 * cycle.day else LEVEL
    expected = model.ahead(values, cycle, horizon)
    found = known(values)
    return Forecast(
        model.name,
        tuple(min(value, *found) for value in expected),
        tuple(expected),
        tuple(max(value, *found) for value in expected),
    )


def _band(
    expected: Sequence[float], trials: Sequence[Trial], history: Sequence[float], cycle: Cycle
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Errors of the back-test around a forecast, in parts of the value; wider the further ahead."""
    floor = _LEAST_OF_MEAN * sum(history) / len(history) or 1.0
    by_day: dict[int, list[float]] = {}
    for trial in trials:
        part = (trial.came - trial.expected) / max(trial.expected, floor)
        by_day.setdefault(trial.lead // cycle.day, []).append(part)
    last = max(by_day)
    tails: dict[int, tuple[float, float]] = {}
    widest = (0.0, 0.0)
    for day in range(last + 1):
        parts = sorted(by_day.get(day, ()))
        if parts:
            # Nobody knows more of a later day than of an earlier one.
            down, up = _quantile(parts, _TAIL), _quantile(parts, 1 - _TAIL)
            widest = (min(widest[0], down), max(widest[1], up))
        tails[day] = widest
    low, high = [], []
    for step, value in enumerate(expected):
        day = step // cycle.day
        down, up = tails[min(day, last)]
        # As the errors of a random walk grow.
        wider = math.sqrt((day + 1) / (last + 1)) if day > last else 1.0
        scale = wider * max(value, floor)
        low.append(max(0.0, value + down * scale))
        high.append(value + up * scale)
    return tuple(low), tuple(high)


def _quantile(ordered: Sequence[float], q: float) -> float:
    return ordered[min(len(ordered) - 1, max(0, math.ceil(q * len(ordered)) - 1))]
