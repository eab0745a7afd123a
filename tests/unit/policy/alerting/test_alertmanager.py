"""Alerts as Alertmanager takes them."""

from typing import Any, cast

from lukhas.policy.alerting.alertmanager import VALID_S, alertmanager_alerts, told_to
from lukhas.policy.alerting.alerts import Alert, AlertState
from lukhas.policy.alerting.escalations import Escalation, EscalationLevel
from lukhas.policy.alerting.groups import Group
from lukhas.policy.alerting.matchers import Matcher
from lukhas.policy.alerting.routes import AlertRoute, group_key
from lukhas.units import MILLISECOND_NS, SECOND_NS
from tests.unit.policy.alerting.kit import START_NS, an_alert

ROOT = AlertRoute("root", channels=("am",))


def sent(*alerts: Alert, **labels: str) -> list[dict[str, Any]]:
    found = alertmanager_alerts(
        alerts, labels=tuple(labels.items()), now_ns=START_NS + 1500 * MILLISECOND_NS
    )
    return cast("list[dict[str, Any]]", found)


def test_one_that_fires_will_soon_be_over() -> None:
    """Unless Alertmanager is reminded of it (its API v2, postableAlert)."""
    (alert,) = sent(an_alert(summary="Too slow", why="p99_ms 2 is above 1"))
    assert alert == {
        "labels": {"alertname": "slow", "severity": "warning"},
        "annotations": {"summary": "Too slow", "description": "p99_ms 2 is above 1"},
        "startsAt": "2025-06-15T15:06:40.000Z",
        "endsAt": "2025-06-15T15:11:41.500Z",
    }
    assert VALID_S == 300


def test_one_that_is_over_says_since_when() -> None:
    """So Alertmanager takes it away at once."""
    over = an_alert(state=AlertState.RESOLVED, resolved_ns=START_NS + SECOND_NS)
    assert sent(over)[0]["endsAt"] == "2025-06-15T15:06:41.000Z"


def test_labels_have_names_that_prometheus_allows() -> None:
    """Those of the alert count more than those of the channel."""
    labels = (("9-to-5", "x"), ("rule", "slow"), ("severity", "info"), ("team.name", "web"))
    (alert,) = sent(an_alert(labels=labels), severity="critical", instance="eu-1")
    assert alert["labels"] == {
        "alertname": "slow",
        "_9_to_5": "x",
        "severity": "info",
        "team_name": "web",
        "instance": "eu-1",
    }


def told(*alerts: Alert, root: AlertRoute = ROOT, turn: int = 1) -> list[str]:
    group = Group(
        group_key(ROOT, alerts[0].labels), told=tuple((alert.id, turn) for alert in alerts)
    )
    return [alert.id for alert in told_to("am", root=root, alerts=alerts, groups=(group,))]


def test_a_channel_is_reminded_of_what_it_has_heard_of() -> None:
    """Also of what somebody has taken on or put off; not of what is pending or over."""
    for state, is_told in (
        (AlertState.FIRING, True),
        (AlertState.ACKNOWLEDGED, True),
        (AlertState.SNOOZED, True),
        (AlertState.PENDING, False),
        (AlertState.RESOLVED, False),
    ):
        assert bool(told(an_alert(state=state))) is is_told
    assert told_to("am", root=ROOT, alerts=[an_alert()], groups=()) == ()
    assert told(an_alert(), root=AlertRoute("root", channels=("chat",))) == []


def test_who_heard_by_escalation_is_reminded_too() -> None:
    """As soon as the level was reached."""
    levels = (EscalationLevel(("chat",), 60), EscalationLevel(("am",), 60))
    root = AlertRoute("root", channels=("chat",), escalation=Escalation("e", levels))
    assert told(an_alert(escalated=1), root=root, turn=0) == []
    assert told(an_alert(escalated=2), root=root, turn=0) == ["slow-1"]


def test_every_route_of_an_alert_counts() -> None:
    """The one that is asked may be the second."""
    children = (
        AlertRoute("root.a", channels=("chat",), goes_on=True),
        AlertRoute("root.b", matchers=(Matcher("rule", "slow"),), channels=("am",)),
    )
    root = AlertRoute("root", channels=("x",), children=children)
    alert = an_alert()
    groups = [Group(group_key(each, alert.labels), told=((alert.id, 1),)) for each in children]
    assert told_to("am", root=root, alerts=[alert], groups=groups) == (alert,)
    assert told_to("am", root=root, alerts=[alert], groups=groups[:1]) == ()
