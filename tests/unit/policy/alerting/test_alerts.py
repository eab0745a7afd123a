"""The life of an alert."""

from dataclasses import replace

import pytest

from lukhas.policy.alerting.alerts import (
    Alert,
    AlertState,
    acknowledged,
    observed,
    resolved,
    snoozed,
    unsnoozed,
    woken,
)
from lukhas.units import SECOND_NS
from tests.unit.policy.alerting.kit import BAD, GOOD, START_NS, a_rule, an_alert


def at(seconds: float) -> int:
    return START_NS + round(seconds * SECOND_NS)


def test_without_for_an_alert_fires_at_once() -> None:
    """`for` is how long a rule must be breached; 0 is not at all."""
    alert = observed(None, a_rule(), BAD, START_NS)
    assert alert is not None
    assert (alert.state, alert.fired_ns, alert.why) == (AlertState.FIRING, START_NS, "too high")
    assert alert.labels == (("rule", "slow"), ("severity", "warning"))


def test_for_keeps_an_alert_pending() -> None:
    """It fires when the rule was breached for as long, and goes without a trace before."""
    rule = a_rule(for_s=60)
    pending = observed(None, rule, BAD, START_NS)
    assert pending is not None
    assert pending.state is AlertState.PENDING
    assert not pending.is_active
    still = observed(pending, rule, BAD, at(59))
    assert still is not None
    assert still.state is AlertState.PENDING
    assert observed(still, rule, GOOD, at(59.5)) is None
    fired = observed(still, rule, BAD, at(60))
    assert fired is not None
    assert (fired.state, fired.fired_ns, fired.began_ns) == (AlertState.FIRING, at(60), START_NS)


def test_what_is_not_breached_begins_nothing() -> None:
    """A good reading of a rule without an alert is no alert."""
    assert observed(None, a_rule(), GOOD, START_NS) is None


def test_keep_firing_bridges_short_gaps() -> None:
    """The alert ends so long after it was breached last."""
    rule = a_rule(keep_firing_s=30)
    alert = observed(None, rule, BAD, START_NS)
    assert observed(alert, rule, GOOD, at(29.9)) == alert
    again = observed(alert, rule, BAD, at(29.95))
    assert again is not None
    assert observed(again, rule, GOOD, at(59.94)) == again
    over = observed(again, rule, GOOD, at(59.95))
    assert over is not None
    assert (over.state, over.resolved_ns) == (AlertState.RESOLVED, at(59.95))
    assert over.resolve_ns == at(59.95) - START_NS


def test_acknowledging_is_noted_once() -> None:
    """The first one counts for the time to acknowledge, whatever comes after."""
    alert = an_alert()
    assert alert.acknowledge_ns is None
    assert alert.resolve_ns is None
    first = acknowledged(alert, at(5), by="ada")
    assert (first.state, first.acknowledged_by) == (AlertState.ACKNOWLEDGED, "ada")
    assert first.acknowledge_ns == 5 * SECOND_NS
    later = snoozed(first, until_ns=at(100))
    second = acknowledged(later, at(50), by="bob")
    assert second == replace(first, snoozed_until_ns=0)


def test_a_breach_changes_no_state_that_people_set() -> None:
    """An acknowledged alert stays so, and shows the newest value."""
    seen = observed(acknowledged(an_alert(), at(1), by="ada"), a_rule(), BAD, at(2))
    assert seen is not None
    assert (seen.state, seen.breached_ns, seen.value) == (AlertState.ACKNOWLEDGED, at(2), 2.0)


def test_a_snooze_ends_by_itself() -> None:
    """Then it fires anew: a new turn, from which escalation counts."""
    asleep = snoozed(an_alert(escalated=2), until_ns=at(60))
    assert woken(asleep, at(59.9)) == asleep
    awake = woken(asleep, at(60))
    assert (awake.state, awake.turn, awake.turned_ns) == (AlertState.FIRING, 2, at(60))
    assert (awake.escalated, awake.snoozed_until_ns) == (0, 0)
    assert woken(awake, at(61)) == awake


def test_a_snoozed_alert_can_end() -> None:
    """When its rule is no longer breached."""
    over = observed(snoozed(an_alert(), until_ns=at(60)), a_rule(), GOOD, at(1))
    assert over is not None
    assert over.state is AlertState.RESOLVED


@pytest.mark.parametrize("state", [AlertState.PENDING, AlertState.RESOLVED])
def test_what_has_not_fired_or_is_over_takes_no_orders(state: AlertState) -> None:
    """Nothing that people do changes it."""
    alert = an_alert(state=state)
    changed: list[Alert] = [
        acknowledged(alert, at(1), by="ada"),
        snoozed(alert, until_ns=at(60)),
        unsnoozed(alert, at(1)),
        resolved(alert, at(1)),
    ]
    assert changed == [alert] * 4
