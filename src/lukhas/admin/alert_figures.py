"""Alerts as the admin API gives them."""

from pydantic import BaseModel, ConfigDict, Field

from lukhas.admin.parent import moment
from lukhas.analytics.alerts.episodes import Episode
from lukhas.analytics.alerts.outgoing import MessageState, StoredMessage
from lukhas.policy.alerting.alerts import Alert, AlertState
from lukhas.policy.alerting.rules import Severity
from lukhas.policy.alerting.silences import Silence
from lukhas.units import SECOND_NS

__all__ = (
    "AlertEventFigures",
    "AlertFigures",
    "EpisodeFigures",
    "Figures",
    "MessageFigures",
    "SilenceFigures",
    "alert_figures",
    "episode_figures",
    "message_figures",
    "silence_figures",
)


class Figures(BaseModel):
    """What the admin API gives."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class AlertFigures(Figures):
    """An alert. Times are in UTC (RFC 3339)."""

    id: str
    rule: str
    severity: Severity
    state: AlertState
    labels: dict[str, str]
    summary: str
    why: str = Field(description="What its rule said when it was breached last.")
    value: float | None
    began: str = Field(description="When it was breached first.")
    breached: str = Field(description="When it was breached last.")
    fired: str | None
    acknowledged: str | None
    acknowledged_by: str
    snoozed_until: str | None
    resolved: str | None
    acknowledge_s: float | None = Field(description="How long until somebody took it on.")
    resolve_s: float | None = Field(description="How long it fired.")
    quiet_because: str = Field("", description="Why nobody hears of it; empty if they do.")


class AlertEventFigures(Figures):
    """Something that happened to an alert."""

    time: str
    kind: str
    author: str
    detail: str


class EpisodeFigures(AlertFigures):
    """An alert with all that happened to it."""

    events: list[AlertEventFigures]


class SilenceFigures(Figures):
    """A silence."""

    id: str
    matchers: list[str]
    author: str
    comment: str
    starts: str
    ends: str
    active: bool


class MessageFigures(Figures):
    """A message on its way, or given up."""

    id: int
    channel: str
    state: MessageState
    reason: str
    rules: list[str]
    attempts: int = Field(description="How many have failed.")
    made: str
    next: str | None = Field(description="When it is tried next.")
    failure: str


def alert_figures(alert: Alert, *, quiet_because: str = "") -> AlertFigures:
    """An alert as the admin API gives it."""
    return AlertFigures(
        id=alert.id,
        rule=alert.rule,
        severity=alert.severity,
        state=alert.state,
        labels=dict(alert.labels),
        summary=alert.summary,
        why=alert.why,
        value=alert.value,
        began=moment(alert.began_ns),
        breached=moment(alert.breached_ns),
        fired=_moment(alert.fired_ns),
        acknowledged=_moment(alert.acknowledged_ns),
        acknowledged_by=alert.acknowledged_by,
        snoozed_until=_moment(alert.snoozed_until_ns),
        resolved=_moment(alert.resolved_ns),
        acknowledge_s=_seconds(alert.acknowledge_ns),
        resolve_s=_seconds(alert.resolve_ns),
        quiet_because=quiet_because,
    )


def episode_figures(episode: Episode, *, quiet_because: str = "") -> EpisodeFigures:
    """An alert with its history as the admin API gives it."""
    figures = alert_figures(episode.alert, quiet_because=quiet_because)
    events = [
        AlertEventFigures(
            time=moment(event.time_ns), kind=event.kind, author=event.author, detail=event.detail
        )
        for event in episode.events
    ]
    return EpisodeFigures(**figures.model_dump(), events=events)


def silence_figures(silence: Silence, now_ns: int) -> SilenceFigures:
    """A silence as the admin API gives it."""
    return SilenceFigures(
        id=silence.id,
        matchers=[str(matcher) for matcher in silence.matchers],
        author=silence.author,
        comment=silence.comment,
        starts=moment(silence.starts_ns),
        ends=moment(silence.ends_ns),
        active=silence.is_active(now_ns),
    )


def message_figures(stored: StoredMessage) -> MessageFigures:
    """A message as the admin API gives it."""
    notification = stored.message.notification
    return MessageFigures(
        id=stored.id,
        channel=stored.message.channel,
        state=stored.state,
        reason=notification.reason.value,
        rules=[alert.rule for alert in (*notification.firing, *notification.resolved)],
        attempts=stored.attempts,
        made=moment(stored.made_ns),
        next=moment(stored.next_ns) if stored.state == "pending" else None,
        failure=stored.failure,
    )


def _moment(time_ns: int) -> str | None:
    return moment(time_ns) if time_ns else None


def _seconds(duration_ns: int | None) -> float | None:
    return None if duration_ns is None else duration_ns / SECOND_NS
