"""Settings of alerting."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from lukhas.config.alert_channels import AlertChannelSettings
from lukhas.config.alert_rules import AlertRuleSettings, Duration, WholeSeconds
from lukhas.config.fields import Name, Section, TimeZone, checked
from lukhas.errors import ConfigError
from lukhas.policy.alerting.matchers import parse_matcher

__all__ = (
    "AlertEscalationLevelSettings",
    "AlertEscalationSettings",
    "AlertInhibitionSettings",
    "AlertMuteTimeSettings",
    "AlertRootRouteSettings",
    "AlertRouteSettings",
    "AlertSettings",
)

_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def _matcher(text: str) -> str:
    return str(parse_matcher(text))


def _time_of_day(text: str) -> str:
    if not _TIME.fullmatch(text):
        raise ConfigError(f"{text!r} is no time of day", hint='write it like "22:00"')
    return text


MatcherText = Annotated[str, AfterValidator(checked(_matcher))]
TimeOfDay = Annotated[str, AfterValidator(checked(_time_of_day))]


class AlertRootRouteSettings(Section):
    """Who hears of alerts that no other route takes, and what routes have that say nothing else."""

    channels: tuple[Name, ...] = Field((), description="Who hears.")
    group_by: tuple[Name, ...] = Field(
        ("rule",), description="Alerts that have the same of these labels are one message."
    )
    group_wait_s: WholeSeconds = Field(
        30, description="How long the first message of a group waits for more alerts."
    )
    group_interval_s: WholeSeconds = Field(
        300, description="How long at least between two messages about changes of a group."
    )
    repeat_s: Duration = Field(
        14_400, description="How long until a message is repeated, if nobody takes the alert on."
    )
    mute_times: tuple[Name, ...] = Field((), description="When nobody hears.")
    escalation: Name | None = Field(None, description="Who hears next; see `escalations`.")


class AlertRouteSettings(Section):
    """Who hears of some alerts; what is not set is as in the parent."""

    name: Name = Field(description="Its name.")
    parent: Name | None = Field(
        None, description="The route whose alerts it takes some of; without, `alerts.route`."
    )
    match: tuple[MatcherText, ...] = Field(
        (),
        description='Labels its alerts have: `["severity=critical", "team!=web", "rule=slo-*"]`.',
    )
    goes_on: bool = Field(False, description="Whether routes after it may take its alerts too.")
    channels: tuple[Name, ...] | None = Field(None, description="Who hears.")
    group_by: tuple[Name, ...] | None = Field(None, description="As of `alerts.route`.")
    group_wait_s: WholeSeconds | None = Field(None, description="As of `alerts.route`.")
    group_interval_s: WholeSeconds | None = Field(None, description="As of `alerts.route`.")
    repeat_s: Duration | None = Field(None, description="As of `alerts.route`.")
    mute_times: tuple[Name, ...] | None = Field(None, description="As of `alerts.route`.")
    escalation: Name | None = Field(None, description="As of `alerts.route`.")


class AlertInhibitionSettings(Section):
    """Alerts that speak for others, which are then not told."""

    source: tuple[MatcherText, ...] = Field(min_length=1, description="The alerts that speak.")
    target: tuple[MatcherText, ...] = Field(min_length=1, description="Those they speak for.")
    equal: tuple[Name, ...] = Field((), description="Labels that both must have the same of.")


class AlertMuteTimeSettings(Section):
    """Hours of the week in which routes that name it tell nobody."""

    name: Name = Field(description="Its name.")
    weekdays: tuple[Weekday, ...] = Field(
        ("mon", "tue", "wed", "thu", "fri", "sat", "sun"),
        min_length=1,
        description="The days on which it begins.",
    )
    begin: TimeOfDay = Field("00:00", description="When it begins.")
    end: TimeOfDay = Field(
        "00:00", description="When it ends; if not later than it begins, on the next day."
    )
    zone: TimeZone = Field("UTC", description="Whose time it is.")


class AlertEscalationLevelSettings(Section):
    """One level."""

    channels: tuple[Name, ...] = Field(min_length=1, description="Who hears.")
    after_s: Duration = Field(
        description="How long after the level before; the first, after the alert fired."
    )


class AlertEscalationSettings(Section):
    """Who hears of alerts that nobody takes on, one after the other."""

    name: Name = Field(description="Its name.")
    levels: tuple[AlertEscalationLevelSettings, ...] = Field(
        min_length=1, description="The levels."
    )
    repeats: int = Field(0, ge=0, le=100, description="How many times all of it is repeated.")


class AlertSettings(Section):
    """Alerts: what is a reason for one, and who hears of it."""

    enabled: bool = Field(True, description="Whether rules are looked at.")
    interval_s: Duration = Field(10, description="How often rules are looked at.")
    defaults: bool = Field(
        True, description="Whether the default rules hold; see the how-to on alerts."
    )
    objective: float = Field(
        0.999,
        gt=0,
        lt=1,
        description="The share of requests that must succeed, for the default rules.",
    )
    p99_ms: float = Field(
        1000.0, gt=0, description="What the 99th percentile may be, for the default rules."
    )
    rules: tuple[AlertRuleSettings, ...] = Field((), description="Rules of your own.")
    channels: tuple[AlertChannelSettings, ...] = Field((), description="Where people hear.")
    route: AlertRootRouteSettings = AlertRootRouteSettings()
    routes: tuple[AlertRouteSettings, ...] = Field(
        (), description="Who hears of some alerts; the first that matches takes them."
    )
    inhibitions: tuple[AlertInhibitionSettings, ...] = Field(
        (), description="Alerts that speak for others."
    )
    mute_times: tuple[AlertMuteTimeSettings, ...] = Field((), description="When nobody hears.")
    escalations: tuple[AlertEscalationSettings, ...] = Field(
        (), description="Who hears of what nobody takes on."
    )
