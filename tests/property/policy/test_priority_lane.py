"""What holds for a priority lane whatever comes: nobody is lost, and nobody is starved."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from lukhas.policy.balancing.balancer import Candidate, ChoiceFacts
from lukhas.policy.balancing.loads import Load
from lukhas.policy.balancing.peak_ewma import PeakEwma
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.routing.priority_lane import LaneBalancer, LaneQueue, LaneTally, LaneTerms
from lukhas.units import MILLISECOND_NS, SECOND_NS

T0 = 1_750_000_000 * SECOND_NS
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.booleans()),
        st.tuples(st.just("take"), st.just(False)),
        st.tuples(st.just("leave"), st.integers(0, 20)),
    ),
    max_size=60,
)
FRACTIONS = st.floats(0, 0.999)


@given(EVENTS, st.integers(1, 6))
def test_each_waits_a_bounded_number_of_turns(events: list[tuple[str, int]], every: int) -> None:
    """At most (k + 1) * `every` connections, where k waited before; and each is taken once."""
    queue: LaneQueue[int] = LaneQueue(every)
    before: dict[int, int] = {}
    turns: dict[int, int] = {}
    taken: list[int] = []
    left: list[int] = []
    for number, (event, what) in enumerate([*events, *[("take", 0)] * len(events)]):
        if event == "add":
            before[number], turns[number] = len(queue), 0
            queue.add(number, is_prior=bool(what))
        elif event == "leave":
            waiting = list(queue)
            if waiting:
                left.append(waiting[what % len(waiting)])
                assert queue.discard(left[-1])
        else:
            for each in queue:
                turns[each] += 1
            found = queue.take()
            if found is not None:
                taken.append(found)
                assert turns[found] <= (before[found] + 1) * every
        for each in queue:
            assert turns[each] < (before[each] + 1) * every
    assert sorted(taken + left) == sorted(before)
    assert len(queue) == 0


@given(st.lists(st.booleans(), max_size=30), st.integers(1, 6))
def test_in_the_lane_and_beside_it_the_first_comes_first(waiting: list[bool], every: int) -> None:
    """And of each `every` that are taken while both wait, one has waited longest."""
    tally = LaneTally()
    queue: LaneQueue[int] = LaneQueue(every, tally)
    for number, is_prior in enumerate(waiting):
        queue.add(number, is_prior=is_prior)
    order: list[int] = []
    row = 0
    while (left := list(queue)) and (found := queue.take()) is not None:
        order.append(found)
        row = 0 if found == left[0] else row + 1
        assert row < every
    assert len(order) == len(waiting)
    for is_prior in (False, True):
        own = [number for number in order if waiting[number] is is_prior]
        assert own == sorted(own)


def candidates_of(latencies_ms: Sequence[int]) -> list[Candidate]:
    candidates = [Candidate(str(number), Load()) for number in range(len(latencies_ms))]
    for candidate, latency_ms in zip(candidates, latencies_ms, strict=True):
        candidate.load.began()
        candidate.load.answered(latency_ms * MILLISECOND_NS, T0)
    return candidates


@given(
    st.lists(st.integers(1, 100), min_size=1, max_size=6),
    st.lists(st.tuples(st.booleans(), FRACTIONS, FRACTIONS, st.integers(0, 400)), max_size=30),
    st.sampled_from((0.0, 0.1, 0.25, 0.5, 0.9)),
    st.sampled_from((1.0, 1.5, 2.0, 5.0)),
)
def test_giving_way_is_bounded(
    latencies_ms: list[int],
    requests: list[tuple[bool, float, float, int]],
    give_way: float,
    most_times: float,
) -> None:
    """The lane gets the least cost; of n others in a row at most n * `give_way` + 1 give way.

    Each to a target that is at most `most_times` as costly as the one it would have got.
    """
    candidates = candidates_of(latencies_ms)
    terms = LaneTerms(frozenset((Tier.PREMIUM,)), give_way=give_way, most_times=most_times)
    tally = LaneTally()
    balancer = LaneBalancer(PeakEwma(), terms, tally)
    now_ns = T0
    gave: list[bool] = []
    for is_prior, first, second, step_ms in requests:
        now_ns += step_ms * MILLISECOND_NS
        facts = ChoiceFacts(first, second, is_prior=is_prior)
        costs = [candidate.load.cost(now_ns) for candidate in candidates]
        as_ever = PeakEwma().choose(candidates, facts, now_ns)
        before = tally.gave_way
        chosen = balancer.choose(candidates, facts, now_ns)
        candidates[chosen].load.began()
        if is_prior:
            assert costs[chosen] == min(costs)
            continue
        gave.append(tally.gave_way > before)
        if gave[-1]:
            assert costs[as_ever] == min(costs)
            assert chosen != as_ever
            assert costs[chosen] <= most_times * costs[as_ever]
        else:
            assert chosen == as_ever
    for begin in range(len(gave)):
        for end in range(begin, len(gave)):
            assert sum(gave[begin : end + 1]) <= (end + 1 - begin) * give_way + 1
