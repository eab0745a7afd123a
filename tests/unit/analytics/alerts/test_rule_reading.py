"""Looking at a rule, whole or for each value of a label."""

from dataclasses import replace

from lukhas.analytics.alerts.back_test import back_tested
from lukhas.analytics.alerts.recorded_series import RecordedSeries
from lukhas.analytics.alerts.rule_reading import read_rule
from lukhas.policy.alerting.conditions import Absence, Ask, Reading, Series, Threshold
from lukhas.policy.alerting.rules import Rule, Severity
from lukhas.policy.alerting.splits import SplitReading
from lukhas.units import SECOND_NS
from tests.unit.analytics.alerts.kit import NOW_NS, Values

RULE = Rule("slow", Threshold("p99_ms", (), 60, above=1.0), Severity.WARNING)


async def test_a_rule_is_asked_once() -> None:
    """Without a label to split it by."""
    source = Values()
    source.by_metric = {"p99_ms": 2.0}
    found = await read_rule(source, RULE, NOW_NS)
    assert found == Reading(True, 2.0, "p99_ms 2 is above 1")


async def test_a_split_rule_is_read_for_each_value() -> None:
    """And says which in its reason."""
    source = Values()
    source.by_route = {"/a": 0.5, "/b": 3.0}
    found = await read_rule(source, replace(RULE, split_by="route"), NOW_NS)
    assert isinstance(found, SplitReading)
    assert {value: each.breached for value, each in found.by_value} == {"/a": False, "/b": True}
    assert found.together().why.endswith("route /b: p99_ms 3 is above 1")


class Counted:
    """Requests of `/a` in the last minute, and of both routes before."""

    async def values(self, ask: Ask) -> Series:
        raise AssertionError(ask)

    async def values_by(self, ask: Ask, label: str) -> dict[str, Series]:
        assert label == "route"
        return {"/a": [5.0]} if ask.end_ns == NOW_NS else {"/b": [7.0], "/a": [3.0]}


async def test_a_value_that_has_not_occurred_was_counted_nought_times() -> None:
    """So its absence is seen, although it is not in one of the answers."""
    rule = Rule("gone", Absence("requests", (), 60, 600), Severity.WARNING, split_by="route")
    found = await read_rule(Counted(), rule, NOW_NS)
    assert isinstance(found, SplitReading)
    breached = {value: each.breached for value, each in found.by_value}
    assert breached == {"/a": False, "/b": True}


async def test_a_split_rule_can_be_tried_on_the_past() -> None:
    """Values that were written down are of all labels together."""
    series = RecordedSeries(start_ns=0, step_s=60, series={"p99_ms": [0.5, 9.0, 9.0, 0.5]})
    found = await back_tested(
        replace(RULE, split_by="route"),
        series,
        start_ns=60 * SECOND_NS,
        end_ns=240 * SECOND_NS,
        every_s=60,
    )
    (alert,) = found.alerts
    assert (alert.instance, found.breached, found.looks) == ("*", 2, 4)
    assert dict(alert.labels)["route"] == "*"
