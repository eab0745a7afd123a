"""Settings of alert rules."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from lukhas.config.fields import CONFIG_FAULT, Name, Section, checked
from lukhas.errors import ConfigError
from lukhas.policy.alerting.metrics import METRICS, metric_named
from lukhas.policy.alerting.rules import Severity
from lukhas.policy.alerting.seasonal import Direction

__all__ = ("AlertRuleSettings", "BurnWindowSettings", "Duration", "MetricName", "WholeSeconds")

_LONGEST_S = 35 * 86_400
WholeSeconds = Annotated[int, Field(ge=0, le=_LONGEST_S)]
Duration = Annotated[int, Field(ge=1, le=_LONGEST_S)]

# What each kind needs, one of each group; everything else of these is not for it.
_NEEDED = {
    "threshold": (("metric",), ("above", "below")),
    "absence": (("metric",),),
    "change": (("metric",), ("rise_percent", "fall_percent")),
    "anomaly": (("metric",),),
    "burn_rate": (("objective",),),
}
_ONLY_FOR = {
    "above": "threshold",
    "below": "threshold",
    "rise_percent": "change",
    "fall_percent": "change",
    "offset_s": "change",
    "lookback_s": "absence",
    "deviations": "anomaly",
    "direction": "anomaly",
    "step_s": "anomaly",
    "history_s": "anomaly",
    "objective": "burn_rate",
    "windows": "burn_rate",
}


def _metric(text: str) -> str:
    if metric_named(text) is None:
        known = ", ".join(metric.name for metric in METRICS)
        raise ConfigError(f"{text!r} is no metric of alerts", hint=f"use one of {known}")
    return text


MetricName = Annotated[str, AfterValidator(checked(_metric))]


class BurnWindowSettings(Section):
    """Two windows, in both of which the error budget must burn too fast."""

    long_s: Duration = Field(description="The long window: it says that it matters.")
    short_s: Duration = Field(description="The short window: it says that it still goes on.")
    factor: float = Field(gt=0, description="How many times faster than the objective allows.")


class AlertRuleSettings(Section):
    """A rule: what is looked at, and when that is a reason for an alert."""

    name: Name = Field(description="Its name; that of a default rule replaces that rule.")
    enabled: bool = Field(True, description="False switches it off, also a default rule.")
    kind: Literal["threshold", "absence", "change", "anomaly", "burn_rate"] = Field(
        "threshold",
        description="`threshold`: above or below a bound; `absence`: nothing where there was "
        "something; `change`: against some time ago; `anomaly`: against what is normal for the "
        "hour of the week; `burn_rate`: an error budget burns too fast.",
    )
    metric: MetricName | None = Field(
        None, description="What is looked at; see the how-to on alerts. Not for `burn_rate`."
    )
    filters: dict[str, str] = Field(
        {}, description='Labels it is narrowed to, such as `{ route = "/orders" }`.'
    )
    split_by: str | None = Field(
        None,
        description="A label, such as `route`, `tier` or `upstream`: there is an alert for each "
        "value of it, which has the label. Not for `anomaly`.",
    )
    most_alerts: int = Field(
        20, ge=1, le=100, description="With `split_by`: how many alerts there are at a time."
    )
    window_s: Duration = Field(300, description="Over how long values are taken together.")
    above: float | None = Field(None, description="For `threshold`: breached above it.")
    below: float | None = Field(None, description="For `threshold`: breached below it.")
    rise_percent: float | None = Field(
        None, gt=0, description="For `change`: breached if more than this higher."
    )
    fall_percent: float | None = Field(
        None, gt=0, le=100, description="For `change`: breached if more than this lower."
    )
    offset_s: Duration = Field(3600, description="For `change`: against how long ago.")
    lookback_s: Duration = Field(
        86_400, description="For `absence`: how long before there must have been something."
    )
    deviations: float = Field(
        6.0, gt=0, description="For `anomaly`: how many robust standard deviations are far."
    )
    direction: Direction = Field(
        Direction.BOTH, description="For `anomaly`: which side counts: `up`, `down` or `both`."
    )
    step_s: Duration = Field(300, description="For `anomaly`: how long each value is for.")
    history_s: Duration = Field(
        28 * 86_400, description="For `anomaly`: how far back the normal is learnt from."
    )
    objective: float | None = Field(
        None, gt=0, lt=1, description="For `burn_rate`: the share of requests that must succeed."
    )
    windows: tuple[BurnWindowSettings, ...] = Field(
        (),
        description="For `burn_rate`: breached if in any of these; without, 14.4 times over 1 h "
        "and 5 min, and 6 times over 6 h and 30 min.",
    )
    least_requests: int = Field(
        0, ge=0, description="With fewer requests in the window nothing is said."
    )
    for_s: WholeSeconds = Field(0, description="How long it must be breached before it fires.")
    keep_firing_s: WholeSeconds = Field(
        0, description="How long it goes on firing after it was breached last."
    )
    interval_s: Duration | None = Field(
        None, description="How often it is looked at; by default as `alerts.interval_s` says."
    )
    severity: Severity = Field(Severity.WARNING, description="`info`, `warning` or `critical`.")
    summary: str = Field("", max_length=500, description="What it means, for people.")
    labels: dict[Name, str] = Field(
        {}, description='Labels of its alerts, for routes and silences: `{ team = "web" }`.'
    )

    @model_validator(mode="after")
    def _fits_together(self) -> "AlertRuleSettings":
        if not self.enabled:
            return self
        for group in _NEEDED[self.kind]:
            if all(getattr(self, key) is None for key in group):
                what = f"the rule {self.name!r} is a {self.kind} and has no {' or '.join(group)}"
                raise _fault(what, f"set {group[0]}")
        for key, kind in _ONLY_FOR.items():
            if getattr(self, key) != type(self).model_fields[key].default and kind != self.kind:
                what = f"{key} is for rules of kind {kind}, and {self.name!r} is a {self.kind}"
                raise _fault(what, "remove it, or set another kind")
        self._check_filters()
        self._check_split()
        if self.kind == "anomaly" and self.history_s < 48 * 3600:
            raise _fault("history_s is below two days", "a normal needs 172800 or more")
        return self

    def _check_split(self) -> None:
        if self.split_by is None:
            if self.most_alerts != type(self).model_fields["most_alerts"].default:
                raise _fault("most_alerts is for rules with split_by", "set split_by, or remove it")
            return
        if self.kind == "anomaly":
            raise _fault("split_by is not for rules of kind anomaly", "write a rule for each value")
        for key in ("filters", "labels"):
            if self.split_by in getattr(self, key):
                what = f"{self.split_by!r} is in split_by and in {key}"
                raise _fault(what, "remove it from one of them")

    def _check_filters(self) -> None:
        name = self.metric if self.kind != "burn_rate" else "requests"
        metric = metric_named(name or "")
        allowed = metric.labels if metric is not None else frozenset[str]()
        unknown = sorted(self.filters.keys() - allowed)
        if self.split_by is not None and self.split_by not in allowed:
            unknown = [self.split_by]
        if unknown:
            known = ", ".join(sorted(allowed)) or "none"
            what = f"{name} has no label {unknown[0]!r}"
            raise _fault(what, f"labels it can be narrowed by: {known}")
        if self.least_requests and self.kind in {"absence", "anomaly"}:
            what = f"least_requests is not for rules of kind {self.kind}"
            raise _fault(what, "remove it")


def _fault(what: str, hint: str) -> PydanticCustomError:
    # A message template may not hold braces, so both texts travel in the context.
    return PydanticCustomError(CONFIG_FAULT, "{what}: {hint}", {"what": what, "hint": hint})
