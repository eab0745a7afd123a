"""Channels over the admin API: tried on purpose, and what they did not take."""

from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query
from pydantic import Field

from lukhas.admin.alert_desk import AlertDesk
from lukhas.admin.alert_figures import Figures, MessageFigures, message_figures
from lukhas.admin.alerts_api import told
from lukhas.analytics.alerts.channels import Channel, deliver
from lukhas.analytics.alerts.delivery import DeliveryError
from lukhas.analytics.alerts.outgoing import MessageState
from lukhas.clock import Clock
from lukhas.policy.alerting.alerts import Alert, AlertState
from lukhas.policy.alerting.groups import Notification, Reason
from lukhas.policy.alerting.rules import Severity

__all__ = ("ChannelFigures", "ChannelList", "MessageList", "TestAnswer", "channels_router")


class ChannelFigures(Figures):
    """A channel."""

    name: str
    kind: Literal["webhook", "slack", "pagerduty", "email", "alertmanager"]
    send_resolved: bool
    failure: str = Field(description="Why the last message failed; empty if it did not.")


class ChannelList(Figures):
    """All channels."""

    channels: list[ChannelFigures]


class TestAnswer(Figures):
    """What came of a test message."""

    delivered: bool
    failure: str


class MessageList(Figures):
    """Messages in a state, the latest first."""

    messages: list[MessageFigures]


def channels_router(desk: AlertDesk, clock: Clock) -> APIRouter:
    """Channels and their messages."""
    router = APIRouter(prefix="/api/v1/alerts", tags=["alerts"])

    @router.get("/channels")
    async def channels() -> ChannelList:
        """The channels, and whether they work."""
        failing = desk.dispatch.failing
        return ChannelList(
            channels=[
                ChannelFigures(
                    name=each.name,
                    kind=each.kind,
                    send_resolved=each.send_resolved,
                    failure=failing.get(each.name, ""),
                )
                for each in desk.settings.alerts.channels
            ]
        )

    @router.post("/channels/{name}/test")
    async def test(name: str) -> TestAnswer:
        """Sends a test message at once, and tells what came of it; it is not tried again."""
        channel = _known(desk, name)
        notification = _test_notification(name, clock.now_ns())
        try:
            await deliver(channel, notification, dedup_key=f"{name}|{notification.key}")
        except DeliveryError as error:
            return TestAnswer(delivered=False, failure=error.what)
        return TestAnswer(delivered=True, failure="")

    @router.get("/messages")
    async def messages(
        state: MessageState = "dead", limit: Annotated[int, Query(ge=1, le=1000)] = 100
    ) -> MessageList:
        """Messages that were given up (dead letters), wait, or were sent."""
        with told():
            found = await desk.dispatch.outbox.listed(state, limit=limit)
        return MessageList(messages=[message_figures(each) for each in found])

    @router.post("/messages/{message_id}/retry", status_code=204)
    async def retry(message_id: Annotated[int, Field(ge=1, le=2**31 - 1)]) -> None:
        """Tries a message anew that was given up."""
        with told():
            if not await desk.dispatch.outbox.revive(message_id, clock.now_ns()):
                raise HTTPException(404, f"there is no dead letter {message_id}")

    return router


def _known(desk: AlertDesk, name: str) -> Channel:
    for channel in desk.watch.channels:
        if channel.name == name:
            return channel
    raise HTTPException(404, f"there is no channel {name!r}")


def _test_notification(channel: str, now_ns: int) -> Notification:
    alert = Alert(
        id=f"test-{now_ns:x}",
        rule="test",
        severity=Severity.INFO,
        labels=(("rule", "test"), ("severity", "info")),
        summary="A test message",
        state=AlertState.FIRING,
        began_ns=now_ns,
        breached_ns=now_ns,
        why="somebody tries this channel",
        fired_ns=now_ns,
    )
    return Notification(
        key=f"test@{now_ns}",
        group="test",
        reason=Reason.TEST,
        channels=(channel,),
        firing=(alert,),
        resolved=(),
        time_ns=now_ns,
    )
