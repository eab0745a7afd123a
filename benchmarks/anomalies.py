"""The seasonal anomaly rule on made-up series: what it finds, and how often it cries wolf."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from statistics import fmean, median

from benchmarks.measurement import Figure, Section
from lukhas.policy.alerting.seasonal import SeasonalProfile
from lukhas.units import SECOND_NS

__all__ = ("run",)

_STEP_S = 900
_DAY = 86_400 // _STEP_S
_WEEK = 7 * _DAY
_LEARNT = 4 * _WEEK
_TRIED = 2 * _WEEK
_EVENTS = 6
_SEEDS = range(900, 904)
# An alarm must hold for two steps, and is over after four quiet ones.
_HOLD = 2
_QUIET = 4
_DEVIATIONS = (6.0, 8.0)

Values = list[float | None]


@dataclass(frozen=True)
class _Case:
    """A series, and the steps at which something odd is in it."""

    values: Values
    windows: list[range]


def _drift(drawn: Random) -> list[float]:
    """Ups and downs that last some hours: noise that remembers."""
    drift = 0.0
    steps = []
    for _ in range(_LEARNT + _TRIED):
        drift = 0.95 * drift + drawn.gauss(0, 0.03)
        steps.append(math.exp(drift))
    return steps


def _level(kind: str, step: int, drawn: Random) -> float:
    day, part = divmod(step, _DAY)
    wave = 1 + 0.7 * math.sin(2 * math.pi * (part / _DAY - 0.25))
    noise = drawn.lognormvariate(0, 0.05)
    value = 1000 * wave * noise
    if kind in {"weekly", "trend", "bursts", "gaps"} and day % 7 >= 5:
        value *= 0.4
    if kind == "trend":
        value *= 1 + 0.015 * day
    if kind == "bursts" and drawn.random() < 0.01:
        value *= drawn.uniform(1.2, 1.8)
    if kind == "flat":
        value = 1000 * noise
    if kind == "few":
        value = float(sum(drawn.random() < 0.3 * wave / 1.7 for _ in range(20)))
    return value


def _case(kind: str, seed: int, *, odd: bool) -> _Case:
    drawn = Random(f"{kind}-{seed}")
    values: Values = [_level(kind, step, drawn) * drift for step, drift in enumerate(_drift(drawn))]
    windows: list[range] = []
    if odd:
        slot = _TRIED // _EVENTS
        for index in range(_EVENTS):
            start = _LEARNT + index * slot + drawn.randrange(slot - 24)
            window = range(start, start + drawn.randrange(4, 16))
            factor = drawn.choice((0.05, 0.3, 0.6, 1.7, 2.5, 4.0))
            for step in window:
                values[step] = (values[step] or 0.0) * factor
            windows.append(window)
    if kind == "gaps":
        for _ in range(20):
            start = drawn.randrange(_LEARNT)
            values[start : start + 12] = [None] * len(values[start : start + 12])
    return _Case(values, windows)


Scorer = Callable[[Values, int], Callable[[float, int], float]]


def _seasonal(values: Values, now: int) -> Callable[[float, int], float]:
    start = max(0, now - 4 * _WEEK)
    profile = SeasonalProfile.fitted(
        values[start:now], start_ns=start * _STEP_S * SECOND_NS, step_s=_STEP_S
    )
    assert profile is not None
    return lambda value, step: profile.score(value, step * _STEP_S * SECOND_NS)


def _plain(values: Values, now: int) -> Callable[[float, int], float]:
    """A bound for all hours: mean and standard deviation of four weeks."""
    known = [value for value in values[max(0, now - 4 * _WEEK) : now] if value is not None]
    mean = fmean(known)
    spread = math.sqrt(fmean([(value - mean) ** 2 for value in known]))
    return lambda value, _step: (value - mean) / spread


def _last_week(values: Values, now: int) -> Callable[[float, int], float]:
    """Against the same time a week ago, by the spread of such differences."""
    pairs = [
        value - before
        for before, value in zip(values[: now - _WEEK], values[_WEEK:now], strict=True)
        if before is not None and value is not None
    ]
    middle = median(pairs)
    spread = 1.4826 * median([abs(each - middle) for each in pairs])

    def score(value: float, step: int) -> float:
        before = values[step - _WEEK]
        return (value - before) / spread if before is not None else 0.0

    return score


def _scores(case: _Case, scorer: Scorer) -> list[float]:
    """How odd each step is that is tried; learnt anew each day."""
    scores: list[float] = []
    score: Callable[[float, int], float] = scorer(case.values, _LEARNT)
    for step in range(_LEARNT, len(case.values)):
        if step % _DAY == 0:
            score = scorer(case.values, step)
        value = case.values[step]
        scores.append(abs(score(value, step)) if value is not None else 0.0)
    return scores


def _alarms(scores: list[float], deviations: float) -> list[range]:
    """Runs of steps at which it alarms."""
    alarms: list[range] = []
    held, quiet, begun = 0, 0, -1
    for step, score in enumerate(scores, _LEARNT):
        is_odd = score > deviations
        held = held + 1 if is_odd else 0
        quiet = 0 if is_odd else quiet + 1
        if held >= _HOLD and begun < 0:
            begun = step - _HOLD + 1
        if begun >= 0 and quiet >= _QUIET:
            alarms.append(range(begun, step - _QUIET + 1))
            begun = -1
    if begun >= 0:
        alarms.append(range(begun, _LEARNT + len(scores)))
    return alarms


def _overlap(first: range, second: range) -> bool:
    return first.start < second.stop and second.start < first.stop


def _counts(
    cases: list[_Case], scores: list[list[float]], deviations: float
) -> tuple[int, int, int]:
    """Windows, windows that were hit, and alarms outside of all."""
    windows = hits = wrong = 0
    for case, scored in zip(cases, scores, strict=True):
        alarms = _alarms(scored, deviations)
        windows += len(case.windows)
        hits += sum(any(_overlap(alarm, each) for alarm in alarms) for each in case.windows)
        wrong += sum(not any(_overlap(alarm, each) for each in case.windows) for alarm in alarms)
    return windows, hits, wrong


def run() -> Section:
    """All kinds of series, with the rule and with two plain ones."""
    kinds = ("daily", "weekly", "trend", "bursts", "gaps", "flat", "few")
    section = Section(
        "Anomalies",
        f"Made-up counts, one each {_STEP_S // 60} minutes: four weeks to learn from, two to try. "
        f"{len(_SEEDS)} series of each kind with {_EVENTS} odd stretches of 1 to 4 hours (a "
        "twentieth, a third, 0.6, 1.7, 2.5 or 4 times the value), and as many without any, which "
        "give the false alarms a week. An alarm needs two steps in a row; learnt anew each day. "
        "The series are made up by who wrote the rule: real ones are harder.",
    )
    rules: list[tuple[str, Scorer, tuple[float, ...]]] = [
        ("seasonal", _seasonal, _DEVIATIONS),
        ("same time a week ago", _last_week, (6.0,)),
        ("one bound for all hours", _plain, (3.0,)),
    ]
    odd = {kind: [_case(kind, seed, odd=True) for seed in _SEEDS] for kind in kinds}
    calm = {kind: [_case(kind, seed, odd=False) for seed in _SEEDS] for kind in kinds}
    weeks = len(_SEEDS) * _TRIED / _WEEK
    best = 0.0
    quiet_rate = 0.0
    for name, scorer, bounds in rules:
        scored = {kind: [_scores(case, scorer) for case in odd[kind]] for kind in kinds}
        quiet = {kind: [_scores(case, scorer) for case in calm[kind]] for kind in kinds}
        for deviations in bounds:
            total, cried = (0, 0, 0), 0
            for kind in kinds:
                found = _counts(odd[kind], scored[kind], deviations)
                wrong = _counts(calm[kind], quiet[kind], deviations)[2]
                total = (total[0] + found[0], total[1] + found[1], total[2] + found[2])
                cried += wrong
                if scorer is _seasonal and deviations == bounds[0]:
                    section.figures.append(_figure(f"{name}: {kind}", found, wrong / weeks))
            rate = cried / weeks / len(kinds)
            section.figures.append(_figure(f"{name}, {deviations:g} deviations", total, rate))
            if scorer is _seasonal and deviations == bounds[0]:
                best, quiet_rate = _f1(*total), rate
    section.at_least("event F1, all kinds, 6 deviations", best, 0.45)
    section.at_most("false alarms a week on quiet series", quiet_rate, 1.0)
    section.at_most("learning four weeks", _fit_ms(), 200, " ms")
    return section


def _f1(windows: int, hits: int, wrong: int) -> float:
    return 2 * hits / max(1, windows + hits + wrong)


def _figure(name: str, counts: tuple[int, int, int], false_a_week: float) -> Figure:
    windows, hits, wrong = counts
    return Figure(
        name,
        (
            ("odd", windows),
            ("found", hits),
            ("wrong", wrong),
            ("event F1", round(_f1(windows, hits, wrong), 3)),
            ("false a week", round(false_a_week, 3)),
        ),
        ours=name.startswith("seasonal"),
    )


def _fit_ms() -> float:
    values = _case("weekly", 1, odd=False).values
    taken = []
    for _ in range(5):
        begun = time.perf_counter_ns()
        _seasonal(values, _LEARNT)
        taken.append((time.perf_counter_ns() - begun) / 1e6)
    return min(taken)
