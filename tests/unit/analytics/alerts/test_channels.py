"""What each kind of channel sends."""

import pytest

from lukhas.analytics.alerts.channels import (
    AlertmanagerChannel,
    Channel,
    EmailChannel,
    PagerDutyChannel,
    SlackChannel,
    WebhookChannel,
    deliver,
)
from lukhas.analytics.alerts.delivery import DeliveryError
from lukhas.analytics.alerts.mail import MailServer
from lukhas.analytics.alerts.outgoing import outgoing
from lukhas.policy.alerting.alerts import AlertState
from lukhas.units import SECOND_NS
from tests.unit.analytics.alerts.kit import a_notification, an_alert, mailbox, receiver

OVER = an_alert(state=AlertState.RESOLVED)


async def test_a_webhook_gets_the_alerts_and_a_key() -> None:
    """The key stays the same when it is sent again."""
    async with receiver() as hook:
        channel = WebhookChannel(name="hook", url=hook.url, headers=(("authorization", "x"),))
        await deliver(channel, a_notification([an_alert()]), dedup_key="hook|k")
    assert hook.bodies[0]["alerts"][0]["id"] == "slow-1"
    assert 'idempotency-key: "hook|k"' in hook.heads[0]
    assert "authorization: x" in hook.heads[0]


async def test_slack_gets_a_text() -> None:
    """In which nothing of an alert is markup."""
    async with receiver() as hook:
        channel = SlackChannel(name="slack", url=hook.url)
        await deliver(channel, a_notification([an_alert()]), dedup_key="k")
    assert hook.bodies[0].keys() == {"text"}
    assert "&lt;take&gt;" in hook.bodies[0]["text"]


async def test_pagerduty_gets_a_trigger_and_a_resolve() -> None:
    """With one key, so that it is one incident (Events API v2)."""
    async with receiver() as hook:
        channel = PagerDutyChannel(name="pager", url=hook.url, routing_key="r")
        await deliver(channel, a_notification([an_alert()]), dedup_key="k")
        await deliver(channel, a_notification(resolved=[OVER]), dedup_key="k")
    trigger, resolve = hook.bodies
    assert (trigger["event_action"], resolve["event_action"]) == ("trigger", "resolve")
    assert trigger["dedup_key"] == resolve["dedup_key"] == "slow-1"
    assert trigger["routing_key"] == "r"
    assert trigger["payload"]["severity"] == "critical"


async def test_an_alertmanager_gets_alerts() -> None:
    """By its API v2, wherever it is; one that fires is believed for a while from now on."""
    async with receiver() as hook:
        base = hook.url.partition("?")[0] + "/"
        channel = AlertmanagerChannel(name="am", url=base, labels=(("instance", "eu"),))
        message = a_notification([an_alert()], [OVER])
        await deliver(channel, message, dedup_key="k")
        later_ns = message.time_ns + 10 * SECOND_NS
        await deliver(channel, message, dedup_key="k", now_ns=later_ns)
    assert hook.heads[0][0] == "POST /hook/api/v2/alerts HTTP/1.1"
    first, later = hook.bodies
    assert [alert["labels"]["instance"] for alert in first] == ["eu", "eu"]
    assert first[1] == later[1]
    assert first[0]["startsAt"] == later[0]["startsAt"]
    assert first[0]["endsAt"] < later[0]["endsAt"]


async def test_mail_gets_through() -> None:
    """Subject and text."""
    async with mailbox() as box:
        server = MailServer(host="127.0.0.1", port=box.port, security="none")
        channel = EmailChannel(
            name="mail", server=server, sender="a@example.com", recipients=("b@example.com",)
        )
        await deliver(channel, a_notification([an_alert()]), dedup_key="k")
    assert "Subject: [FIRING] slow (critical)" in box.messages[0][2]


@pytest.mark.parametrize(
    ("status", "is_final"),
    [(301, True), (400, True), (404, True), (408, False), (429, False), (500, False), (503, False)],
)
async def test_what_may_go_better_is_tried_again(status: int, is_final: bool) -> None:
    """A refusal for good is not."""
    async with receiver() as hook:
        hook.statuses = [status]
        channel = WebhookChannel(name="hook", url=hook.url)
        with pytest.raises(DeliveryError, match=f"answered {status}") as told:
            await deliver(channel, a_notification([an_alert()]), dedup_key="k")
    assert told.value.is_final is is_final


def test_secrets_are_not_in_the_repr() -> None:
    """What is logged by mistake tells none."""
    channels: list[Channel] = [
        WebhookChannel(name="a", url="http://s3cret", headers=(("authorization", "s3cret"),)),
        SlackChannel(name="b", url="http://s3cret"),
        PagerDutyChannel(name="c", url="http://example.com", routing_key="s3cret"),
        EmailChannel(
            name="d",
            server=MailServer(host="h", port=25, password="s3cret"),
            sender="a@example.com",
            recipients=(),
        ),
    ]
    assert "s3cret" not in repr(channels)


def test_each_channel_of_a_message_gets_its_own() -> None:
    """PagerDuty one for each alert; who wants no ends gets none; unknown channels nothing."""
    hook = WebhookChannel(name="hook", url="", send_resolved=False)
    pager = PagerDutyChannel(name="pager", url="", routing_key="")
    message = a_notification(
        [an_alert("a"), an_alert("b")], [OVER], channels=("hook", "pager", "gone")
    )
    found = outgoing(message, [hook, pager])
    assert [each.channel for each in found] == ["hook", "pager", "pager", "pager"]
    assert found[0].notification.resolved == ()
    assert len({each.dedup_key for each in found}) == 4
    assert outgoing(a_notification(resolved=[OVER]), [hook]) == []
