"""The balancers and what is done about failures, in the simulation of `benchmarks.balancing`."""

import pytest

from benchmarks.balancing import Scenario, simulated
from lukhas.policy.balancing.peak_ewma import PeakEwma
from lukhas.policy.balancing.round_robin import RoundRobin


@pytest.mark.parametrize(("slow", "use", "bound"), [(3.0, 0.3, 0.6), (10.0, 0.08, 0.2)])
def test_peak_ewma_keeps_clear_of_a_slow_target(slow: float, use: float, bound: float) -> None:
    """The 99th percentile is a fraction of that of round robin."""
    scenario = Scenario(slow=slow, use=use, requests=8_000)
    ours, theirs = simulated(scenario, PeakEwma()), simulated(scenario, RoundRobin())
    assert ours.at(0.99) <= bound * theirs.at(0.99)
    assert len(ours.taken_ms) == scenario.requests


def test_ejection_and_retries_hide_a_target_that_fails() -> None:
    """Of a fifth of all requests that would fail, none do."""
    plain = simulated(Scenario(failing=0.9, requests=6_000), RoundRobin())
    assert plain.failed > 1200
    helped = simulated(Scenario(failing=0.9, requests=6_000, ejects=True, tries=2), RoundRobin())
    assert helped.failed == 0
    assert helped.sent <= 1.01 * 6_000


def test_retries_do_not_make_an_outage_worse() -> None:
    """A fifth more requests, and a few a second, though each might be sent three times."""
    scenario = Scenario(failing=1.0, targets=1, tries=3, requests=6_000)
    outcome = simulated(scenario, RoundRobin())
    assert outcome.failed == scenario.requests
    assert outcome.sent <= 1.22 * scenario.requests
