"""Rules with an alert for each value of a label, whatever is breached when."""

from hypothesis import given
from hypothesis import strategies as st

from lukhas.policy.alerting.alerts import Alert, AlertState
from lukhas.policy.alerting.conditions import Reading, Threshold
from lukhas.policy.alerting.rules import Rule, Severity
from lukhas.policy.alerting.splits import SplitReading, observed_all
from lukhas.units import SECOND_NS

VALUES = ("/a", "/b", "/c", "/d", "/e")

looks = st.lists(
    st.none() | st.dictionaries(st.sampled_from(VALUES), st.booleans(), max_size=5), max_size=20
)


@given(
    looks,
    st.integers(1, 4),
    st.sampled_from((0, 15)),
    st.sampled_from((0, 15)),
)
def test_alerts_of_values_are_few_and_each_lives_once(
    given_looks: list[dict[str, bool] | None], most: int, for_s: int, keep_firing_s: int
) -> None:
    """One open alert a value, no more than allowed, never one again after its end."""
    rule = Rule(
        "r",
        Threshold("p99_ms", (), 60, above=1.0),
        Severity.WARNING,
        for_s=for_s,
        keep_firing_s=keep_firing_s,
        split_by="route",
        most_alerts=most,
    )
    known: list[Alert] = []
    ended: set[str] = set()
    for number, look in enumerate(given_looks):
        now_ns = (1000 + 10 * number) * SECOND_NS
        found = None
        if look is not None:
            by_value = tuple((value, Reading(bad, 1.0, "x")) for value, bad in look.items())
            found = SplitReading("route", by_value)
        after = observed_all(rule, known, found, now_ns)
        if found is None:
            assert after == known
        assert len({alert.instance for alert in after}) == len(after) <= most
        assert not {alert.id for alert in after} & ended
        for alert in after:
            assert dict(alert.labels)["route"] == alert.instance
            if look is not None and look.get(alert.instance):
                assert alert.state is not AlertState.RESOLVED
        ended |= {alert.id for alert in after if alert.state is AlertState.RESOLVED}
        known = [alert for alert in after if alert.state is not AlertState.RESOLVED]
