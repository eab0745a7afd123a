"""The forecaster on made-up series of requests: MASE beside that of seasonal naive."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean

from benchmarks.measurement import Figure, Section
from lukhas.policy.forecasting.cycles import Cycle, naive_scale
from lukhas.policy.forecasting.forecasts import forecast
from lukhas.policy.forecasting.models import MODELS, NAIVE_DAY, NAIVE_WEEK, Model

__all__ = ("run",)

_DAY = 24
_CYCLE = Cycle(_DAY)
_WEEKS = 6
_LEARNT = _WEEKS * 7 * _DAY
_AHEAD = 7 * _DAY
_SEEDS = range(700, 706)
_KINDS = ("daily", "weekly", "trend", "shift", "bursts", "gaps", "flat", "few")
# What is not to be fallen short of: 5 % is what a choice by back-test may cost by bad luck.
_NEVER_WORSE = 1.05
_MEAN_MASE = 0.85


@dataclass
class _Sums:
    """Errors over all hours that were foreseen, in parts of the scale, and what the band held."""

    error: float = 0.0
    naive: float = 0.0
    week: float = 0.0
    hours: int = 0
    held: int = 0

    def add(self, other: "_Sums") -> None:
        self.error += other.error
        self.naive += other.naive
        self.week += other.week
        self.hours += other.hours
        self.held += other.held


def _level(kind: str, hour: int, drawn: Random) -> float:
    day, part = divmod(hour, _DAY)
    wave = 1 + 0.7 * math.sin(2 * math.pi * (part / _DAY - 0.25))
    value = 1000 * wave * drawn.lognormvariate(0, 0.08)
    if kind not in {"daily", "flat", "few"} and day % 7 >= 5:
        value *= 0.4
    if kind == "trend":
        value *= 1 + 0.02 * day
    if kind == "shift" and day >= 7 * (_WEEKS - 1):
        value *= 1.6
    if kind == "bursts" and drawn.random() < 0.03:
        value *= drawn.uniform(2, 6)
    if kind == "flat":
        value = 1000 * drawn.lognormvariate(0, 0.08)
    if kind == "few":
        value = float(sum(drawn.random() < 0.1 * wave for _ in range(20)))
    return value


def _series(kind: str, seed: int) -> list[float | None]:
    drawn = Random(f"{kind}-{seed}")
    drift = 0.0
    values: list[float | None] = []
    for hour in range(_LEARNT + _AHEAD):
        # Ups and downs that last some hours: noise that remembers.
        drift = 0.95 * drift + drawn.gauss(0, 0.03)
        values.append(_level(kind, hour, drawn) * (1.0 if kind == "few" else math.exp(drift)))
    if kind == "gaps":
        for _ in range(25):
            start = drawn.randrange(_LEARNT)
            end = min(_LEARNT, start + drawn.randrange(1, 18))
            values[start:end] = [None] * (end - start)
    return values


def _tried(values: Sequence[float | None], ahead: int) -> tuple[_Sums, str]:
    """One series, foreseen for so many hours; the model that was chosen."""
    learnt = values[:_LEARNT]
    scale = naive_scale(learnt, _DAY) or 1.0
    found = forecast(learnt, _CYCLE, ahead)
    assert found is not None
    day = NAIVE_DAY.ahead(learnt, _CYCLE, ahead)
    week = NAIVE_WEEK.ahead(learnt, _CYCLE, ahead)
    sums = _Sums()
    for step in range(ahead):
        came = values[_LEARNT + step]
        assert came is not None
        sums.error += abs(came - found.expected[step]) / scale
        sums.naive += abs(came - day[step]) / scale
        sums.week += abs(came - week[step]) / scale
        sums.held += found.low[step] <= came <= found.high[step]
        sums.hours += 1
    return sums, found.model


def _figure(name: str, sums: _Sums, models: list[str]) -> Figure:
    chosen = ", ".join(
        f"{model} {models.count(model)}" for model in sorted(set(models), key=models.count)[::-1]
    )
    return Figure(
        name,
        (
            ("MASE", round(sums.error / sums.hours, 3)),
            ("as a day ago", round(sums.naive / sums.hours, 3)),
            ("as a week ago", round(sums.week / sums.hours, 3)),
            ("against a day ago", round(sums.error / sums.naive, 3)),
            ("in the band", round(sums.held / sums.hours, 3)),
            ("chosen", chosen),
        ),
        ours=True,
    )


def _alone(model: Model, everything: dict[str, list[list[float | None]]]) -> Figure:
    """One model for all series."""
    errors = []
    for each in everything.values():
        for values in each:
            learnt = values[:_LEARNT]
            scale = naive_scale(learnt, _DAY) or 1.0
            ahead = model.ahead(learnt, _CYCLE, _AHEAD)
            errors += [
                abs((came or 0.0) - expected) / scale
                for expected, came in zip(ahead, values[_LEARNT:], strict=True)
            ]
    return Figure(f"{model.name} for all", (("MASE", round(fmean(errors), 3)),))


def _taken_ms(values: Sequence[float | None]) -> float:
    taken = []
    for _ in range(5):
        begun = time.perf_counter_ns()
        forecast(values[:_LEARNT], _CYCLE, _AHEAD)
        taken.append((time.perf_counter_ns() - begun) / 1e6)
    return min(taken)


def run() -> Section:
    """All kinds of series, a day and a week ahead."""
    section = Section(
        "Forecasts",
        f"Made-up requests by the hour: {_WEEKS} weeks to learn from, and what comes after. "
        f"{len(_SEEDS)} series of each kind. MASE is the mean error over the mean error of 'as a "
        "day ago' within the weeks that are learnt from; the same for the two naive models beside "
        "it. The band is to hold four of five hours. Nothing of what comes after is seen by the "
        "choice of the model. The series are made up by who wrote the models: real ones are "
        "harder.",
    )
    everything = {kind: [_series(kind, seed) for seed in _SEEDS] for kind in _KINDS}
    worst = 0.0
    for name, ahead in (("a day", _DAY), ("a week", _AHEAD)):
        total, all_models = _Sums(), []
        for kind, each in everything.items():
            sums, models = _Sums(), []
            for values in each:
                one, model = _tried(values, ahead)
                sums.add(one)
                models.append(model)
            section.figures.append(_figure(f"{name} ahead: {kind}", sums, models))
            worst = max(worst, sums.error / min(sums.naive, sums.week))
            total.add(sums)
            all_models += models
        section.figures.append(_figure(f"{name} ahead: all", total, all_models))
        section.at_most(f"MASE, {name} ahead", total.error / total.hours, _MEAN_MASE)
        section.at_most(f"against a day ago, {name} ahead", total.error / total.naive, 1.0)
    section.figures += [_alone(model, everything) for model in MODELS]
    section.at_most("worst kind against the better naive", worst, _NEVER_WORSE)
    section.at_most("one series, all models, ms", _taken_ms(everything["weekly"][0]), 1000.0)
    return section
