"""What holds for every history of requests of any tiers."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from lukhas.policy.overload.gate import Gate
from lukhas.policy.overload.gradient import AdaptiveLimit, GradientSettings
from lukhas.policy.overload.shedding import Access, TierShare, decide, guarantees
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.units import MILLISECOND_NS, SECOND_NS

TIERS = len(Tier)


@dataclass(frozen=True)
class Step:
    index: int
    leaves: bool
    later_ms: int
    limit: int | None


SHARES = st.lists(st.integers(0, 20), min_size=TIERS, max_size=TIERS).map(
    lambda percents: tuple(
        TierShare(tier, percent, number)
        for number, (tier, percent) in enumerate(zip(Tier, percents, strict=True))
    )
)
STEPS = st.lists(
    st.builds(
        Step,
        st.integers(0, TIERS - 1),
        st.booleans(),
        st.integers(0, 700),
        st.one_of(st.none(), st.integers(1, 30)),
    ),
    max_size=80,
)


@given(SHARES, st.integers(0, 200))
def test_guarantees_fit_into_the_limit(shares: tuple[TierShare, ...], limit: int) -> None:
    """Never more than there are, none without a share, and none starves where all fit."""
    found = guarantees(shares, limit)
    assert sum(found) <= limit
    for share, slots in zip(shares, found, strict=True):
        assert not slots or share.percent
        assert slots <= max(1, share.percent * limit // 100)
        assert slots or not share.percent or limit < TIERS


@given(SHARES, STEPS, st.integers(1, 30))
def test_no_history_breaks_the_rules(
    shares: tuple[TierShare, ...], steps: list[Step], limit: int
) -> None:
    """Of every single decision: the limit, the guarantees, the lending, and the short way."""
    gate = Gate(GradientSettings(1, 100, limit), shares)
    standing = gate.standing
    now_ns = 0
    for step in steps:
        now_ns += step.later_ms * MILLISECOND_NS
        if step.limit is not None:
            standing.resize(step.limit)
        index = step.index
        if step.leaves:
            if standing.in_flight[index]:
                gate.leave(index)
            continue
        standing.ask(index, now_ns)
        expected = decide(standing, index)
        in_flight, total = standing.in_flight[index], standing.total
        access = gate.enter(index, now_ns)
        assert access is expected
        others_wanted = standing.wanted_total - standing.wanted[index]
        if access.admitted:
            assert total < standing.limit
            assert standing.total == total + 1
        else:
            assert standing.total == total
            # A tier below its guarantee is at worst owed the next slot, and only of a full house.
            if in_flight < standing.guaranteed[index]:
                assert access is Access.OWED
                assert total >= standing.limit
            # Free slots are kept back for nobody but those who lately wanted them.
            assert total >= standing.limit or others_wanted > 0
        assert standing.total == sum(standing.in_flight)
        assert standing.wanted_total == sum(standing.wanted)
        pairs = zip(standing.wanted, standing.in_flight, strict=True)
        assert all(wanted >= had for wanted, had in pairs)


@given(SHARES, STEPS, st.integers(5, 30))
def test_the_guarantee_of_a_tier_that_asks_is_never_lent(
    shares: tuple[TierShare, ...], steps: list[Step], limit: int
) -> None:
    """Once it wanted its guarantee, it gets it within the next second, whatever others do."""
    gate = Gate(GradientSettings(1, 100, limit), shares)
    standing = gate.standing
    now_ns = 0
    # Each asks for its guarantee, has it, and goes.
    for index, slots in enumerate(standing.guaranteed):
        for _ in range(slots):
            assert gate.enter(index, now_ns) is Access.OWN
    for index, slots in enumerate(standing.guaranteed):
        for _ in range(slots):
            gate.leave(index)
    for step in steps:
        now_ns += 1
        gate.enter(step.index, now_ns)
        for index, slots in enumerate(standing.guaranteed):
            if standing.in_flight[index] < slots:
                assert standing.total < standing.limit
                assert decide(standing, index) is Access.OWN


@given(SHARES, st.integers(1, 30), st.integers(0, TIERS - 1))
def test_one_tier_alone_is_never_refused_an_idle_slot(
    shares: tuple[TierShare, ...], limit: int, index: int
) -> None:
    """All shares of the others are lent."""
    gate = Gate(GradientSettings(1, 100, limit), shares)
    found = [gate.enter(index, 0).admitted for _ in range(limit + 1)]
    assert found == [True] * limit + [False]


@given(
    st.lists(
        st.tuples(st.integers(0, 3_000), st.integers(0, 300), st.integers(1, 60), st.booleans()),
        max_size=300,
    ),
    st.integers(1, 20),
    st.integers(0, 60),
)
def test_the_limit_never_leaves_its_bounds(
    answers: list[tuple[int, int, int, bool]], low: int, more: int
) -> None:
    """Whatever the upstream does, in probes too."""
    settings = GradientSettings(
        low, low + more, low + more // 2, window_samples=5, probe_interval_ns=SECOND_NS
    )
    limit = AdaptiveLimit(settings)
    now_ns = SECOND_NS
    for latency_ms, later_ms, in_flight, answered in answers:
        now_ns += later_ms * MILLISECOND_NS
        if answered:
            limit.answered(now_ns - latency_ms * MILLISECOND_NS, now_ns, in_flight)
        else:
            limit.dropped(now_ns, in_flight)
        assert low <= limit.limit <= low + more
        assert low * 1000 <= limit.known.limit_milli <= (low + more) * 1000
