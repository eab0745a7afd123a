"""Rules with an alert for each value of a label."""

from dataclasses import replace

from lukhas.policy.alerting.alerts import Alert, AlertState
from lukhas.policy.alerting.conditions import Reading
from lukhas.policy.alerting.groups import Reason
from lukhas.policy.alerting.routes import AlertRoute
from lukhas.policy.alerting.splits import SplitReading, observed_all
from lukhas.units import SECOND_NS
from tests.unit.policy.alerting.kit import BAD, GOOD, START_NS, Play, a_rule

RULE = a_rule(split_by="route", most_alerts=3)


def split(**readings: Reading) -> SplitReading:
    return SplitReading("route", tuple((f"/{name}", found) for name, found in readings.items()))


def begun(**readings: Reading) -> list[Alert]:
    return observed_all(RULE, (), split(**readings), START_NS)


def test_each_value_has_an_alert_of_its_own() -> None:
    """With the value as a label, and an id of its own although they begin at once."""
    alerts = begun(a=BAD, b=GOOD, c=BAD)
    assert [alert.instance for alert in alerts] == ["/a", "/c"]
    assert [dict(alert.labels)["route"] for alert in alerts] == ["/a", "/c"]
    assert len({alert.id for alert in alerts}) == 2
    assert all(alert.id.startswith("slow-") for alert in alerts)
    assert {dict(alert.labels)["rule"] for alert in alerts} == {"slow"}


def test_one_ends_and_the_other_goes_on() -> None:
    """Also where the value has gone altogether."""
    alerts = begun(a=BAD, b=BAD)
    after = observed_all(RULE, alerts, split(a=BAD), START_NS + SECOND_NS)
    assert [(alert.instance, alert.state) for alert in after] == [
        ("/a", AlertState.FIRING),
        ("/b", AlertState.RESOLVED),
    ]
    assert after[0].id == alerts[0].id


def test_there_are_no_more_alerts_than_are_allowed() -> None:
    """Those that are open stay; then the busiest come first."""
    alerts = begun(a=BAD, b=BAD, c=BAD, d=BAD)
    assert [alert.instance for alert in alerts] == ["/a", "/b", "/c"]
    after = observed_all(RULE, alerts[1:], split(d=BAD, e=BAD, b=BAD, c=BAD), START_NS)
    assert [alert.instance for alert in after] == ["/b", "/c", "/d"]


def test_a_rule_that_was_not_looked_at_changes_nothing() -> None:
    """Its source failed, or its time had not come."""
    alerts = begun(a=BAD)
    assert observed_all(RULE, alerts, None, START_NS + SECOND_NS) == alerts


def test_a_rule_that_is_split_no_more_ends_the_alerts_of_values() -> None:
    """And the other way round."""
    alerts = begun(a=BAD)
    whole = replace(RULE, split_by="")
    ended, new = observed_all(whole, alerts, BAD, START_NS + SECOND_NS)
    assert (ended.instance, ended.state) == ("/a", AlertState.RESOLVED)
    assert (new.instance, new.state) == ("", AlertState.FIRING)
    assert "route" not in dict(new.labels)
    ended, new = observed_all(RULE, [new], split(a=BAD), START_NS + 2 * SECOND_NS)
    assert (ended.instance, new.instance) == ("", "/a")


def test_all_of_it_together_is_breached_if_one_is() -> None:
    """With the value of the busiest that is."""
    one = Reading(True, 7.0, "route /b: too high")
    found = split(a=GOOD, b=one, c=BAD).together()
    assert (found.breached, found.value) == (True, 7.0)
    assert found.why == "2 of 3 are breached; route /b: too high"
    assert split(a=GOOD, b=GOOD).together() == GOOD
    assert split().together() == Reading(False, None, "no route has a value")


def test_alerts_of_one_rule_are_told_together_or_apart() -> None:
    """As the route groups them."""
    together = AlertRoute("root", channels=("ops",), group_wait_s=0, group_interval_s=0)
    apart = replace(together, group_by=("rule", "route"))
    for root, messages in ((together, 1), (apart, 2)):
        play = Play(RULE, root=root)
        told = play.after(0, {"slow": split(a=BAD, b=BAD)})
        assert len(told) == messages
        assert sum(len(message.firing) for message in told) == 2
        ends = play.after(10, {"slow": split(a=BAD, b=GOOD)})
        assert [alert.instance for message in ends for alert in message.resolved] == ["/b"]
        assert [message.reason for message in ends] == [Reason.RESOLVED]


def test_alerts_of_a_rule_that_is_gone_all_end() -> None:
    """Those that never fired just go."""
    play = Play(replace(RULE, for_s=0))
    play.after(0, {"slow": split(a=BAD, b=BAD)})
    play.plan = replace(play.plan, rules=())
    play.after(10)
    assert play.last is not None
    assert {alert.state for alert in play.last.alerts} == {AlertState.RESOLVED}
    assert len(play.last.alerts) == 2
