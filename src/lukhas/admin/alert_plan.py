"""Settings of alerting as what it runs with."""

from dataclasses import replace
from typing import TypeVar, assert_never
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from lukhas.analytics.alerts.channels import (
    AlertmanagerChannel,
    Channel,
    EmailChannel,
    PagerDutyChannel,
    SlackChannel,
    WebhookChannel,
)
from lukhas.analytics.alerts.mail import MailServer
from lukhas.config.alert_channels import PAGERDUTY_URL, AlertChannelSettings
from lukhas.config.alert_rules import AlertRuleSettings
from lukhas.config.alerts import AlertMuteTimeSettings, AlertRouteSettings, AlertSettings
from lukhas.policy.alerting.conditions import (
    Absence,
    Anomaly,
    BurnRate,
    BurnWindow,
    Change,
    Condition,
    Threshold,
)
from lukhas.policy.alerting.default_rules import DEFAULT_INHIBITIONS, FAST_BURN, default_rules
from lukhas.policy.alerting.escalations import Escalation, EscalationLevel
from lukhas.policy.alerting.inhibitions import Inhibition
from lukhas.policy.alerting.matchers import Matcher, parse_matcher
from lukhas.policy.alerting.mute_times import MuteTime
from lukhas.policy.alerting.rounds import AlertPlan
from lukhas.policy.alerting.routes import AlertRoute
from lukhas.policy.alerting.rules import Rule

__all__ = ("alert_plan", "channel_of", "rule_of")

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ROOT = "alerts"
T = TypeVar("T")


def alert_plan(settings: AlertSettings) -> AlertPlan:
    """The rules, the routing tree and the inhibitions of settings that are good."""
    rules: dict[str, Rule] = {}
    if settings.defaults:
        defaults = default_rules(
            objective=settings.objective, p99_ms=settings.p99_ms, interval_s=settings.interval_s
        )
        rules = {rule.name: rule for rule in defaults}
    for each in settings.rules:
        rules.pop(each.name, None)
        if each.enabled:
            rules[each.name] = rule_of(each, interval_s=settings.interval_s)
    own = tuple(
        Inhibition(_matchers(each.source), _matchers(each.target), each.equal)
        for each in settings.inhibitions
    )
    inhibitions = (*DEFAULT_INHIBITIONS, *own) if settings.defaults else own
    return AlertPlan(tuple(rules.values()), _Tree(settings).root(), inhibitions)


def rule_of(settings: AlertRuleSettings, *, interval_s: int) -> Rule:
    """A rule.

    Args:
        settings: the rule as it is written.
        interval_s: how often it is looked at if it says nothing itself.
    """
    often_s = settings.step_s if settings.kind == "anomaly" else interval_s
    return Rule(
        name=settings.name,
        condition=_condition(settings),
        severity=settings.severity,
        for_s=settings.for_s,
        keep_firing_s=settings.keep_firing_s,
        interval_s=settings.interval_s or often_s,
        summary=settings.summary,
        labels=tuple(sorted(settings.labels.items())),
        split_by=settings.split_by or "",
        most_alerts=settings.most_alerts,
    )


def channel_of(settings: AlertChannelSettings) -> Channel:
    """A channel."""
    name, told = settings.name, settings.send_resolved
    authorization = _revealed(settings.authorization)
    headers = (("authorization", authorization),) if authorization else ()
    match settings.kind:
        case "webhook":
            return WebhookChannel(
                name=name,
                url=_revealed(settings.url),
                headers=headers,
                send_resolved=told,
                timeout_s=settings.timeout_s,
            )
        case "alertmanager":
            return AlertmanagerChannel(
                name=name,
                url=_revealed(settings.url),
                headers=headers,
                labels=tuple(sorted(settings.labels.items())),
                timeout_s=settings.timeout_s,
            )
        case "slack":
            return SlackChannel(
                name=name,
                url=_revealed(settings.url),
                send_resolved=told,
                timeout_s=settings.timeout_s,
            )
        case "pagerduty":
            return PagerDutyChannel(
                name=name,
                url=_revealed(settings.url) or PAGERDUTY_URL,
                routing_key=_revealed(settings.routing_key),
                send_resolved=told,
                timeout_s=settings.timeout_s,
            )
        case "email":
            return EmailChannel(
                name=name,
                server=_mail_server(settings),
                sender=settings.sender or "",
                recipients=settings.recipients,
                send_resolved=told,
            )
        case _:
            assert_never(settings.kind)


def _mail_server(settings: AlertChannelSettings) -> MailServer:
    return MailServer(
        host=settings.host or "",
        port=settings.port,
        security=settings.security,
        user=settings.user,
        password=_revealed(settings.password),
        timeout_s=settings.timeout_s,
    )


def _condition(settings: AlertRuleSettings) -> Condition:
    metric = settings.metric or ""
    filters = tuple(sorted(settings.filters.items()))
    window_s = settings.window_s
    match settings.kind:
        case "threshold":
            return Threshold(
                metric,
                filters,
                window_s,
                above=settings.above,
                below=settings.below,
                least_requests=settings.least_requests,
            )
        case "absence":
            return Absence(metric, filters, window_s, settings.lookback_s)
        case "change":
            return Change(
                metric,
                filters,
                window_s,
                settings.offset_s,
                rise=_part(settings.rise_percent),
                fall=_part(settings.fall_percent),
                least_requests=settings.least_requests,
            )
        case "anomaly":
            return Anomaly(
                metric,
                filters,
                settings.step_s,
                settings.history_s,
                settings.deviations,
                settings.direction,
            )
        case "burn_rate":
            windows = tuple(
                BurnWindow(each.long_s, each.short_s, each.factor) for each in settings.windows
            )
            return BurnRate(
                settings.objective or 0.0,
                filters,
                windows or FAST_BURN,
                least_requests=settings.least_requests,
            )
        case _:
            assert_never(settings.kind)


class _Tree:
    """Makes the routing tree out of a list of routes that name their parents."""

    def __init__(self, settings: AlertSettings) -> None:
        self._settings = settings
        self._mute_times = {each.name: _mute_time(each) for each in settings.mute_times}
        self._escalations = {
            each.name: Escalation(
                each.name,
                tuple(EscalationLevel(level.channels, level.after_s) for level in each.levels),
                each.repeats,
            )
            for each in settings.escalations
        }

    def root(self) -> AlertRoute:
        given = self._settings.route
        own = AlertRoute(
            name=_ROOT,
            channels=given.channels,
            group_by=given.group_by,
            group_wait_s=given.group_wait_s,
            group_interval_s=given.group_interval_s,
            repeat_s=given.repeat_s,
            mute_times=self._mutes(given.mute_times),
            escalation=self._escalations[given.escalation] if given.escalation else None,
        )
        return self._with_children(own, None)

    def _with_children(self, route: AlertRoute, name: str | None) -> AlertRoute:
        children = tuple(
            self._with_children(self._child(route, each), each.name)
            for each in self._settings.routes
            if each.parent == name
        )
        return replace(route, children=children)

    def _child(self, parent: AlertRoute, given: AlertRouteSettings) -> AlertRoute:
        muted = given.mute_times
        return AlertRoute(
            name=f"{parent.name}.{given.name}",
            matchers=_matchers(given.match),
            channels=_or(given.channels, parent.channels),
            group_by=_or(given.group_by, parent.group_by),
            group_wait_s=_or(given.group_wait_s, parent.group_wait_s),
            group_interval_s=_or(given.group_interval_s, parent.group_interval_s),
            repeat_s=_or(given.repeat_s, parent.repeat_s),
            mute_times=parent.mute_times if muted is None else self._mutes(muted),
            escalation=self._escalations[given.escalation]
            if given.escalation
            else parent.escalation,
            goes_on=given.goes_on,
        )

    def _mutes(self, names: tuple[str, ...]) -> tuple[MuteTime, ...]:
        return tuple(self._mute_times[name] for name in names)


def _or(given: T | None, inherited: T) -> T:
    return inherited if given is None else given


def _mute_time(settings: AlertMuteTimeSettings) -> MuteTime:
    return MuteTime(
        name=settings.name,
        weekdays=frozenset(_WEEKDAYS.index(day) for day in settings.weekdays),
        from_minute=_minutes(settings.begin),
        to_minute=_minutes(settings.end),
        zone=ZoneInfo(settings.zone),
    )


def _minutes(time: str) -> int:
    return int(time[:2]) * 60 + int(time[3:])


def _matchers(texts: tuple[str, ...]) -> tuple[Matcher, ...]:
    return tuple(parse_matcher(text) for text in texts)


def _part(percent: float | None) -> float | None:
    return None if percent is None else percent / 100


def _revealed(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret is not None else ""
