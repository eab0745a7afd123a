"""The ways to choose a target."""

import random
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lukhas.policy.balancing.balancer import Balancer, Candidate, ChoiceFacts
from lukhas.policy.balancing.consistent_hash import ConsistentHash
from lukhas.policy.balancing.least_requests import LeastRequests
from lukhas.policy.balancing.loads import Load
from lukhas.policy.balancing.peak_ewma import PeakEwma
from lukhas.policy.balancing.round_robin import RoundRobin
from lukhas.units import MILLISECOND_NS, SECOND_NS

T0 = 1_750_000_000 * SECOND_NS
MAKERS: Sequence[Callable[[], Balancer]] = (
    RoundRobin,
    LeastRequests,
    PeakEwma,
    lambda: ConsistentHash(RoundRobin()),
)


def candidates(*weights: int) -> list[Candidate]:
    return [Candidate(f"t{number}", Load(), weight) for number, weight in enumerate(weights)]


def facts(first: float = 0.0, second: float = 0.0, sticky: bytes = b"") -> ChoiceFacts:
    return ChoiceFacts(first, second, sticky)


def drawn(draws: random.Random, sticky: bytes = b"") -> ChoiceFacts:
    return ChoiceFacts(draws.random(), draws.random(), sticky)


@pytest.mark.parametrize("make", MAKERS)
@given(
    weights=st.lists(st.integers(1, 100), min_size=1, max_size=9),
    choice=st.builds(
        ChoiceFacts,
        st.floats(0, 1, exclude_max=True),
        st.floats(0, 1, exclude_max=True),
        st.binary(max_size=20),
    ),
    busy=st.lists(st.integers(0, 50), min_size=9, max_size=9),
)
def test_a_choice_is_one_of_the_candidates(
    make: Callable[[], Balancer],
    weights: list[int],
    choice: ChoiceFacts,
    busy: list[int],
) -> None:
    """Whatever is drawn, whatever is under way."""
    given_to = candidates(*weights)
    for candidate, in_flight in zip(given_to, busy, strict=False):
        candidate.load.in_flight = in_flight
    chosen = make().choose(given_to, choice, T0)
    assert 0 <= chosen < len(given_to)


def test_round_robin_takes_turns_by_weight() -> None:
    """Exactly by weight in each round, and the turns of the heavy one are spread."""
    balancer, targets = RoundRobin(), candidates(5, 1, 1)
    turns = [balancer.choose(targets, facts(), T0) for _ in range(14)]
    assert turns[:7] == [0, 0, 1, 0, 2, 0, 0]
    assert Counter(turns) == {0: 10, 1: 2, 2: 2}


def test_round_robin_minds_the_share_of_one_that_starts_slowly() -> None:
    """A tenth of its weight is a tenth of its turns."""
    balancer, targets = RoundRobin(), candidates(10, 10)
    targets[1].share = 0.1
    turns = Counter(balancer.choose(targets, facts(), T0) for _ in range(110))
    assert turns == {0: 100, 1: 10}


def test_round_robin_forgets_targets_that_are_gone() -> None:
    """However many come and go."""
    balancer = RoundRobin()
    for number in range(3000):
        balancer.choose([Candidate(f"gone-{number}", Load())], facts(), T0)
    assert len(balancer._gained) <= 1026


@pytest.mark.parametrize("make", [LeastRequests, PeakEwma])
def test_of_two_the_one_with_less_ahead(make: Callable[[], Balancer]) -> None:
    """Over the same latency."""
    targets = candidates(1, 1)
    for target in targets:
        target.load.began()
        target.load.answered(10 * MILLISECOND_NS, T0)
    targets[0].load.in_flight = 3
    draws = random.Random(1)
    assert {make().choose(targets, drawn(draws), T0) for _ in range(50)} == {1}
    targets[0].weight = 10
    assert {make().choose(targets, drawn(draws), T0) for _ in range(50)} == {0}


def test_peak_ewma_leaves_a_slow_target_alone() -> None:
    """And comes back to it once what was seen has faded."""
    targets = candidates(1, 1, 1)
    for target, latency_ms in zip(targets, (500, 10, 10), strict=True):
        target.load.began()
        target.load.answered(latency_ms * MILLISECOND_NS, T0)
    draws = random.Random(2)
    chosen = Counter(PeakEwma().choose(targets, drawn(draws), T0) for _ in range(300))
    assert chosen[0] == 0
    for target in targets[1:]:
        target.load.began()
        target.load.answered(10 * MILLISECOND_NS, T0 + 60 * SECOND_NS)
    later = T0 + 60 * SECOND_NS
    assert PeakEwma().choose(targets, facts(0.0, 0.0), later) == 0


def test_all_targets_that_are_alike_get_their_part() -> None:
    """No target is favoured by its place in the list."""
    targets = candidates(1, 1, 1, 1)
    draws = random.Random(3)
    chosen: Counter[int] = Counter()
    for _ in range(4000):
        index = PeakEwma().choose(targets, drawn(draws), T0)
        chosen[index] += 1
    assert min(chosen.values()) > 800


def test_a_caller_keeps_its_target() -> None:
    """While it can take it; when one target goes, only its own callers move."""
    balancer, targets = ConsistentHash(RoundRobin()), candidates(1, 1, 1, 1)
    callers = [b"caller-%d" % number for number in range(400)]
    before = {caller: balancer.choose(targets, facts(sticky=caller), T0) for caller in callers}
    assert min(Counter(before.values()).values()) > 60
    fewer = targets[:3]
    for caller in callers:
        after = balancer.choose(fewer, facts(sticky=caller), T0)
        assert before[caller] == 3 or after == before[caller]


def test_a_target_with_much_more_than_its_share_is_passed_over() -> None:
    """A caller that is all the traffic does not stay on one target."""
    balancer, targets = ConsistentHash(RoundRobin()), candidates(1, 1, 1, 1)
    for _ in range(100):
        targets[balancer.choose(targets, facts(sticky=b"one"), T0)].load.began()
    in_flight = [target.load.in_flight for target in targets]
    assert sum(in_flight) == 100
    assert max(in_flight) <= 32


def test_weight_counts_for_callers_too() -> None:
    """Three times the weight is three times the callers."""
    balancer, targets = ConsistentHash(RoundRobin()), candidates(3, 1)
    chosen = Counter(
        balancer.choose(targets, facts(sticky=b"c%d" % number), T0) for number in range(4000)
    )
    assert 2.6 < chosen[0] / chosen[1] < 3.4


def test_callers_without_anything_to_bind_them_are_balanced_otherwise() -> None:
    """By the balancer that is given."""
    balancer, targets = ConsistentHash(RoundRobin()), candidates(1, 1)
    assert [balancer.choose(targets, facts(), T0) for _ in range(4)] == [0, 1, 0, 1]
