"""Alerts as Alertmanager takes them, and which of them it must be reminded of.

Alertmanager forgets an alert whose end has come, and at a restart all of them. So whoever sends
alerts says of one that fires that it will soon be over, and says so again and again (Prometheus
does the same: `rules.alert.resend-delay`).
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from lukhas.http.problem import JsonValue
from lukhas.policy.alerting.alerts import Alert, AlertState
from lukhas.policy.alerting.escalations import level_of_step
from lukhas.policy.alerting.groups import Group
from lukhas.policy.alerting.routes import AlertRoute, group_key, routes_for
from lukhas.policy.alerting.rules import Labels
from lukhas.units import MILLISECOND_NS, SECOND_NS

__all__ = ("RENEWED_S", "VALID_S", "alertmanager_alerts", "escalation_channels", "told_to")

RENEWED_S = 60
"""How often Alertmanager is reminded of an alert."""

VALID_S = 300
"""For how long it believes in one that it is not reminded of."""

_NO_LABEL = re.compile(r"[^A-Za-z0-9_]")


def alertmanager_alerts(alerts: Iterable[Alert], *, labels: Labels, now_ns: int) -> list[JsonValue]:
    """The body of `POST /api/v2/alerts`.

    Args:
        alerts: what fires and what is over.
        labels: what all of them have beside their own, such as the name of the node.
        now_ns: Unix time.
    """
    return [_alert(alert, labels, now_ns) for alert in alerts]


def told_to(
    channel: str, *, root: AlertRoute, alerts: Sequence[Alert], groups: Sequence[Group]
) -> tuple[Alert, ...]:
    """The alerts that a channel has heard of and that are not over.

    Also those that somebody has taken on, or put off: they are no less.

    Args:
        channel: its name.
        root: the root of the routing tree.
        alerts: all alerts.
        groups: what people know.
    """
    told = {group.key: dict(group.told) for group in groups}
    found = []
    for alert in alerts:
        if not alert.is_active:
            continue
        for route in routes_for(root, alert.labels):
            turn = told.get(group_key(route, alert.labels), {}).get(alert.id, 0)
            has_heard = channel in route.channels and turn > 0
            if has_heard or channel in escalation_channels(route, alert):
                found.append(alert)
                break
    return tuple(found)


def escalation_channels(route: AlertRoute, alert: Alert) -> tuple[str, ...]:
    """The channels that have heard of an alert because nobody took it on in time."""
    if route.escalation is None:
        return ()
    levels = [level_of_step(route.escalation, step) for step in range(alert.escalated)]
    return tuple(dict.fromkeys(name for level in levels for name in level.channels))


def _alert(alert: Alert, labels: Labels, now_ns: int) -> JsonValue:
    own = {_label_name(name): value for name, value in (*labels, *alert.labels) if name != "rule"}
    is_over = alert.state is AlertState.RESOLVED
    ends_ns = alert.resolved_ns if is_over else now_ns + VALID_S * SECOND_NS
    all_labels: dict[str, JsonValue] = {**own, "alertname": alert.rule}
    annotations: dict[str, JsonValue] = {"summary": alert.summary, "description": alert.why}
    return {
        "labels": all_labels,
        "annotations": annotations,
        "startsAt": _moment(alert.fired_ns),
        "endsAt": _moment(ends_ns),
    }


def _label_name(name: str) -> str:
    """A name as Prometheus allows it; ours may hold hyphens and dots."""
    allowed = _NO_LABEL.sub("_", name)
    return f"_{allowed}" if allowed[:1].isdigit() else allowed


def _moment(time_ns: int) -> str:
    seconds, rest_ns = divmod(time_ns, SECOND_NS)
    moment = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{moment}.{rest_ns // MILLISECOND_NS:03}Z"
