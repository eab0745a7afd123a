"""What a rule would have said."""

from lukhas.analytics.alerts.back_test import BackTest, back_tested
from lukhas.analytics.alerts.recorded_series import RecordedSeries
from lukhas.policy.alerting.alerts import AlertState
from lukhas.policy.alerting.conditions import Threshold
from lukhas.policy.alerting.rules import Rule, Severity
from lukhas.units import SECOND_NS

# Two minutes of trouble, and one minute later a trouble that does not end.
LATENCY = [1.0] * 5 + [9.0] * 12 + [1.0] * 6 + [9.0] * 7


async def tried(*, for_s: int = 0, keep_firing_s: int = 0) -> BackTest:
    source = RecordedSeries(start_ns=0, step_s=10, series={"p99_ms": LATENCY})
    condition = Threshold("p99_ms", (), 10, above=5.0)
    slow = Rule("slow", condition, Severity.WARNING, for_s=for_s, keep_firing_s=keep_firing_s)
    return await back_tested(
        slow, source, start_ns=10 * SECOND_NS, end_ns=300 * SECOND_NS, every_s=10
    )


async def test_alerts_as_they_would_have_been() -> None:
    """With the times at which they would have fired and ended."""
    found = await tried()
    assert (found.looks, found.breached, found.firing_s) == (30, 19, 120.0)
    first, second = found.alerts
    assert (first.fired_ns, first.resolved_ns) == (60 * SECOND_NS, 180 * SECOND_NS)
    assert second.state is AlertState.FIRING


async def test_for_and_keep_firing_hold() -> None:
    """A longer `for` hears less, a longer keep-firing makes one alert of two."""
    assert len((await tried(for_s=90)).alerts) == 1
    assert (await tried(for_s=600)).alerts == ()
    assert len((await tried(keep_firing_s=100)).alerts) == 1
