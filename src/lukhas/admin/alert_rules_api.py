"""Rules over the admin API: what they say now, and what they would have said."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field

from lukhas.admin.alert_desk import AlertDesk
from lukhas.admin.alert_figures import AlertFigures, Figures, alert_figures
from lukhas.admin.alert_plan import rule_of
from lukhas.admin.alerts_api import told
from lukhas.analytics.alerts.back_test import MOST_LOOKS, back_tested
from lukhas.analytics.alerts.recorded_series import RecordedSeries
from lukhas.analytics.alerts.series_source import SeriesSource
from lukhas.clock import Clock
from lukhas.config.alert_rules import AlertRuleSettings
from lukhas.policy.alerting.alerts import AlertState
from lukhas.policy.alerting.metrics import metric_named
from lukhas.policy.alerting.rules import Rule, Severity
from lukhas.units import SECOND_NS

__all__ = (
    "BackTestFigures",
    "BackTestOrder",
    "RuleFigures",
    "RuleList",
    "SeriesOrder",
    "rules_router",
)

_MOST_VALUES = 200_000
_DAY_S = 86_400


class RuleFigures(Figures):
    """A rule and what it says now."""

    name: str
    kind: str
    severity: Severity
    summary: str
    for_s: int
    keep_firing_s: int
    interval_s: int
    state: str = Field(description="`ok`, `unknown`, or the state of its alert.")
    split_by: str = Field(description="The label for each value of which there is an alert.")
    alerts: int = Field(description="How many alerts of it there are.")
    breached: bool | None = Field(description="Null if it was not looked at yet.")
    value: float | None
    why: str
    failure: str = Field(description="Why it cannot be looked at; empty if it can.")


class RuleList(Figures):
    """All rules that hold."""

    rules: list[RuleFigures]


class SeriesOrder(BaseModel):
    """Values to try a rule on, in place of what is remembered."""

    model_config = ConfigDict(extra="forbid")

    start_s: int = Field(ge=0, le=10**10, description="Unix time at which the first value begins.")
    step_s: int = Field(ge=1, le=_DAY_S, description="How long each value is for.")
    values: dict[str, Annotated[list[float | None], Field(max_length=_MOST_VALUES)]] = Field(
        min_length=1, max_length=10, description="Values by metric, the oldest first."
    )


class BackTestOrder(BaseModel):
    """A rule, by its name or written out, and the time it is tried on."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(None, description="One of the rules that hold.")
    rule: AlertRuleSettings | None = Field(None, description="Or another one.")
    series: SeriesOrder | None = Field(None, description="Null for what is remembered.")
    last_s: int = Field(3600, ge=1, le=400 * _DAY_S, description="How far back, without `series`.")
    every_s: int = Field(60, ge=1, le=_DAY_S, description="How often the rule is looked at.")


class BackTestFigures(Figures):
    """What the rule would have said."""

    looks: int
    breached: int
    firing_s: float = Field(description="How long alerts would have fired that were over.")
    alerts: list[AlertFigures]


def rules_router(desk: AlertDesk, clock: Clock, *, longest_s: float = 60.0) -> APIRouter:
    """The rules, and back-tests.

    Args:
        desk: what runs alerting.
        clock: the time.
        longest_s: how long a back-test may take.
    """
    router = APIRouter(prefix="/api/v1/alerts", tags=["alerts"])

    @router.get("/rules")
    async def rules() -> RuleList:
        """The rules that hold, and what each says now."""
        return RuleList(rules=[_rule_figures(desk, rule) for rule in desk.watch.plan.rules])

    @router.post("/back-test")
    async def back_test(order: BackTestOrder) -> BackTestFigures:
        """What a rule would have said about the past, with `for` and keep-firing."""
        rule = _wanted(desk, order)
        source: SeriesSource = desk.watch.source
        end_ns = clock.now_ns()
        start_ns = end_ns - order.last_s * SECOND_NS
        if order.series is not None:
            source, start_ns, end_ns = _given(order.series)
        looks = (end_ns - start_ns) // (order.every_s * SECOND_NS) + 1
        if looks > MOST_LOOKS:
            raise HTTPException(422, f"{looks} looks are more than {MOST_LOOKS}: raise every_s")
        try:
            # The history is asked at each look, so many looks at long windows would take for ever.
            async with asyncio.timeout(longest_s):
                with told():
                    found = await back_tested(
                        rule, source, start_ns=start_ns, end_ns=end_ns, every_s=order.every_s
                    )
        except TimeoutError:
            what = f"{looks} looks take longer than {longest_s:g} s: raise every_s"
            raise HTTPException(422, what) from None
        return BackTestFigures(
            looks=found.looks,
            breached=found.breached,
            firing_s=found.firing_s,
            alerts=[alert_figures(alert) for alert in found.alerts],
        )

    return router


def _wanted(desk: AlertDesk, order: BackTestOrder) -> Rule:
    if (order.name is None) is (order.rule is None):
        raise HTTPException(422, "give either name or rule")
    if order.rule is not None:
        return rule_of(order.rule, interval_s=desk.settings.alerts.interval_s)
    for rule in desk.watch.plan.rules:
        if rule.name == order.name:
            return rule
    raise HTTPException(404, f"there is no rule {order.name!r}")


def _given(order: SeriesOrder) -> tuple[RecordedSeries, int, int]:
    unknown = next((name for name in order.values if metric_named(name) is None), None)
    if unknown is not None:
        raise HTTPException(422, f"{unknown!r} is no metric of alerts")
    start_ns = order.start_s * SECOND_NS
    length = max(len(values) for values in order.values.values())
    end_ns = start_ns + length * order.step_s * SECOND_NS
    source = RecordedSeries(start_ns=start_ns, step_s=order.step_s, series=order.values)
    return source, start_ns + order.step_s * SECOND_NS, end_ns


def _rule_figures(desk: AlertDesk, rule: Rule) -> RuleFigures:
    watch = desk.watch
    found = watch.readings.get(rule.name)
    alerts = [
        each
        for each in watch.book.alerts
        if each.rule == rule.name and each.state is not AlertState.RESOLVED
    ]
    # Of several, one that people hear of says more than one that is pending.
    alerts.sort(key=lambda each: each.state is AlertState.PENDING)
    state = alerts[0].state.value if alerts else "ok" if found is not None else "unknown"
    return RuleFigures(
        name=rule.name,
        kind=type(rule.condition).__name__,
        severity=rule.severity,
        summary=rule.summary,
        for_s=rule.for_s,
        keep_firing_s=rule.keep_firing_s,
        interval_s=rule.interval_s,
        state=state,
        split_by=rule.split_by,
        alerts=len(alerts),
        breached=found.breached if found is not None else None,
        value=found.value if found is not None else None,
        why=found.why if found is not None else "",
        failure=watch.failures.get(rule.name, ""),
    )
