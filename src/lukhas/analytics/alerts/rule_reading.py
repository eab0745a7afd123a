"""Looks at a rule: asks for its values, and reads them."""

from dataclasses import replace

from lukhas.analytics.alerts.series_source import SeriesSource
from lukhas.policy.alerting.conditions import Ask, Series, asks, reading
from lukhas.policy.alerting.metrics import metric_named
from lukhas.policy.alerting.rules import Rule
from lukhas.policy.alerting.splits import Found, SplitReading
from lukhas.units import SECOND_NS

__all__ = ("read_rule",)


async def read_rule(source: SeriesSource, rule: Rule, now_ns: int) -> Found:
    """What a rule says at a moment.

    Raises:
        SeriesUnavailableError: the source cannot tell one of its values now.
    """
    wanted = asks(rule.condition, now_ns)
    if not rule.split_by:
        return reading(rule.condition, [await source.values(ask) for ask in wanted], now_ns)
    answers = [await source.values_by(ask, rule.split_by) for ask in wanted]
    by_value = []
    for value in dict.fromkeys(value for answer in answers for value in answer):
        series = [
            answer.get(value) or _nothing(ask) for ask, answer in zip(wanted, answers, strict=True)
        ]
        found = reading(rule.condition, series, now_ns)
        by_value.append((value, replace(found, why=f"{rule.split_by} {value}: {found.why}")))
    return SplitReading(rule.split_by, tuple(by_value))


def _nothing(ask: Ask) -> Series:
    """What there is of a value of a label that has not occurred."""
    metric = metric_named(ask.metric)
    steps = (ask.end_ns - ask.start_ns) // (ask.step_s * SECOND_NS)
    return [0.0 if metric is not None and metric.is_count else None] * steps
