"""Twice the load that an origin can do: what the gate makes of it."""

import pytest

from lukhas.policy.overload.gate import Gate
from lukhas.policy.overload.gradient import GradientSettings
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.units import MILLISECOND_NS, SECOND_NS
from tests.unit.policy.overload.simulation import SHARES, Simulation, even, simulate, slots

SHAPES = [(8, 20), (40, 50), (8, 200), (2, 20)]


def test_without_protection_nobody_gets_anything() -> None:
    """The queue grows and grows, and every answer comes too late."""
    outcome = simulate(slots(), even(2.0), settings=None)
    assert all(outcome.goodput(tier) < 0.01 for tier in Tier)


@pytest.mark.parametrize(("servers", "service_ms"), SHAPES)
def test_at_twice_the_load_the_top_tier_is_served_and_no_tier_starves(
    servers: int, service_ms: int
) -> None:
    """The top tier keeps 95 %, FREE something, the origin stays busy, and latency is bounded."""
    outcome = simulate(slots(servers, service_ms), even(2.0), settings=GradientSettings())
    goodput = [outcome.goodput(tier) for tier in Tier]
    assert goodput[-1] >= 0.95
    assert goodput[0] > 0.02
    # Each tier fares at least about as well as those below; the lowest two have one slot each.
    assert goodput[1] > goodput[0] - 0.05
    assert goodput[1:] == sorted(goodput[1:])
    assert sum(goodput) * 2 / len(Tier) > 0.93
    # No more than the queue that a minimum of ten makes for an origin that does two at once.
    limit = max(4 * service_ms, 16 * service_ms * (servers < 4)) + 20
    assert max(outcome.p99_ns(tier) for tier in Tier) < limit * MILLISECOND_NS
    assert outcome.least_room >= 0


def test_a_flood_from_free_does_not_touch_the_others() -> None:
    """What the others ask for is theirs, however much FREE wants."""
    load = [(Tier.FREE, 3.0), (Tier.BASIC, 0.05), (Tier.PREMIUM, 0.1), (Tier.ENTERPRISE, 0.3)]
    outcome = simulate(slots(16, 20), load, settings=GradientSettings())
    assert outcome.goodput(Tier.ENTERPRISE) >= 0.99
    assert outcome.goodput(Tier.PREMIUM) >= 0.97
    assert outcome.goodput(Tier.BASIC) >= 0.95
    # FREE gets all that is left.
    assert outcome.goodput(Tier.FREE) * 3.0 > 0.45


@pytest.mark.parametrize(("servers", "service_ms"), [*SHAPES, (1, 2)])
def test_below_capacity_nobody_is_refused(servers: int, service_ms: int) -> None:
    """At four fifths of what the origin can do, all tiers get all."""
    outcome = simulate(slots(servers, service_ms), even(0.8), settings=GradientSettings())
    refused = 1 - sum(outcome.answered.values()) / sum(outcome.offered.values())
    assert refused < 0.005


def test_the_limit_finds_the_capacity_from_either_side() -> None:
    """Too low or too high at the start, it ends near what the origin does at once, and a queue."""
    ends = []
    for initial in (10, 1000):
        settings = GradientSettings(initial_limit=initial)
        limits = simulate(slots(20, 20), even(2.0), settings=settings).limits
        ends.append(sorted(limits[len(limits) // 2 :])[len(limits) // 4])
    assert all(20 <= end <= 90 for end in ends)


def test_work_that_becomes_slower_is_no_overload_for_long() -> None:
    """An origin with room that takes ten times as long from now on gets its requests again."""
    gate = Gate(GradientSettings(), SHARES)
    origin = slots(200, 5)
    load = [(Tier.PREMIUM, 0.02)]
    before = Simulation(origin, load, gate)
    before.run(0, 10 * SECOND_NS)
    assert before.outcome.goodput(Tier.PREMIUM) == pytest.approx(1, abs=0.01)
    origin.service_ns *= 20
    after = Simulation(origin, load, gate, rates=before.rates)
    after.run(10 * SECOND_NS, 40 * SECOND_NS, warm_ns=20 * SECOND_NS)
    assert after.outcome.goodput(Tier.PREMIUM) > 0.97
