"""The watch with a real database, and receivers with real sockets."""

from dataclasses import replace

import pytest

from lukhas.analytics.alerts.alert_store import AlertStore
from lukhas.analytics.alerts.channels import WebhookChannel
from lukhas.analytics.alerts.dispatch import Dispatch
from lukhas.analytics.alerts.episodes import AlertNotFoundError, AlertNotOpenError
from lukhas.analytics.alerts.outbox import Outbox
from lukhas.analytics.alerts.watch import AlertWatch
from lukhas.errors import StoreError
from lukhas.policy.alerting.alerts import AlertState
from lukhas.policy.alerting.groups import Reason
from lukhas.policy.alerting.matchers import Matcher
from lukhas.policy.alerting.rounds import AlertPlan
from lukhas.policy.alerting.routes import AlertRoute
from lukhas.policy.alerting.silences import Silence
from lukhas.storage.sql import Database
from lukhas.testing.clock import ManualClock
from lukhas.units import DAY_NS, SECOND_NS
from tests.unit.analytics.alerts.kit import Values, a_plan, receiver

SLOW = 2.0
FAST = 0.5


class Process:
    """One admin process: what a restart loses, it loses."""

    def __init__(
        self,
        database: Database,
        clock: ManualClock,
        *,
        url: str = "http://127.0.0.1:1/",
        plan: AlertPlan | None = None,
        values: Values | None = None,
    ) -> None:
        self.clock = clock
        self.values = values or Values()
        channel = WebhookChannel(name="hook", url=url)
        self.watch = AlertWatch(
            plan or a_plan(),
            [channel],
            store=AlertStore(database),
            source=self.values,
            clock=clock,
        )
        self.dispatch = Dispatch(Outbox(database), [channel], clock=clock, jitter=lambda: 0.5)

    async def at(self, value: float | None, *, seconds: float = 10) -> None:
        self.clock.advance(seconds=seconds)
        self.values.by_metric["p99_ms"] = value
        await self.watch.look()
        await self.dispatch.deliver_due()

    @property
    def alert_id(self) -> str:
        return self.watch.book.alerts[0].id


async def test_a_receiver_gets_each_message_once(database: Database, clock: ManualClock) -> None:
    """That it fires and that it is over, however often the rule is looked at."""
    async with receiver() as hook:
        process = Process(database, clock, url=hook.url)
        for value in (FAST, SLOW, SLOW, SLOW, FAST, FAST):
            await process.at(value)
        assert [body["status"] for body in hook.bodies] == ["firing", "resolved"]
        assert hook.bodies[0]["alerts"][0]["rule"] == "slow"
        assert hook.bodies[0]["alerts"][0]["id"] == hook.bodies[1]["alerts"][0]["id"]


async def test_a_restart_repeats_nothing(database: Database, clock: ManualClock) -> None:
    """Neither a message nor an alert; `for` goes on where it was."""
    async with receiver() as hook:
        plan = a_plan(for_s=60)
        await Process(database, clock, url=hook.url, plan=plan).at(SLOW)
        for _ in range(8):
            process = Process(database, clock, url=hook.url, plan=plan)
            await process.watch.open()
            await process.at(SLOW)
        (alert,) = process.watch.book.alerts
        assert alert.fired_ns - alert.began_ns == 60 * SECOND_NS
        assert len(hook.bodies) == 1


async def test_a_message_outlives_the_process_that_made_it(
    database: Database, clock: ManualClock
) -> None:
    """One that was not delivered is delivered by the next process, with the same key, once."""
    async with receiver() as hook:
        hook.statuses = [503, 0]
        process = Process(database, clock, url=hook.url)
        await process.at(SLOW)
        assert process.dispatch.failing == {"hook": "the receiver answered 503"}
        for _ in range(5):
            process = Process(database, clock, url=hook.url)
            await process.watch.open()
            await process.at(SLOW, seconds=15)
        assert len(hook.bodies) == 3
        keys = {line for head in hook.heads for line in head if line.startswith("idempotency-key")}
        assert len(keys) == 1
        assert process.dispatch.failing == {}


async def test_the_end_waits_for_the_begin(database: Database, clock: ManualClock) -> None:
    """While a message cannot be delivered, later ones of its group wait."""
    async with receiver() as hook:
        hook.statuses = [500]
        process = Process(database, clock, url=hook.url, plan=a_plan(interval_s=1))
        await process.at(SLOW)
        await process.at(FAST, seconds=1)
        await process.at(FAST, seconds=1)
        assert [body["status"] for body in hook.bodies] == ["firing"]
        await process.at(FAST, seconds=3)
        await process.at(FAST, seconds=1)
        assert [body["status"] for body in hook.bodies] == ["firing", "firing", "resolved"]


async def test_history_tells_how_long_people_took(database: Database, clock: ManualClock) -> None:
    """And what happened, by whom, also after the alert has left the book."""
    process = Process(database, clock)
    await process.at(SLOW)
    alert_id = process.alert_id
    clock.advance(seconds=20)
    await process.watch.acknowledge(alert_id, by="ada")
    await process.watch.note(alert_id, by="ada", text="a bad deploy")
    await process.at(FAST, seconds=40)
    (episode,) = await process.watch.store.history(limit=10)
    assert episode.alert.state is AlertState.RESOLVED
    assert episode.alert.acknowledge_ns == 20 * SECOND_NS
    assert episode.alert.resolve_ns == 60 * SECOND_NS
    assert [(event.kind, event.author) for event in episode.events] == [
        ("fired", ""),
        ("acknowledged", "ada"),
        ("note", "ada"),
        ("resolved", ""),
    ]
    assert await process.watch.store.history(limit=10, before_ns=episode.alert.fired_ns) == []
    assert (await process.watch.episode(alert_id)).alert == episode.alert


async def test_what_never_fired_leaves_no_trace(database: Database, clock: ManualClock) -> None:
    """A pending alert that goes is no history."""
    process = Process(database, clock, plan=a_plan(for_s=600))
    await process.at(SLOW)
    alert_id = process.alert_id
    await process.at(FAST)
    assert await process.watch.store.history(limit=10) == []
    with pytest.raises(AlertNotFoundError, match="there is no alert"):
        await process.watch.episode(alert_id)


async def test_orders_that_do_not_fit_are_told(database: Database, clock: ManualClock) -> None:
    """Not an alert, one that is over, one that is not snoozed."""
    process = Process(database, clock)
    with pytest.raises(AlertNotFoundError):
        await process.watch.acknowledge("other", by="ada")
    with pytest.raises(AlertNotFoundError):
        await process.watch.note("other", by="ada", text="hm")
    await process.at(SLOW)
    alert_id = process.alert_id
    with pytest.raises(AlertNotOpenError, match="is firing"):
        await process.watch.unsnooze(alert_id, by="ada")
    await process.at(FAST)
    await process.at(FAST)
    with pytest.raises(AlertNotOpenError, match="is resolved"):
        await process.watch.acknowledge(alert_id, by="ada")


async def test_a_snooze_and_a_resolution_by_hand_are_kept(
    database: Database, clock: ManualClock
) -> None:
    """A process that starts anew knows of them."""
    process = Process(database, clock)
    await process.at(SLOW)
    alert_id = process.alert_id
    await process.watch.snooze(alert_id, seconds=60, by="ada")
    process = Process(database, clock)
    await process.watch.open()
    assert process.watch.book.alerts[0].state is AlertState.SNOOZED
    await process.watch.unsnooze(alert_id, by="ada")
    await process.watch.snooze(alert_id, seconds=5, by="ada")
    await process.at(SLOW)
    assert process.watch.book.alerts[0].turn == 3
    await process.watch.resolve(alert_id, by="ada", note="false alarm")
    events = (await process.watch.episode(alert_id)).events
    assert [event.kind for event in events] == [
        "fired",
        "snoozed",
        "unsnoozed",
        "snoozed",
        "unsnoozed",
        "resolved",
    ]
    assert events[-1].detail == "false alarm"


async def test_silences_are_kept_and_can_be_ended(database: Database, clock: ManualClock) -> None:
    """Those that are long over are dropped when a process starts."""
    process = Process(database, clock)
    now_ns = clock.now_ns()
    silence = Silence("s1", (Matcher("rule", "slow"),), "ada", "works", now_ns, now_ns + DAY_NS)
    await process.watch.put_silence(silence)
    await process.watch.put_silence(replace(silence, comment="more works"))
    process = Process(database, clock)
    await process.watch.open()
    assert [each.comment for each in process.watch.book.silences] == ["more works"]
    await process.at(SLOW)
    assert process.watch.quiet_because(process.watch.book.alerts[0]) == "silence s1 by ada"
    assert await process.watch.end_silence("s1")
    assert not await process.watch.end_silence("s1")
    assert not await process.watch.end_silence("s2")
    clock.advance(seconds=40 * 86_400)
    await process.watch.open()
    assert process.watch.book.silences == ()


async def test_a_source_that_fails_changes_no_alert(database: Database, clock: ManualClock) -> None:
    """It shows, and the alert goes on as it was."""
    process = Process(database, clock)
    await process.at(SLOW)
    process.values.failing = True
    await process.at(FAST)
    await process.at(FAST)
    assert "the store is gone" in process.watch.failures["slow"]
    assert process.watch.book.alerts[0].state is AlertState.FIRING
    process.values.failing = False
    await process.at(SLOW)
    assert process.watch.failures == {}


async def test_a_rule_is_looked_at_as_often_as_it_says(
    database: Database, clock: ManualClock
) -> None:
    """Not before its interval has passed."""
    process = Process(database, clock)
    await process.at(FAST)
    await process.at(SLOW, seconds=9)
    assert process.watch.book.alerts == ()
    await process.at(SLOW, seconds=1)
    assert len(process.watch.book.alerts) == 1


async def test_what_cannot_be_kept_has_not_happened(
    database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the database fails, the next round does it."""
    process = Process(database, clock)

    async def broken(*_args: object, **_named: object) -> None:
        raise StoreError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(process.watch.store, "save", broken)
        with pytest.raises(StoreError):
            await process.at(SLOW)
    assert process.watch.book.alerts == ()
    await process.at(SLOW, seconds=1)
    assert len(process.watch.book.alerts) == 1


async def test_old_history_is_dropped(database: Database, clock: ManualClock) -> None:
    """After 400 days, when a process starts."""
    process = Process(database, clock)
    await process.at(SLOW)
    await process.at(FAST)
    await process.at(FAST)
    assert len(await process.watch.store.history(limit=10)) == 1
    clock.advance(seconds=401 * 86_400)
    await process.watch.open()
    assert await process.watch.store.history(limit=10) == []


async def test_a_dead_letter_can_be_tried_anew(database: Database, clock: ManualClock) -> None:
    """A refusal for good is given up at once, and stays to be seen."""
    async with receiver() as hook:
        hook.statuses = [400]
        process = Process(database, clock, url=hook.url)
        await process.at(SLOW)
        outbox = process.dispatch.outbox
        (dead,) = await outbox.listed("dead", limit=10)
        assert (dead.attempts, dead.failure) == (1, "the receiver answered 400")
        assert await outbox.count("dead") == 1
        assert await outbox.count("dead", since_ns=clock.now_ns() + 1) == 0
        assert await outbox.revive(dead.id, clock.now_ns())
        assert not await outbox.revive(dead.id, clock.now_ns())
        assert await process.dispatch.deliver_due() == 1
        (sent,) = await outbox.listed("sent", limit=10)
        assert sent.message.notification.reason is Reason.FIRING


async def test_after_some_attempts_a_message_is_given_up(
    database: Database, clock: ManualClock
) -> None:
    """Each pause is twice as long as the one before."""
    process = Process(database, clock)
    await process.at(SLOW)
    for _ in range(10):
        await process.at(SLOW, seconds=700)
    (dead,) = [
        each
        for each in await process.dispatch.outbox.listed("dead", limit=10)
        if each.message.notification.reason is Reason.FIRING
    ]
    assert dead.attempts == 8


async def test_a_channel_that_is_gone_is_told(database: Database, clock: ManualClock) -> None:
    """Its messages are dead letters."""
    process = Process(database, clock)
    process.clock.advance(seconds=10)
    process.values.by_metric["p99_ms"] = SLOW
    await process.watch.look()
    await Dispatch(process.dispatch.outbox, [], clock=clock).deliver_due()
    (dead,) = await process.dispatch.outbox.listed("dead", limit=10)
    assert dead.failure == "there is no such channel any more"


async def test_a_message_that_breaks_its_channel_holds_up_no_other(
    database: Database, clock: ManualClock
) -> None:
    """It is tried again like one that failed."""
    process = Process(database, clock, url="gopher://example.com/")
    await process.at(SLOW)
    (waiting,) = await process.dispatch.outbox.listed("pending", limit=10)
    assert (waiting.attempts, waiting.failure) == (1, "KeyError")


async def test_routes_without_channels_send_nothing(database: Database, clock: ManualClock) -> None:
    """The alert is there all the same."""
    process = Process(database, clock, plan=a_plan(route=AlertRoute("alerts", group_wait_s=0)))
    await process.at(SLOW)
    assert len(process.watch.book.alerts) == 1
    assert await process.dispatch.outbox.count("pending") == 0
