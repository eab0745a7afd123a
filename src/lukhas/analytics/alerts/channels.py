"""Channels: where people are told, and how a message gets there."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import assert_never

from lukhas.analytics.alerts.delivery import DeliveryError
from lukhas.analytics.alerts.mail import MailServer, send_mail
from lukhas.analytics.alerts.posting import post_json
from lukhas.policy.alerting.alertmanager import alertmanager_alerts
from lukhas.policy.alerting.alerts import Alert
from lukhas.policy.alerting.groups import Notification
from lukhas.policy.alerting.messages import (
    mail_subject,
    mail_text,
    pagerduty_event,
    slack_message,
    webhook_message,
)
from lukhas.policy.alerting.rules import Labels

__all__ = (
    "AlertmanagerChannel",
    "Channel",
    "EmailChannel",
    "PagerDutyChannel",
    "SlackChannel",
    "WebhookChannel",
    "deliver",
    "send_alerts",
)

_SUCCESS = range(200, 300)
# What may be different the next time (RFC 9110 section 15.5.9, RFC 6585 section 4).
_WORTH_ANOTHER_TRY = frozenset((408, 425, 429))
_ALERTMANAGER_PATH = "/api/v2/alerts"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Channel:
    """What every channel has."""

    name: str
    send_resolved: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class _PostedTo(_Channel):
    """What every channel has that takes JSON over HTTP."""

    timeout_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookChannel(_PostedTo):
    """Posts JSON to a URL.

    Attributes:
        name: its name.
        url: where; it may hold a secret.
        headers: further fields, such as `authorization`; they may hold secrets.
        send_resolved: whether it also tells what is over.
        timeout_s: how long the whole of it may take.
    """

    url: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackChannel(_PostedTo):
    """An incoming webhook of Slack, or of what takes the same.

    Attributes:
        name: its name.
        url: where; it is a secret.
        send_resolved: whether it also tells what is over.
        timeout_s: how long the whole of it may take.
    """

    url: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PagerDutyChannel(_PostedTo):
    """PagerDuty's Events API v2, or what takes the same.

    Attributes:
        name: its name.
        url: where.
        routing_key: the integration key of the service.
        send_resolved: whether it also tells what is over.
        timeout_s: how long the whole of it may take.
    """

    url: str
    routing_key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailChannel(_Channel):
    """E-mail over SMTP.

    Attributes:
        name: its name.
        server: the mail server.
        sender: from whom.
        recipients: to whom.
        send_resolved: whether it also tells what is over.
    """

    server: MailServer
    sender: str
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertmanagerChannel:
    """An Alertmanager of Prometheus, API v2, which then tells people itself.

    Attributes:
        name: its name.
        url: where it is, without the path of the API.
        headers: further fields, such as `authorization`; they may hold secrets.
        labels: what each alert has beside its own.
        timeout_s: how long the whole of it may take.
        send_resolved: it always hears what is over.
    """

    name: str
    url: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    labels: Labels = ()
    timeout_s: float = 10.0
    send_resolved: bool = True


Channel = WebhookChannel | SlackChannel | PagerDutyChannel | EmailChannel | AlertmanagerChannel


async def deliver(
    channel: Channel, notification: Notification, *, dedup_key: str, now_ns: int | None = None
) -> None:
    """Sends a message; it has been taken when this returns.

    Args:
        channel: where.
        notification: what.
        dedup_key: the same when it is sent again; by it a receiver can tell.
        now_ns: Unix time; that of the message if None.

    Raises:
        DeliveryError: it has not been taken, or nobody knows.
    """
    key = {"idempotency-key": json.dumps(dedup_key)}
    match channel:
        case WebhookChannel():
            body: Mapping[str, object] = webhook_message(notification)
            headers = (*channel.headers, *key.items())
        case SlackChannel():
            body, headers = slack_message(notification), ()
        case PagerDutyChannel():
            body = pagerduty_event(notification, routing_key=channel.routing_key)
            headers = ()
        case EmailChannel():
            await send_mail(
                channel.server,
                sender=channel.sender,
                recipients=channel.recipients,
                subject=mail_subject(notification),
                text=mail_text(notification),
                dedup_key=dedup_key,
            )
            return
        case AlertmanagerChannel():
            alerts = (*notification.firing, *notification.resolved)
            await send_alerts(channel, alerts, now_ns=now_ns or notification.time_ns)
            return
        case _:
            assert_never(channel)
    status = await post_json(channel.url, body, headers=headers, timeout_s=channel.timeout_s)
    _check(status)


async def send_alerts(
    channel: AlertmanagerChannel, alerts: Iterable[Alert], *, now_ns: int
) -> None:
    """Tells an Alertmanager of alerts.

    Args:
        channel: where.
        alerts: what fires and what is over.
        now_ns: Unix time.

    Raises:
        DeliveryError: they were not taken, or nobody knows.
    """
    body = alertmanager_alerts(alerts, labels=channel.labels, now_ns=now_ns)
    url = f"{channel.url.rstrip('/')}{_ALERTMANAGER_PATH}"
    _check(await post_json(url, body, headers=channel.headers, timeout_s=channel.timeout_s))


def _check(status: int) -> None:
    if status not in _SUCCESS:
        is_final = 300 <= status < 500 and status not in _WORTH_ANOTHER_TRY
        raise DeliveryError(f"the receiver answered {status}", is_final=is_final)
