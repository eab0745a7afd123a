"""Rounds: what follows from readings, silences, inhibitions and settings."""

from dataclasses import replace

from lukhas.policy.alerting.alerts import AlertState, acknowledged, resolved, snoozed, unsnoozed
from lukhas.policy.alerting.escalations import Escalation, EscalationLevel
from lukhas.policy.alerting.groups import Reason
from lukhas.policy.alerting.inhibitions import Inhibition
from lukhas.policy.alerting.matchers import Matcher
from lukhas.policy.alerting.mute_times import MuteTime
from lukhas.policy.alerting.rounds import quieted_by
from lukhas.policy.alerting.routes import AlertRoute
from lukhas.policy.alerting.silences import Silence
from lukhas.units import SECOND_NS
from tests.unit.policy.alerting.kit import BAD, GOOD, START_NS, Play, a_rule

ROOT = AlertRoute("root", channels=("ops",), group_wait_s=0, group_interval_s=300, repeat_s=3600)
ALWAYS = MuteTime("always", frozenset(range(7)), 0, 0)


def silence(play: Play, pattern: str, *, seconds: float) -> None:
    ends_ns = play.now_ns + round(seconds * SECOND_NS)
    new = Silence("s1", (Matcher("rule", pattern),), "ada", "works", play.now_ns, ends_ns)
    play.book = replace(play.book, silences=(new,))


def test_people_hear_once_that_it_fires_and_once_that_it_is_over() -> None:
    """And then the alert leaves the book."""
    play = Play(root=replace(ROOT, group_interval_s=0))
    (fired,) = play.after(0, BAD)
    assert (fired.reason, fired.channels, len(fired.firing)) == (Reason.FIRING, ("ops",), 1)
    assert play.after(10, BAD) == ()
    (over,) = play.after(10, GOOD)
    assert over.reason is Reason.RESOLVED
    assert [alert.state for alert in over.resolved] == [AlertState.RESOLVED]
    assert (play.book.alerts, play.book.groups) == ((), ())
    assert play.after(10, GOOD) == ()


def test_a_group_waits_for_company() -> None:
    """Alerts of one group that fire within the wait are one message."""
    play = Play(a_rule("a"), a_rule("b"), root=replace(ROOT, group_wait_s=30))
    assert play.after(0, {"a": BAD}) == ()
    assert play.after(20, {"b": BAD}) == ()
    (message,) = play.after(10)
    assert sorted(alert.rule for alert in message.firing) == ["a", "b"]


def test_what_was_over_before_people_heard_is_never_told() -> None:
    """An alert that ends within the wait makes no message."""
    play = Play(root=replace(ROOT, group_wait_s=30))
    assert play.after(0, BAD) == play.after(10, GOOD) == play.after(60, GOOD) == ()
    assert play.book.alerts == ()


def test_changes_of_a_group_keep_their_distance() -> None:
    """A second alert is told no sooner than the interval after the first message."""
    play = Play(a_rule("a"), a_rule("b"), root=ROOT)
    assert len(play.after(0, {"a": BAD})) == 1
    assert play.after(100, {"b": BAD}) == play.after(199, {"b": BAD}) == ()
    (message,) = play.after(1, {"b": BAD})
    assert message.reason is Reason.FIRING
    assert len(message.firing) == 2


def test_group_by_makes_groups() -> None:
    """Each value of the labels has messages of its own."""
    play = Play(a_rule("a"), a_rule("b"), root=replace(ROOT, group_by=("rule",)))
    assert [message.group for message in play.after(0, BAD)] == ["root/rule=a", "root/rule=b"]


def test_nobody_took_it_on_so_it_is_repeated() -> None:
    """After the repeat interval, until somebody acknowledges it."""
    play = Play(root=ROOT)
    play.after(0, BAD)
    assert play.after(3599, BAD) == ()
    (again,) = play.after(1, BAD)
    assert again.reason is Reason.REPEAT
    play.put(acknowledged(play.alert(), play.now_ns, by="ada"))
    assert play.after(7200, BAD) == ()


def test_an_acknowledged_alert_is_still_told_to_be_over() -> None:
    """Whoever heard that it fires hears that it is over."""
    play = Play(root=ROOT)
    play.after(0, BAD)
    play.put(acknowledged(play.alert(), play.now_ns, by="ada"))
    (over,) = play.after(300, GOOD)
    assert over.reason is Reason.RESOLVED


def test_a_snoozed_alert_is_told_anew_when_it_wakes() -> None:
    """By itself or by hand; in between nobody hears of it."""
    play = Play(root=ROOT)
    play.after(0, BAD)
    play.put(snoozed(play.alert(), until_ns=play.now_ns + 7200 * SECOND_NS))
    assert play.after(7000, BAD) == ()
    (woken,) = play.after(200, BAD)
    assert (woken.reason, woken.firing[0].turn) == (Reason.FIRING, 2)
    play.put(snoozed(play.alert(), until_ns=play.now_ns + 7200 * SECOND_NS))
    play.after(400, BAD)
    play.put(unsnoozed(play.alert(), play.now_ns))
    assert play.after(0, BAD)[0].reason is Reason.FIRING


def test_a_silence_holds_until_it_ends() -> None:
    """Then people hear of what still fires."""
    play = Play(root=ROOT)
    silence(play, "sl*", seconds=100)
    assert play.after(0, BAD) == play.after(99, BAD) == ()
    assert quieted_by(play.plan, play.book, play.alert(), play.now_ns) == "silence s1 by ada"
    assert len(play.after(1, BAD)) == 1


def test_a_silence_for_others_does_nothing() -> None:
    """Its matchers say whom it is for."""
    play = Play(root=ROOT)
    silence(play, "other", seconds=100)
    assert len(play.after(0, BAD)) == 1


def test_the_end_of_what_people_know_is_told_also_in_a_silence() -> None:
    """An incident that was opened is closed."""
    play = Play(root=ROOT)
    play.after(0, BAD)
    silence(play, "*", seconds=10_000)
    assert play.after(300, BAD) == ()
    assert play.after(1, GOOD)[0].reason is Reason.RESOLVED


def test_an_alert_that_explains_others_speaks_for_them() -> None:
    """While it is active the others are quiet; afterwards they are told."""
    rule = Inhibition((Matcher("rule", "down"),), (Matcher("rule", "*"),))
    play = Play(
        a_rule("down"),
        a_rule("slow"),
        root=replace(ROOT, group_by=("rule",)),
        inhibitions=(rule,),
    )
    assert [message.group for message in play.after(0, BAD)] == ["root/rule=down"]
    told = play.after(400, {"down": GOOD, "slow": BAD})
    assert sorted(message.group for message in told) == ["root/rule=down", "root/rule=slow"]


def test_two_alerts_do_not_silence_each_other() -> None:
    """What is itself a source is no target of the same rule."""
    rule = Inhibition((Matcher("rule", "*"),), (Matcher("rule", "*"),))
    play = Play(a_rule("a"), a_rule("b"), root=ROOT, inhibitions=(rule,))
    (message,) = play.after(0, BAD)
    assert len(message.firing) == 2


def test_inhibition_asks_for_equal_labels() -> None:
    """Another team's alert explains nothing."""
    rule = Inhibition((Matcher("rule", "down"),), (Matcher("rule", "slow"),), ("team",))
    play = Play(
        a_rule("down", labels=(("team", "a"),)),
        a_rule("slow", labels=(("team", "b"),)),
        root=ROOT,
        inhibitions=(rule,),
    )
    (message,) = play.after(0, BAD)
    assert len(message.firing) == 2


def test_in_mute_times_nobody_hears() -> None:
    """What happened meanwhile is told when they are over."""
    play = Play(root=replace(ROOT, mute_times=(ALWAYS,)))
    assert play.after(0, BAD) == play.after(1000, BAD) == ()
    play.plan = replace(play.plan, root=ROOT)
    assert len(play.after(1, BAD)) == 1
    play.plan = replace(play.plan, root=replace(ROOT, mute_times=(ALWAYS,)))
    assert play.after(1000, GOOD) == ()
    play.plan = replace(play.plan, root=ROOT)
    assert play.after(1, GOOD)[0].reason is Reason.RESOLVED


ON_CALL = Escalation(
    "on-call",
    (EscalationLevel(("pager",), 300), EscalationLevel(("boss",), 600)),
    repeats=1,
)


def escalated(play: Play, seconds: float) -> list[tuple[str, ...]]:
    found = play.after(seconds, BAD)
    return [message.channels for message in found if message.reason is Reason.ESCALATION]


def test_what_nobody_takes_on_goes_up() -> None:
    """Level by level, and around again as often as is set."""
    play = Play(root=replace(ROOT, escalation=ON_CALL))
    assert [escalated(play, pause) for pause in (0, 299, 1, 599, 1, 300, 600, 5000)] == [
        [],
        [],
        [("pager",)],
        [],
        [("boss",)],
        [("pager",)],
        [("boss",)],
        [],
    ]


def test_whoever_heard_by_escalation_hears_the_end() -> None:
    """Else an incident there would stay open."""
    play = Play(root=replace(ROOT, escalation=ON_CALL))
    escalated(play, 0)
    escalated(play, 300)
    (over,) = play.after(300, GOOD)
    assert over.channels == ("ops", "pager")


def test_who_heard_before_the_group_did_hears_the_end_alone() -> None:
    """Where escalation is quicker than the group, its end is still told, to nobody else."""
    play = Play(root=replace(ROOT, escalation=ON_CALL, group_wait_s=600))
    assert escalated(play, 0) == []
    assert escalated(play, 300) == [("pager",)]
    assert play.after(1, GOOD) == ()
    (over,) = play.after(600, GOOD)
    assert (over.reason, over.channels) == (Reason.RESOLVED, ("pager",))
    assert play.book.alerts == ()


def test_taking_it_on_ends_escalation() -> None:
    """So does a silence, or a mute time of the route."""
    play = Play(root=replace(ROOT, escalation=ON_CALL))
    escalated(play, 0)
    play.put(acknowledged(play.alert(), play.now_ns, by="ada"))
    assert escalated(play, 1000) == []
    quiet = Play(root=replace(ROOT, escalation=ON_CALL))
    silence(quiet, "*", seconds=10_000)
    assert escalated(quiet, 0) == escalated(quiet, 1000) == []
    muted = Play(root=replace(ROOT, escalation=ON_CALL, mute_times=(ALWAYS,)))
    assert escalated(muted, 0) == escalated(muted, 1000) == []


def test_levels_that_were_missed_are_told_at_once() -> None:
    """After a stop of the process, in one message to all of them."""
    play = Play(root=replace(ROOT, escalation=ON_CALL))
    escalated(play, 0)
    assert escalated(play, 901) == [("pager", "boss")]


def test_a_rule_that_is_gone_ends_its_alert() -> None:
    """People hear so; what was only pending just goes."""
    play = Play(a_rule("a"), a_rule("b", for_s=60), root=ROOT)
    play.after(0, BAD)
    play.plan = replace(play.plan, rules=())
    (over,) = play.after(300)
    assert [alert.why for alert in over.resolved] == ["its rule is no longer there"]
    assert play.book.alerts == ()


def test_a_rule_that_was_not_looked_at_keeps_its_alert() -> None:
    """A source that does not answer neither begins nor ends anything."""
    play = Play(root=ROOT)
    play.after(0, BAD)
    play.after(1000)
    assert play.alert().state is AlertState.FIRING


def test_an_alert_resolved_by_hand_can_come_again() -> None:
    """As another alert, while the end of the first waits to be told."""
    play = Play(root=ROOT)
    play.after(0, BAD)
    play.put(resolved(play.alert(), play.now_ns))
    play.after(10, BAD)
    assert [alert.state for alert in play.book.alerts] == [AlertState.RESOLVED, AlertState.FIRING]
    (message,) = play.after(290, BAD)
    assert (len(message.firing), len(message.resolved)) == (1, 1)
    assert len(play.book.alerts) == 1


def test_the_book_knows_its_alerts_by_id() -> None:
    """And says None for others."""
    play = Play(root=ROOT)
    play.after(0, BAD)
    assert play.book.alert(play.alert().id) == play.alert()
    assert play.book.alert("other") is None
    assert play.alert().began_ns == START_NS
