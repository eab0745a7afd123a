"""Whatever happens to alerts, some things hold."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from lukhas.policy.alerting.alerts import (
    Alert,
    AlertState,
    acknowledged,
    resolved,
    snoozed,
    unsnoozed,
)
from lukhas.policy.alerting.conditions import Reading
from lukhas.policy.alerting.escalations import Escalation, EscalationLevel
from lukhas.policy.alerting.groups import Reason
from lukhas.policy.alerting.routes import AlertRoute
from lukhas.units import SECOND_NS
from tests.unit.policy.alerting.kit import BAD, GOOD, Play, a_rule

RULES = (a_rule("a", for_s=20), a_rule("b", keep_firing_s=30), a_rule("c"))
ROOT = AlertRoute(
    "root",
    channels=("ops",),
    group_wait_s=10,
    group_interval_s=40,
    repeat_s=200,
    escalation=Escalation("up", (EscalationLevel(("pager",), 50), EscalationLevel(("boss",), 90))),
)
_NEXT: dict[AlertState | None, set[AlertState | None]] = {
    None: {AlertState.PENDING, AlertState.FIRING},
    AlertState.PENDING: {AlertState.FIRING, None},
    AlertState.FIRING: {AlertState.ACKNOWLEDGED, AlertState.SNOOZED, AlertState.RESOLVED},
    AlertState.ACKNOWLEDGED: {AlertState.SNOOZED, AlertState.RESOLVED},
    AlertState.SNOOZED: {AlertState.FIRING, AlertState.ACKNOWLEDGED, AlertState.RESOLVED},
    AlertState.RESOLVED: {None},
}

HASTY = replace(ROOT, group_wait_s=100, group_interval_s=300)
Step = tuple[int, dict[str, Reading], str, str]

steps = st.lists(
    st.tuples(
        st.integers(1, 60),
        st.dictionaries(st.sampled_from("abc"), st.sampled_from((BAD, GOOD))),
        st.sampled_from(("", "", "", "acknowledge", "snooze", "unsnooze", "resolve")),
        st.sampled_from("abc"),
    ),
    max_size=60,
)


def acted(alert: Alert, order: str, now_ns: int) -> Alert:
    if order == "acknowledge":
        return acknowledged(alert, now_ns, by="ada")
    if order == "snooze":
        return snoozed(alert, until_ns=now_ns + 100 * SECOND_NS)
    if order == "unsnooze":
        return unsnoozed(alert, now_ns)
    return resolved(alert, now_ns) if order == "resolve" else alert


@given(steps)
def test_alerts_go_only_ways_that_there_are(played: list[Step]) -> None:
    """States, times and what people hear fit together, in any order of events."""
    play = Play(*RULES, root=ROOT)
    known: set[tuple[str, int]] = set()
    keys: set[str] = set()
    for seconds, readings, order, name in played:
        before = {alert.id: alert for alert in play.book.alerts}
        for message in play.after(seconds, readings):
            assert message.key not in keys
            keys.add(message.key)
            assert all(alert.state is AlertState.FIRING for alert in message.firing)
            # Nobody hears the end of what they did not hear the begin of, and no end twice.
            heard = {alert_id for alert_id, _ in known}
            assert all(alert.id in heard for alert in message.resolved)
            if message.reason is Reason.FIRING:
                assert not known.issuperset({(alert.id, alert.turn) for alert in message.firing})
            ended = {alert.id for alert in message.resolved}
            known = {each for each in known if each[0] not in ended}
            if message.reason is not Reason.ESCALATION:
                known |= {(alert.id, alert.turn) for alert in message.firing}
        assert play.last is not None
        after = {alert.id: alert for alert in play.last.alerts}
        for alert_id in before.keys() | after.keys():
            old = before[alert_id].state if alert_id in before else None
            new = after[alert_id].state if alert_id in after else None
            assert old is new or new in _NEXT[old], (old, new)
        _hold(play)
        for alert in play.book.alerts:
            if alert.rule == name:
                play.put(acted(alert, order, play.now_ns))


def _hold(play: Play) -> None:
    assert play.last is not None
    open_rules = [a.rule for a in play.book.alerts if a.state is not AlertState.RESOLVED]
    assert len(open_rules) == len(set(open_rules))
    for alert in play.last.alerts:
        assert alert.began_ns <= alert.breached_ns <= play.now_ns
        assert (alert.fired_ns > 0) is (alert.state is not AlertState.PENDING)
        assert (alert.resolved_ns > 0) is (alert.state is AlertState.RESOLVED)
        assert (alert.snoozed_until_ns > play.now_ns) is (alert.state is AlertState.SNOOZED)


@given(steps, st.sampled_from((ROOT, HASTY)))
def test_after_the_last_trouble_all_comes_to_rest(played: list[Step], root: AlertRoute) -> None:
    """The book empties, and whoever heard that something fires has heard that it is over."""
    play = Play(*RULES, root=root)
    open_incidents: set[str] = set()
    rest = [(60, dict.fromkeys("abc", GOOD), "", "a")] * 12
    for seconds, readings, order, name in [*played, *rest]:
        for message in play.after(seconds, readings):
            open_incidents |= {alert.id for alert in message.firing}
            open_incidents -= {alert.id for alert in message.resolved}
        for alert in play.book.alerts:
            if alert.rule == name:
                play.put(acted(alert, order, play.now_ns))
    assert (play.book.alerts, play.book.groups, open_incidents) == ((), (), set())
