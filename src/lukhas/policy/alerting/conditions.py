"""What a rule asks of its series, and when that is a reason for an alert.

A condition says which values it needs (`asks`), and what those values mean (`reading`). Where they
come from is not its business, so a rule can be tried on what was recorded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from lukhas.policy.alerting.metrics import metric_named
from lukhas.policy.alerting.seasonal import Direction, SeasonalProfile
from lukhas.units import HOUR_NS, SECOND_NS

__all__ = (
    "Absence",
    "Anomaly",
    "Ask",
    "BurnRate",
    "BurnWindow",
    "Change",
    "Condition",
    "Filters",
    "Reading",
    "Series",
    "Threshold",
    "asks",
    "reading",
)

_HOUR_S = HOUR_NS // SECOND_NS

Filters = tuple[tuple[str, str], ...]
"""Labels and the value that each must have."""

Series = Sequence[float | None]
"""One value for each step, the oldest first; None where nothing is known."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Values that a condition needs: one for each step of `[start_ns, end_ns)`.

    Attributes:
        metric: a name of `METRICS`.
        filters: labels that what is counted must have.
        start_ns: the begin of the first step (Unix time).
        end_ns: the end of the last step.
        step_s: how long a step is.
    """

    metric: str
    filters: Filters
    start_ns: int
    end_ns: int
    step_s: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What a condition says at a moment.

    Attributes:
        breached: whether it is a reason for an alert.
        value: the value it went by; None if there was none.
        why: in a clause, for people.
    """

    breached: bool
    value: float | None
    why: str


@dataclass(frozen=True, slots=True)
class Threshold:
    """A value above or below a bound.

    Attributes:
        metric: what is looked at.
        filters: narrowed to what.
        window_s: over how long.
        above: breached above it; None for no bound.
        below: breached below it; None for no bound.
        least_requests: with fewer requests in the window nothing is said.
    """

    metric: str
    filters: Filters
    window_s: int
    above: float | None = None
    below: float | None = None
    least_requests: int = 0


@dataclass(frozen=True, slots=True)
class Absence:
    """Nothing counted for a while, where there was something before.

    Without the second half a new installation would alert until its first request came.

    Attributes:
        metric: what is looked at.
        filters: narrowed to what.
        window_s: for how long there has been nothing.
        lookback_s: how long before that there must have been something.
    """

    metric: str
    filters: Filters
    window_s: int
    lookback_s: int


@dataclass(frozen=True, slots=True)
class Change:
    """A value that differs from what it was some time ago.

    Attributes:
        metric: what is looked at.
        filters: narrowed to what.
        window_s: over how long, now and then.
        offset_s: how long ago then was.
        rise: breached if more than this part higher; None for no bound.
        fall: breached if more than this part lower; None for no bound.
        least_requests: with fewer requests in either window nothing is said.
    """

    metric: str
    filters: Filters
    window_s: int
    offset_s: int
    rise: float | None = None
    fall: float | None = None
    least_requests: int = 0


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A value far from what is normal for this hour of the week.

    Attributes:
        metric: what is looked at.
        filters: narrowed to what.
        step_s: how long each value is for.
        history_s: how far back the normal is learnt from.
        deviations: how many robust standard deviations are far.
        direction: which side counts.
    """

    metric: str
    filters: Filters
    step_s: int
    history_s: int
    deviations: float
    direction: Direction = Direction.BOTH


@dataclass(frozen=True, slots=True)
class BurnWindow:
    """Two windows and how fast the error budget is used up in both of them.

    The long one says that it matters, the short one that it still goes on (Google, The Site
    Reliability Workbook, chapter 5).

    Attributes:
        long_s: the long window.
        short_s: the short window.
        factor: how many times faster than the objective allows.
    """

    long_s: int
    short_s: int
    factor: float


@dataclass(frozen=True, slots=True)
class BurnRate:
    """The error budget of an objective is used up too fast.

    Attributes:
        objective: the share of requests that must succeed, below 1.
        filters: narrowed to what.
        windows: breached if in any of them.
        least_requests: a long window with fewer requests says nothing.
    """

    objective: float
    filters: Filters
    windows: tuple[BurnWindow, ...]
    least_requests: int = 0


Condition = Threshold | Absence | Change | Anomaly | BurnRate


def asks(condition: Condition, now_ns: int) -> tuple[Ask, ...]:
    """What a condition needs to know at a moment, in the order in which `reading` takes it."""
    match condition:
        case Threshold(metric=metric, filters=filters, window_s=window_s):
            main = _window(metric, filters, now_ns, window_s)
            requests = _window("requests", filters, now_ns, window_s)
            return (main, requests) if condition.least_requests else (main,)
        case Absence(metric=metric, filters=filters, window_s=window_s):
            earlier_ns = now_ns - window_s * SECOND_NS
            return (
                _window(metric, filters, now_ns, window_s),
                _window(metric, filters, earlier_ns, condition.lookback_s),
            )
        case Change(metric=metric, filters=filters, window_s=window_s):
            then_ns = now_ns - condition.offset_s * SECOND_NS
            moments = (now_ns, then_ns)
            main_pair = tuple(_window(metric, filters, at, window_s) for at in moments)
            if not condition.least_requests:
                return main_pair
            return main_pair + tuple(_window("requests", filters, at, window_s) for at in moments)
        case Anomaly():
            return _histories(condition, now_ns)
        case BurnRate(filters=filters):
            return tuple(
                _window(metric, filters, now_ns, length_s)
                for window in condition.windows
                for length_s in (window.long_s, window.short_s)
                for metric in ("errors", "requests")
            )
        case _:
            assert_never(condition)


def reading(condition: Condition, answers: Sequence[Series], now_ns: int) -> Reading:
    """What the values mean.

    Args:
        condition: the condition.
        answers: a series for each of `asks(condition, now_ns)`.
        now_ns: the same moment.
    """
    match condition:
        case Threshold():
            return _threshold(condition, answers)
        case Absence():
            return _absence(condition, answers)
        case Change():
            return _change(condition, answers)
        case Anomaly():
            return _anomaly(condition, answers, now_ns)
        case BurnRate():
            return _burn_rate(condition, answers)
        case _:
            assert_never(condition)


def _window(metric: str, filters: Filters, end_ns: int, length_s: int) -> Ask:
    return Ask(metric, filters, end_ns - length_s * SECOND_NS, end_ns, length_s)


def _histories(condition: Anomaly, now_ns: int) -> tuple[Ask, ...]:
    """The steps, and the hours: a history keeps hours for longer than what steps are made of."""
    step_ns = condition.step_s * SECOND_NS
    end_ns = now_ns - now_ns % step_ns
    start_ns = end_ns - condition.history_s // condition.step_s * step_ns
    metric, filters = condition.metric, condition.filters
    steps = Ask(metric, filters, start_ns, end_ns, condition.step_s)
    if condition.step_s >= _HOUR_S:
        return (steps,)
    first_ns, last_ns = start_ns - start_ns % HOUR_NS, end_ns - end_ns % HOUR_NS
    return steps, Ask(metric, filters, first_ns, last_ns, _HOUR_S)


def _last(series: Series) -> float | None:
    return series[-1] if series else None


def _threshold(condition: Threshold, answers: Sequence[Series]) -> Reading:
    value = _last(answers[0])
    if value is None:
        return Reading(False, None, "no value")
    if condition.least_requests and (_last(answers[1]) or 0) < condition.least_requests:
        return Reading(False, value, f"fewer than {condition.least_requests} requests")
    if condition.above is not None and value > condition.above:
        return Reading(True, value, f"{condition.metric} {value:g} is above {condition.above:g}")
    if condition.below is not None and value < condition.below:
        return Reading(True, value, f"{condition.metric} {value:g} is below {condition.below:g}")
    return Reading(False, value, f"{condition.metric} {value:g} is within bounds")


def _absence(condition: Absence, answers: Sequence[Series]) -> Reading:
    value, earlier = _last(answers[0]), _last(answers[1])
    if value:
        return Reading(False, value, f"{condition.metric} {value:g}")
    if not earlier:
        return Reading(False, value, "there was nothing before either")
    why = f"no {condition.metric} for {condition.window_s} s, {earlier:g} before"
    return Reading(True, value, why)


def _change(condition: Change, answers: Sequence[Series]) -> Reading:
    now, then = _last(answers[0]), _last(answers[1])
    if now is None or not then:
        return Reading(False, now, "nothing to compare with")
    fewest = min((_last(series) or 0 for series in answers[2:]), default=0)
    if condition.least_requests and fewest < condition.least_requests:
        return Reading(False, now, f"fewer than {condition.least_requests} requests")
    change = (now - then) / abs(then)
    why = f"{condition.metric} {now:g}, {change:+.0%} of {then:g} {condition.offset_s} s before"
    risen = condition.rise is not None and change > condition.rise
    fallen = condition.fall is not None and -change > condition.fall
    return Reading(risen or fallen, now, why)


def _anomaly(condition: Anomaly, answers: Sequence[Series], now_ns: int) -> Reading:
    series = answers[0]
    value = _last(series)
    if value is None:
        return Reading(False, None, "no value")
    step_ns = condition.step_s * SECOND_NS
    end_ns = now_ns - now_ns % step_ns
    start_ns = end_ns - len(series) * step_ns
    profile = SeasonalProfile.fitted(
        series[:-1],
        start_ns=start_ns,
        step_s=condition.step_s,
        hours=_hours(condition, answers[1], now_ns) if len(answers) > 1 else {},
    )
    if profile is None:
        return Reading(False, value, "not enough history to know what is normal")
    score = profile.score(value, end_ns - step_ns)
    expected = profile.expected(end_ns - step_ns)
    why = f"{condition.metric} {value:g}, normal is {expected:.4g} ({score:+.1f} deviations)"
    return Reading(condition.direction.counted(score) > condition.deviations, value, why)


def _hours(condition: Anomaly, series: Series, now_ns: int) -> dict[int, float]:
    """What a step of each hour was on average, by the number of the hour."""
    _, asked = _histories(condition, now_ns)
    metric = metric_named(condition.metric)
    is_count = metric is not None and metric.is_count
    share = condition.step_s / _HOUR_S if is_count else 1.0
    first = asked.start_ns // HOUR_NS
    return {first + hour: value * share for hour, value in enumerate(series) if value is not None}


def _burn_rate(condition: BurnRate, answers: Sequence[Series]) -> Reading:
    budget = 1 - condition.objective
    worst: float | None = None
    for index, window in enumerate(condition.windows):
        errors, requests, short_errors, short_requests = (
            _last(series) or 0 for series in answers[4 * index : 4 * index + 4]
        )
        if not requests or not short_requests or requests < condition.least_requests:
            continue
        burn = errors / requests / budget
        worst = burn if worst is None else max(worst, burn)
        short_burn = short_errors / short_requests / budget
        if burn > window.factor and short_burn > window.factor:
            why = (
                f"the error budget burns {burn:.3g} times too fast over {window.long_s} s "
                f"and {short_burn:.3g} times over {window.short_s} s"
            )
            return Reading(True, burn, why)
    return Reading(False, worst, "the error budget lasts")
