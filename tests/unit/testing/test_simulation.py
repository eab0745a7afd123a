"""Simulated loads on limits."""

from datetime import UTC, datetime
from typing import Literal

import pytest

from lukhas.errors import ConfigError, LimitSyntaxError
from lukhas.pipeline.stages.limit_rules import LimitRules
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.policies import LimitPolicy
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.testing.arrivals import boundary, bursts, poisson, steady
from lukhas.testing.clock import ManualClock
from lukhas.testing.simulation import Simulation, simulate
from lukhas.units import DAY_NS, SECOND_NS


@pytest.mark.parametrize("store", ["shared", "node"])
def test_workers_that_share_a_store_keep_the_limit_together(
    store: Literal["shared", "node"],
) -> None:
    """No window holds more than the quota, however the requests are spread."""
    found = simulate("60/minute", boundary(60, window_s=60), workers=4, store=store)
    assert found.most_in(60) == 60
    assert found.by_worker == (30, 30, 30, 30)
    assert found.admitted + found.refused == 360


def test_workers_that_share_nothing_each_allow_the_whole_limit() -> None:
    """What a simulation must be able to show, or it would prove nothing."""
    found = simulate("60/minute", bursts(240, every_s=60, times=1), workers=4, store="apart")
    assert found.most_in(60) == 240
    assert found.by_worker == (60, 60, 60, 60)


def test_a_month_passes_in_no_time() -> None:
    """A quota of the calendar starts afresh with the month, and the given clock has moved on."""
    clock = ManualClock()
    clock.set_to(datetime(2026, 1, 1, tzinfo=UTC))
    began_ns = clock.now_ns()
    found = simulate("100/month", steady(400, over_s=40 * 86_400), clock=clock)
    assert found.per_window(31 * 86_400) == (100, 90)
    assert clock.now_ns() == began_ns + found.offered[-1]
    assert found.began_ns == began_ns


def test_rules_may_be_given_whole() -> None:
    """Policies and tiers are those of the rules; what is in shadow mode refuses nothing."""
    limits = parse_limits("2/minute", policy="p")
    rules = LimitRules(
        {Tier.BASIC: parse_limits("5/minute", policy="basic")},
        policies=(LimitPolicy("p", limits, mode=Mode.SHADOW),),
    )
    offered = bursts(9, every_s=1, times=1)
    assert simulate(rules, offered, tier=Tier.BASIC).admitted == 5
    assert simulate(rules, offered, tier=Tier.FREE).admitted == 9


def test_random_loads_stay_below_the_limit_and_near_it() -> None:
    """At twice the limit nearly as many pass as may."""
    found = simulate("60/minute", poisson(2, over_s=1200, seed=7))
    assert found.most_in(60) == 60
    assert found.admitted > 0.9 * 20 * 60


def test_windows_are_counted_wherever_they_begin() -> None:
    """A window holds what came at its begin, not what came at its end."""
    second = SECOND_NS
    offered = (0, 5 * second, 9 * second, 10 * second, 14 * second)
    found = Simulation(DAY_NS, offered, (True, True, True, True, False), 1)
    assert (found.most_in(10), found.most_in(1)) == (3, 1)
    assert found.per_window(10) == (3, 1)
    assert Simulation(0, (), (), 1).per_window(10) == ()
    assert Simulation(0, (), (), 1).most_in(10) == 0


def test_what_cannot_be_simulated_is_refused() -> None:
    """Requests do not end here, time does not go back, and somebody has to work."""
    with pytest.raises(ConfigError, match="cannot be simulated"):
        simulate("5 concurrent", (0,))
    with pytest.raises(ValueError, match="cannot go back"):
        simulate("5/minute", (2, 1))
    with pytest.raises(ValueError, match="0 workers"):
        simulate("5/minute", (0,), workers=0)
    with pytest.raises(LimitSyntaxError):
        simulate("five", (0,))
