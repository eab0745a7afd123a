"""What messages look like."""

from dataclasses import replace

import pytest

from lukhas.policy.alerting.alerts import Alert, AlertState
from lukhas.policy.alerting.groups import Notification, Reason
from lukhas.policy.alerting.messages import (
    mail_subject,
    mail_text,
    pagerduty_event,
    slack_message,
    webhook_message,
)
from lukhas.units import SECOND_NS
from tests.unit.policy.alerting.kit import START_NS, an_alert

FIRING = an_alert(summary="It is slow", why="p99_ms 2 is above 1", value=2.0)
OVER = an_alert("gone", state=AlertState.RESOLVED, resolved_ns=START_NS + 60 * SECOND_NS)


def message(*firing: Alert, resolved: tuple[Alert, ...] = ()) -> Notification:
    return Notification("g@1", "g", Reason.FIRING, ("ops",), firing, resolved, START_NS)


def test_a_webhook_hears_everything() -> None:
    """Status, times in UTC, each alert with its labels."""
    body = webhook_message(message(FIRING, resolved=(OVER,)))
    assert (body["status"], body["key"], body["time"]) == ("firing", "g@1", "2025-06-15T15:06:40Z")
    assert body["alerts"] == [
        {
            "id": "slow-1",
            "rule": "slow",
            "severity": "warning",
            "state": "firing",
            "labels": {"rule": "slow", "severity": "warning"},
            "summary": "It is slow",
            "why": "p99_ms 2 is above 1",
            "value": 2.0,
            "fired": "2025-06-15T15:06:40Z",
            "resolved": None,
        },
        {
            "id": "gone-1",
            "rule": "gone",
            "severity": "warning",
            "state": "resolved",
            "labels": {"rule": "gone", "severity": "warning"},
            "summary": "",
            "why": "",
            "value": None,
            "fired": "2025-06-15T15:06:40Z",
            "resolved": "2025-06-15T15:07:40Z",
        },
    ]
    assert webhook_message(message(resolved=(OVER,)))["status"] == "resolved"


@pytest.mark.parametrize(
    ("notification", "subject"),
    [
        (message(FIRING), "[FIRING] slow (warning)"),
        (message(FIRING, FIRING, FIRING), "[FIRING] slow (warning) and 2 more"),
        (message(resolved=(OVER,)), "[RESOLVED] gone (warning)"),
        (replace(message(FIRING), reason=Reason.REPEAT), "[FIRING (repeat)] slow (warning)"),
        (replace(message(FIRING), reason=Reason.TEST), "[FIRING (test)] slow (warning)"),
    ],
)
def test_a_subject_says_how_many_and_of_what(notification: Notification, subject: str) -> None:
    """In one line."""
    assert mail_subject(notification) == subject


def test_a_mail_lists_what_fires_and_what_is_over() -> None:
    """Each with its reason and its time."""
    text = mail_text(message(FIRING, resolved=(OVER,)))
    assert "Firing:\n- slow (warning): It is slow: p99_ms 2 is above 1; since" in text
    assert "Resolved:\n- gone (warning): ; since 2025-06-15T15:06:40Z until" in text
    assert "Firing:" not in mail_text(message(resolved=(OVER,)))


def test_slack_takes_text_without_markup() -> None:
    """`&`, `<` and `>` stand for themselves."""
    found = slack_message(message(replace(FIRING, why="<!channel> & co")))
    assert "&lt;!channel&gt; &amp; co" in str(found["text"])


def test_pagerduty_knows_an_incident_by_the_alert() -> None:
    """A summary has 1024 characters at most there."""
    event = pagerduty_event(message(replace(FIRING, why="x" * 2000)), routing_key="r")
    assert (event["event_action"], event["dedup_key"]) == ("trigger", "slow-1")
    payload = event["payload"]
    assert isinstance(payload, dict)
    assert len(payload["summary"]) == 1024
    over = pagerduty_event(message(resolved=(OVER,)), routing_key="r")
    assert (over["event_action"], "payload" in over) == ("resolve", False)
