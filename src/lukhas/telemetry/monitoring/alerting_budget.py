"""Alerts on the error budget of an objective.

Several windows, several burn rates (Google, The Site Reliability Workbook, chapter 5): the long
window says that it matters, the short one that it still goes on.
"""

from collections.abc import Sequence

from lukhas.policy.alerting.conditions import BurnWindow
from lukhas.policy.alerting.default_rules import FAST_BURN, SLOW_BURN
from lukhas.telemetry.monitoring.rules import (
    AlertingRule,
    InputSeries,
    RuleTrial,
    duration_text,
)
from lukhas.telemetry.monitoring.trial_series import JOB, fires, quiet, requests

__all__ = ("budget_rules",)

_LEAST_FAST = 100
_LEAST_SLOW = 1000
_A_MINUTE = 1_000_000


def budget_rules(objective: float) -> tuple[AlertingRule, ...]:
    """The rules.

    Args:
        objective: the share of requests that must succeed, below 1.
    """
    return (
        AlertingRule(
            name="LukhasErrorBudgetBurnsFast",
            expr=_burn(objective, FAST_BURN, least=_LEAST_FAST),
            severity="critical",
            summary="Requests fail so often that the error budget is gone in days",
            description=_description(objective),
            trials=_fast_trials(objective),
        ),
        AlertingRule(
            name="LukhasErrorBudgetBurnsSlowly",
            expr=_burn(objective, SLOW_BURN, least=_LEAST_SLOW),
            severity="warning",
            for_s=900,
            summary="Requests fail more often than the objective allows",
            description=_description(objective),
            trials=_slow_trials(objective),
        ),
    )


def _burn(objective: float, windows: Sequence[BurnWindow], *, least: int) -> str:
    budget = 1 - objective
    pairs = []
    for each in windows:
        bound = f"{each.factor * budget:.6g}"
        long, short = duration_text(each.long_s), duration_text(each.short_s)
        both = (f"lukhas:error_ratio:rate{window} > {bound}" for window in (long, short))
        pairs.append(f"({' and '.join(both)})")
    either = " or ".join(pairs)
    return f"({either}) and lukhas:requests:increase1h > {least}"


def _description(objective: float) -> str:
    return (
        "{{ $value | humanizePercentage }} of the requests of {{ $labels.job }} fail, and the "
        f"objective allows {_percent(1 - objective)}."
    )


def _described(objective: float, share: float) -> str:
    return (
        f"{_percent(share)} of the requests of {JOB} fail, and the objective allows "
        f"{_percent(1 - objective)}."
    )


def _percent(share: float) -> str:
    """As `humanizePercentage` of Prometheus writes it."""
    return f"{share * 100:.4g}%"


def _fast_trials(objective: float) -> tuple[RuleTrial, ...]:
    """One for each pair of windows in which only that pair is above its bound, and quiet ones.

    With an objective so low that nothing can fail so often, a pair cannot be above its bound.
    """
    budget = 1 - objective
    quick, steady = FAST_BURN
    trials = [
        quiet(*_traffic((3 * budget, 60)), at_min=60),
        quiet(*_traffic((20 * budget, 20), (0.0, 39)), at_min=60),
        quiet(*_few(60), at_min=60),
    ]
    # After two hours without a failure many fail for 19 minutes.
    burst = min(1.0, 48 * budget)
    if burst * 19 / 60 > quick.factor * budget:
        told = _described(objective, burst * 19 / 60)
        trials.append(fires(*_traffic((0.0, 140), (burst, 20)), at_min=160, description=told))
    share = min(1.0, 10 * budget)
    if share > steady.factor * budget:
        told = _described(objective, share)
        trials.append(fires(*_traffic((share, 60)), at_min=60, description=told))
    return tuple(trials)


def _slow_trials(objective: float) -> tuple[RuleTrial, ...]:
    share = min(1.0, 2 * (1 - objective))
    told = _described(objective, share)
    return (
        fires(*_traffic((share, 60)), at_min=60, description=told),
        quiet(*_traffic((share, 60)), at_min=10),
        quiet(*_traffic((share / 4, 60)), at_min=60),
        quiet(*_few(60), at_min=60),
    )


def _traffic(*failing: tuple[float, int]) -> tuple[InputSeries, ...]:
    """Requests of which such a share fails, for so many minutes; one after another."""
    errors = [(round(min(1.0, share) * _A_MINUTE), minutes) for share, minutes in failing]
    rest = [(_A_MINUTE - number, minutes) for number, minutes in errors]
    return requests(*rest), requests(*errors, status_class="5xx")


def _few(minutes: int) -> tuple[InputSeries, ...]:
    """One request a minute, which fails."""
    return (requests((1, minutes), status_class="5xx"),)
