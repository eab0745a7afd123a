"""Rules of Prometheus as values, and what each says about series that are made up."""

from dataclasses import dataclass

__all__ = (
    "AlertingRule",
    "FiredAlert",
    "InputSeries",
    "RecordingRule",
    "RuleGroup",
    "RuleTrial",
    "duration_text",
)

_UNITS = ((86_400, "d"), (3600, "h"), (60, "m"))


@dataclass(frozen=True, slots=True)
class RecordingRule:
    """A series that Prometheus keeps of an expression.

    Attributes:
        name: its name; all of them begin with `lukhas:`.
        labels: the labels that it has.
        expr: PromQL.
    """

    name: str
    labels: tuple[str, ...]
    expr: str


@dataclass(frozen=True, slots=True)
class InputSeries:
    """A made-up series.

    Attributes:
        series: name and labels.
        values: one a minute, as promtool writes them, such as `0+10x60`.
    """

    series: str
    values: str


@dataclass(frozen=True, slots=True)
class FiredAlert:
    """An alert that is to fire.

    Attributes:
        labels: its labels, without the name of the rule and without the severity.
        description: the description, filled in.
    """

    labels: tuple[tuple[str, str], ...]
    description: str


@dataclass(frozen=True, slots=True)
class RuleTrial:
    """Series, and what a rule is to make of them.

    Attributes:
        inputs: the series.
        at_s: when it is looked at, in seconds after the first value.
        fired: the alerts that fire then.
    """

    inputs: tuple[InputSeries, ...]
    at_s: int
    fired: tuple[FiredAlert, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertingRule:
    """An alert of Prometheus.

    Attributes:
        name: its name.
        expr: PromQL; it fires for each series that comes out.
        severity: `critical`, `warning` or `info`.
        for_s: how long it must be so.
        summary: what it means, for people.
        description: what is so now; a template of Prometheus.
        trials: made-up series; in some it fires, in others it does not.
    """

    name: str
    expr: str
    severity: str
    summary: str
    description: str
    trials: tuple[RuleTrial, ...]
    for_s: int = 0


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """Rules that are looked at together, one after the other.

    Attributes:
        name: its name.
        rules: the rules.
    """

    name: str
    rules: tuple[RecordingRule, ...] | tuple[AlertingRule, ...]


def duration_text(duration_s: int) -> str:
    """A duration as PromQL writes it, in its largest whole unit: 300 is `5m`."""
    for unit_s, letter in _UNITS:
        if duration_s % unit_s == 0:
            return f"{duration_s // unit_s}{letter}"
    return f"{duration_s}s"
