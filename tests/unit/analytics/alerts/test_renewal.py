"""Alertmanagers are reminded of what still fires."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from lukhas.analytics.alerts.channels import AlertmanagerChannel, Channel, WebhookChannel
from lukhas.analytics.alerts.dispatch import Dispatch
from lukhas.analytics.alerts.opening import open_alerts
from lukhas.analytics.alerts.renewal import AlertRenewal
from lukhas.analytics.alerts.watch import AlertWatch
from lukhas.policy.alerting.routes import AlertRoute
from lukhas.units import SECOND_NS
from tests.unit.analytics.alerts.kit import NOW_NS, Receiver, Values, a_plan, receiver

ROUTE = AlertRoute("alerts", channels=("am", "hook"), group_wait_s=0, group_interval_s=0)


class ManualClock:
    def __init__(self) -> None:
        self.time_ns = NOW_NS

    def now_ns(self) -> int:
        return self.time_ns

    def wait(self, seconds: int) -> None:
        self.time_ns += seconds * SECOND_NS


class Node:
    """A watch and a dispatch that are stepped by hand."""

    def __init__(self, watch: AlertWatch, dispatch: Dispatch, clock: ManualClock) -> None:
        self.watch, self.dispatch, self.clock = watch, dispatch, clock
        self.renewal = AlertRenewal(watch, dispatch, clock=clock)

    async def step(self, seconds: int) -> int:
        """Lets time pass, and does what the admin process then does; the number of reminders."""
        self.clock.wait(seconds)
        await self.watch.look()
        await self.dispatch.deliver_due()
        return await self.renewal.renew_due()


@asynccontextmanager
async def opened(
    folder: Path, am: Receiver, hook: Receiver, values: Values, clock: ManualClock
) -> AsyncIterator[Node]:
    base = am.url.partition("/hook")[0]
    channels: list[Channel] = [
        AlertmanagerChannel(name="am", url=base, headers=(("authorization", "s"),)),
        WebhookChannel(name="hook", url=hook.url),
    ]
    plan = a_plan(route=ROUTE)
    async with open_alerts(folder, plan, channels, source=values, clock=clock) as (watch, dispatch):
        yield Node(watch, dispatch, clock)


async def test_it_hears_again_and_again_until_it_is_over(tmp_path: Path) -> None:
    """Once a minute, with an end that moves on; people hear once. Also after a restart."""
    values, clock = Values(), ManualClock()
    values.by_metric = {"p99_ms": 2.0}
    async with receiver() as am, receiver() as hook:
        async with opened(tmp_path, am, hook, values, clock) as node:
            assert await node.step(0) == 1
            assert am.heads[0][0] == "POST /api/v2/alerts HTTP/1.1"
            assert "authorization: s" in am.heads[0]
            ends = [body[0]["endsAt"] for body in am.bodies]
            assert ends == [ends[0]] * 2
            assert await node.step(59) == 0
            assert await node.step(1) == 1
            assert am.bodies[-1][0]["startsAt"] == am.bodies[0][0]["startsAt"]
            assert am.bodies[-1][0]["endsAt"] > ends[0]
        async with opened(tmp_path, am, hook, values, clock) as node:
            assert await node.step(10) == 1
            values.by_metric = {"p99_ms": 0.5}
            assert await node.step(10) == 0
            over = am.bodies[-1][0]
            assert over["endsAt"] > over["startsAt"]
            assert await node.step(60) == 0
        assert len(am.bodies) == 5
        assert [body["status"] for body in hook.bodies] == ["firing", "resolved"]


async def test_a_reminder_that_fails_shows_and_the_next_one_makes_it_good(tmp_path: Path) -> None:
    """It is no message that is kept and tried again."""
    values, clock = Values(), ManualClock()
    values.by_metric = {"p99_ms": 2.0}
    async with (
        receiver() as am,
        receiver() as hook,
        opened(tmp_path, am, hook, values, clock) as node,
    ):
        am.statuses = [200, 503]
        assert await node.step(0) == 0
        assert node.dispatch.failing == {"am": "the receiver answered 503"}
        assert await node.dispatch.outbox.count("pending") == 0
        assert await node.step(60) == 1
        assert node.dispatch.failing == {}


async def test_nothing_that_fires_needs_no_reminder(tmp_path: Path) -> None:
    """Nor does what has not been told yet: its message is still on its way."""
    values, clock = Values(), ManualClock()
    async with (
        receiver() as am,
        receiver() as hook,
        opened(tmp_path, am, hook, values, clock) as node,
    ):
        assert await node.step(60) == 0
        assert am.bodies == []
