"""The lane of higher tiers: who is in it, who is next, and which target it gets."""

from collections.abc import Sequence

import pytest

from benchmarks.priority_lane import TERMS, LaneScenario, simulated
from lukhas.policy.balancing.balancer import Candidate, ChoiceFacts
from lukhas.policy.balancing.loads import Load
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.routing.priority_lane import (
    LaneBalancer,
    LaneFacts,
    LaneQueue,
    LaneTally,
    LaneTerms,
)
from lukhas.units import MILLISECOND_NS, SECOND_NS

T0 = 1_750_000_000 * SECOND_NS
PRIOR = ChoiceFacts(0.0, 0.0, is_prior=True)
OTHER = ChoiceFacts(0.0, 0.0)


def candidate(latency_ms: int, weight: int = 1) -> Candidate:
    load = Load()
    load.began()
    load.answered(latency_ms * MILLISECOND_NS, T0)
    return Candidate(f"{latency_ms} ms", load, weight)


class Always:
    """A balancer that chooses the same one each time."""

    def __init__(self, index: int) -> None:
        self.index = index

    def choose(self, candidates: Sequence[Candidate], facts: ChoiceFacts, now_ns: int) -> int:
        return self.index


def test_who_is_in_the_lane() -> None:
    """Some tiers with everything, all tiers with some routes."""
    terms = LaneTerms(frozenset((Tier.PREMIUM,)), frozenset(("checkout",)))
    assert terms.holds(Tier.PREMIUM, "items")
    assert terms.holds(Tier.FREE, "checkout")
    assert not terms.holds(Tier.ENTERPRISE, "items")


def test_the_lane_goes_first_but_for_one_in_four() -> None:
    """That one goes to who has waited longest, and a tally tells of both."""
    tally = LaneTally()
    queue: LaneQueue[str] = LaneQueue(4, tally)
    for number in range(3):
        queue.add(f"free {number}")
        queue.add(f"prior {number}", is_prior=True)
    for number in range(3, 6):
        queue.add(f"prior {number}", is_prior=True)
    assert len(queue) == 9
    assert next(iter(queue)) == "free 0"
    taken = [queue.take() for _ in range(10)]
    assert taken == [
        *("prior 0", "prior 1", "prior 2", "free 0"),
        *("prior 3", "prior 4", "prior 5", "free 1", "free 2", None),
    ]
    # At the end nobody of the lane waited any more.
    assert (tally.overtook, tally.yielded) == (6, 1)


def test_who_of_the_lane_has_waited_longest_has_overtaken_nobody() -> None:
    """And the row of those who did begins again."""
    tally = LaneTally()
    queue: LaneQueue[str] = LaneQueue(2, tally)
    queue.add("prior", is_prior=True)
    queue.add("free")
    queue.add("late", is_prior=True)
    assert [queue.take() for _ in range(3)] == ["prior", "late", "free"]
    assert (tally.overtook, tally.yielded) == (1, 0)


def test_without_a_lane_it_is_first_come_first_served() -> None:
    """Whoever says he is prior."""
    queue: LaneQueue[int] = LaneQueue()
    for number in range(4):
        queue.add(number, is_prior=number % 2 == 1)
    assert [queue.take() for _ in range(4)] == [0, 1, 2, 3]


def test_who_leaves_waits_no_longer() -> None:
    """It is told whether he waited; one who looks the same stays."""
    queue: LaneQueue[list[int]] = LaneQueue(4)
    one: list[int] = []
    same: list[int] = []
    queue.add(same, is_prior=True)
    queue.add(one)
    assert queue.discard(one)
    assert not queue.discard(one)
    assert queue.take() is same


def test_the_lane_gets_the_best_of_all() -> None:
    """By latency, requests in flight and weight; whatever the others' balancer would say."""
    candidates = [candidate(30), candidate(10), candidate(50, weight=10), candidate(20)]
    balancer = LaneBalancer(Always(0), TERMS, LaneTally())
    assert balancer.choose(candidates, PRIOR, T0) == 2
    for _ in range(4):
        candidates[2].load.began()
    assert balancer.choose(candidates, PRIOR, T0) == 1


def test_every_second_leaves_the_best_to_the_lane() -> None:
    """While the lane is in use, and the next best is at most twice as costly."""
    candidates = [candidate(10), candidate(15), candidate(30)]
    tally = LaneTally()
    balancer = LaneBalancer(Always(0), TERMS, tally)
    assert [balancer.choose(candidates, OTHER, T0) for _ in range(4)] == [0, 0, 0, 0]
    balancer.choose(candidates, PRIOR, T0)
    assert [balancer.choose(candidates, OTHER, T0) for _ in range(6)] == [0, 1, 0, 1, 0, 1]
    assert tally.gave_way == 3
    later_ns = T0 + SECOND_NS
    assert [balancer.choose(candidates, OTHER, later_ns) for _ in range(4)] == [0, 0, 0, 0]
    balancer.choose(candidates, PRIOR, later_ns)
    assert [balancer.choose(candidates, OTHER, later_ns) for _ in range(2)] == [0, 1]


@pytest.mark.parametrize("others_ms", [(), (21,), (90, 30)])
def test_nobody_gives_way_to_his_harm(others_ms: tuple[int, ...]) -> None:
    """Where there is no other target, or each is more than twice as costly."""
    candidates = [candidate(10), *map(candidate, others_ms)]
    tally = LaneTally()
    balancer = LaneBalancer(Always(0), TERMS, tally)
    balancer.choose(candidates, PRIOR, T0)
    assert {balancer.choose(candidates, OTHER, T0) for _ in range(9)} == {0}
    assert tally.gave_way == 0


def test_what_the_lane_did_is_told_once() -> None:
    """Of who is in it and of who gives way; where it did nothing there is nothing to tell."""
    candidates = [candidate(10), candidate(15, weight=2)]
    tally = LaneTally()
    balancer = LaneBalancer(Always(1), TERMS, tally)
    balancer.choose(candidates, PRIOR, T0)
    costs = (10.0 * MILLISECOND_NS, 7.5 * MILLISECOND_NS)
    assert tally.take_last() == LaneFacts(("10 ms", "15 ms"), costs, 1)
    assert tally.take_last() is None
    for told in (None, LaneFacts(("10 ms", "15 ms"), costs, 0, 1, 2.0)):
        balancer.choose(candidates, OTHER, T0)
        assert tally.take_last() == told
    assert told is not None
    assert told.verdict().reason == "leaves the best server to others, and gets 10 ms"
    assert told.verdict().facts == (("10 ms ms ahead", 10.0), ("15 ms ms ahead", 7.5))


def test_who_has_another_target_stays_there() -> None:
    """Only the best is left to the lane."""
    candidates = [candidate(10), candidate(11), candidate(12)]
    balancer = LaneBalancer(Always(2), TERMS, LaneTally())
    balancer.choose(candidates, PRIOR, T0)
    assert {balancer.choose(candidates, OTHER, T0) for _ in range(9)} == {2}


@pytest.mark.parametrize("is_prior", [False, True])
def test_who_is_bound_to_a_target_stays_there(*, is_prior: bool) -> None:
    """In the lane or not."""
    candidates = [candidate(10), candidate(11)]
    balancer = LaneBalancer(Always(0), TERMS, LaneTally())
    bound = ChoiceFacts(0.0, 0.0, b"caller", is_prior)
    balancer.choose(candidates, PRIOR, T0)
    assert {balancer.choose(candidates, bound, T0) for _ in range(9)} == {0}


@pytest.mark.parametrize(
    ("scenario", "prior", "free"),
    [
        (LaneScenario(slow=(4.0, 3.0, 1.0, 1.0), requests=3_000), 0.7, 1.4),
        (LaneScenario(slow=(1.0,), use=0.97, requests=3_000), 0.5, 1.3),
    ],
)
def test_higher_tiers_gain_and_others_lose_little(
    scenario: LaneScenario, prior: float, free: float
) -> None:
    """In the simulation of `benchmarks.priority_lane`, by the 99th percentile."""
    plain, lane = simulated(scenario, None), simulated(scenario, TERMS)
    assert lane.at(Tier.PREMIUM, 0.99) <= prior * plain.at(Tier.PREMIUM, 0.99)
    assert lane.at(Tier.FREE, 0.99) <= free * plain.at(Tier.FREE, 0.99)
    assert sum(map(len, lane.taken_ms.values())) == scenario.requests
