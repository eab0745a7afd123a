"""Rules that make sense for any API from the first day on."""

from lukhas.policy.alerting.conditions import (
    Absence,
    Anomaly,
    BurnRate,
    BurnWindow,
    Change,
    Threshold,
)
from lukhas.policy.alerting.inhibitions import Inhibition
from lukhas.policy.alerting.matchers import Matcher
from lukhas.policy.alerting.rules import Rule, Severity

__all__ = ("DEFAULT_INHIBITIONS", "FAST_BURN", "SLOW_BURN", "default_rules")

_HOUR_S = 3600
_DAY_S = 86_400

FAST_BURN = (BurnWindow(_HOUR_S, 300, 14.4), BurnWindow(6 * _HOUR_S, 1800, 6.0))
"""2 % of a budget of 30 days in an hour, or 5 % in six (The Site Reliability Workbook, ch. 5)."""

SLOW_BURN = (BurnWindow(3 * _DAY_S, 6 * _HOUR_S, 1.0),)
"""10 % of a budget of 30 days in three days (the same place)."""

DEFAULT_INHIBITIONS = (
    Inhibition(
        source=(Matcher("rule", "upstream-down"),), target=(Matcher("rule", "error-budget-*"),)
    ),
)
"""That an upstream is down says why the error budget burns."""


def default_rules(*, objective: float, p99_ms: float, interval_s: int) -> tuple[Rule, ...]:
    """The default rules.

    Args:
        objective: the share of requests that must succeed.
        p99_ms: what the 99th percentile of the duration may be.
        interval_s: how often they are looked at.
    """
    return (
        *_answers(objective, p99_ms, interval_s),
        *_traffic(interval_s),
        *_node(interval_s),
    )


def _answers(objective: float, p99_ms: float, interval_s: int) -> tuple[Rule, ...]:
    return (
        Rule(
            "error-budget-fast",
            BurnRate(objective, (), FAST_BURN, least_requests=100),
            Severity.CRITICAL,
            keep_firing_s=120,
            interval_s=interval_s,
            summary="Requests fail so often that the error budget is gone in days",
        ),
        Rule(
            "error-budget-slow",
            BurnRate(objective, (), SLOW_BURN, least_requests=1000),
            Severity.WARNING,
            keep_firing_s=900,
            interval_s=max(60, interval_s),
            summary="Requests fail more often than the objective allows",
        ),
        Rule(
            "slow-answers",
            Threshold("p99_ms", (), 300, above=p99_ms, least_requests=100),
            Severity.WARNING,
            for_s=300,
            keep_firing_s=120,
            interval_s=interval_s,
            summary="One in a hundred requests takes too long",
        ),
    )


def _traffic(interval_s: int) -> tuple[Rule, ...]:
    return (
        Rule(
            "no-traffic",
            Absence("requests", (), 600, _HOUR_S),
            Severity.WARNING,
            interval_s=interval_s,
            summary="No requests come in any more",
        ),
        Rule(
            "unusual-traffic",
            Anomaly("requests", (), 300, 28 * _DAY_S, deviations=8.0),
            Severity.INFO,
            for_s=300,
            keep_firing_s=600,
            interval_s=max(300, interval_s),
            summary="There are far more or far fewer requests than at this hour of other weeks",
        ),
        Rule(
            "limited-share",
            Threshold("limited_ratio", (), 300, above=0.2, least_requests=100),
            Severity.WARNING,
            for_s=300,
            keep_firing_s=120,
            interval_s=interval_s,
            summary="More than a fifth of all requests is refused because of limits",
        ),
        Rule(
            "hit-ratio-drop",
            Change("hit_ratio", (), 900, _HOUR_S, fall=0.4, least_requests=500),
            Severity.INFO,
            for_s=300,
            interval_s=interval_s,
            summary="The cache answers far fewer requests than an hour ago",
        ),
    )


def _node(interval_s: int) -> tuple[Rule, ...]:
    return (
        Rule(
            "upstream-down",
            Threshold("upstream_error_ratio", (), 60, above=0.5, least_requests=5),
            Severity.CRITICAL,
            for_s=60,
            keep_firing_s=60,
            interval_s=interval_s,
            summary="The API behind the gateway cannot be reached",
        ),
        Rule(
            "servers-left-out",
            Threshold("targets_left_out", (), 60, above=0),
            Severity.WARNING,
            for_s=60,
            keep_firing_s=60,
            interval_s=interval_s,
            summary="Servers of an upstream get no requests because they fail",
        ),
        Rule(
            "workers-missing",
            Threshold("workers_missing", (), 60, above=0),
            Severity.WARNING,
            for_s=60,
            interval_s=interval_s,
            summary="Fewer workers serve than should",
        ),
        Rule(
            "part-failed",
            Threshold("parts_failed", (), 60, above=0),
            Severity.CRITICAL,
            for_s=60,
            interval_s=interval_s,
            summary="A part of the gateway, such as a store, does not work; health says which",
        ),
        Rule(
            "disk-nearly-full",
            Threshold("disk_free_ratio", (), 60, below=0.05),
            Severity.CRITICAL,
            for_s=120,
            keep_firing_s=300,
            interval_s=max(60, interval_s),
            summary="The disk with the state directory has less than 5 percent left",
        ),
    )
