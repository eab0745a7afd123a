"""What a message looks like to each kind of channel."""

from datetime import UTC, datetime

from lukhas.http.problem import JsonValue
from lukhas.policy.alerting.alerts import Alert, AlertState
from lukhas.policy.alerting.groups import Notification, Reason
from lukhas.units import SECOND_NS

__all__ = ("mail_subject", "mail_text", "pagerduty_event", "slack_message", "webhook_message")

_SOURCE = "lukhas"
_PAGERDUTY_SUMMARY_CHARS = 1024


def webhook_message(notification: Notification) -> dict[str, JsonValue]:
    """The body of a plain webhook; `key` stays the same when a message is sent again."""
    return {
        "version": 1,
        "key": notification.key,
        "group": notification.group,
        "reason": notification.reason.value,
        "status": "firing" if notification.firing else "resolved",
        "time": _moment(notification.time_ns),
        "alerts": [_alert(alert) for alert in (*notification.firing, *notification.resolved)],
    }


def slack_message(notification: Notification) -> dict[str, JsonValue]:
    """The body of an incoming webhook of Slack, which Mattermost and others take too."""
    lines = [f"*{_slack_text(mail_subject(notification))}*"]
    lines += [
        _slack_text(f"• {_line(alert)}") for alert in (*notification.firing, *notification.resolved)
    ]
    return {"text": "\n".join(lines)}


def pagerduty_event(notification: Notification, *, routing_key: str) -> dict[str, JsonValue]:
    """An event of PagerDuty's Events API v2, about the only alert of a message.

    All events of an alert have its id as `dedup_key`, so they are one incident there.
    """
    alert = (*notification.firing, *notification.resolved)[0]
    event: dict[str, JsonValue] = {
        "routing_key": routing_key,
        "event_action": "trigger" if notification.firing else "resolve",
        "dedup_key": alert.id,
    }
    if notification.firing:
        details: dict[str, JsonValue] = {**dict(alert.labels), "why": alert.why}
        event["payload"] = {
            "summary": _line(alert)[:_PAGERDUTY_SUMMARY_CHARS],
            "source": _SOURCE,
            "severity": alert.severity.value,
            "timestamp": _moment(alert.fired_ns),
            "component": alert.rule,
            "custom_details": details,
        }
    return event


def mail_subject(notification: Notification) -> str:
    """One line: how many, and of what."""
    alerts = notification.firing or notification.resolved
    state = "FIRING" if notification.firing else "RESOLVED"
    if notification.reason in {Reason.REPEAT, Reason.ESCALATION, Reason.TEST}:
        state = f"{state} ({notification.reason.value})"
    more = f" and {len(alerts) - 1} more" if len(alerts) > 1 else ""
    return f"[{state}] {alerts[0].rule} ({alerts[0].severity.value}){more}"


def mail_text(notification: Notification) -> str:
    """The text of an e-mail."""
    lines = []
    for title, alerts in (("Firing", notification.firing), ("Resolved", notification.resolved)):
        if alerts:
            lines += [f"{title}:", *(f"- {_line(alert)}" for alert in alerts), ""]
    lines += [f"Group: {notification.group}", f"Key: {notification.key}"]
    return "\n".join(lines) + "\n"


def _line(alert: Alert) -> str:
    since = f"since {_moment(alert.fired_ns)}"
    if alert.state is AlertState.RESOLVED:
        since += f" until {_moment(alert.resolved_ns)}"
    summary = f"{alert.summary}: " if alert.summary else ""
    return f"{alert.rule} ({alert.severity.value}): {summary}{alert.why}; {since}"


def _alert(alert: Alert) -> dict[str, JsonValue]:
    labels: dict[str, JsonValue] = dict(alert.labels)
    return {
        "id": alert.id,
        "rule": alert.rule,
        "severity": alert.severity.value,
        "state": alert.state.value,
        "labels": labels,
        "summary": alert.summary,
        "why": alert.why,
        "value": alert.value,
        "fired": _moment(alert.fired_ns),
        "resolved": _moment(alert.resolved_ns) if alert.resolved_ns else None,
    }


def _slack_text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _moment(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // SECOND_NS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
