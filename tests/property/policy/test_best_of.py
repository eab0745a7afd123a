"""What holds for a choice among upstreams whatever they do, and that it can be made again."""

from dataclasses import replace

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from lukhas.policy.explain.records import BestOfChoice, DecisionRecord
from lukhas.policy.explain.reevaluation import reevaluate
from lukhas.policy.routing.best_of import (
    BestOf,
    BestOfFacts,
    BestOfReason,
    UpstreamFigures,
    choose_upstream,
)
from lukhas.policy.routing.upstream_race import UpstreamRace
from lukhas.units import MILLISECOND_NS, SECOND_NS

T0 = 1_750_000_000 * SECOND_NS
PLACES = st.floats(0, 1, exclude_max=True)
PARTS = st.one_of(st.just(0.0), st.just(1.0), st.floats(0.05, 1.0))


@st.composite
def some_facts(draw: st.DrawFn) -> BestOfFacts:
    """Two to five upstreams in any state; at least one may be used."""
    count = draw(st.integers(2, 5))
    figures = tuple(
        UpstreamFigures(
            f"u{index}",
            draw(st.integers(0, 5)),
            part=draw(PARTS),
            cost_ns=draw(st.integers(0, SECOND_NS)),
            is_failing=draw(st.booleans()),
            is_fit=draw(st.booleans()),
        )
        for index in range(count)
    )
    allowed = [draw(st.booleans()) for _ in range(count)]
    sure = draw(st.integers(0, count - 1))
    allowed[sure] = True
    figures = tuple(
        replace(each, weight=max(1, each.weight)) if index == sure else each
        for index, each in enumerate(figures)
    )
    return BestOfFacts(
        figures,
        tuple(allowed),
        draw(PLACES),
        draw(st.booleans()),
        draw(PLACES),
        draw(st.floats(0, 0.2)),
        draw(st.sampled_from(["", *(each.name for each in figures)])),
        tuple(draw(st.integers(0, 50)) for _ in range(count)),
    )


@given(some_facts())
def test_only_what_may_be_used_is_chosen(facts: BestOfFacts) -> None:
    """Never one that its tier may not use or that is drained; and one that is fit if any is."""
    index, reason = choose_upstream(facts)
    chosen = facts.upstreams[index]
    mine = [
        each
        for each, allowed in zip(facts.upstreams, facts.allowed, strict=True)
        if allowed and each.weight
    ]
    assert chosen in mine
    fit = [each for each in mine if each.is_fit]
    assert chosen.is_fit or not fit
    if any(each.part for each in fit) and reason is not BestOfReason.ONLY:
        assert (chosen.part == 0) is (reason is BestOfReason.LOOK)


@given(some_facts())
def test_a_record_of_it_is_decided_again(facts: BestOfFacts) -> None:
    """To the same upstream for the same reason, through bytes and back."""
    index, reason = choose_upstream(facts)
    choice = BestOfChoice(facts, facts.upstreams[index].name, reason.value)
    record = DecisionRecord("id", T0, "slow", "GET", "a", "/", "", 200, 1, best_of=choice)
    data = msgspec.msgpack.encode(record)
    read = msgspec.msgpack.decode(data, type=DecisionRecord)
    assert read == record
    (again,) = reevaluate(read)
    assert (again.stage, again.same) == ("best_of", True)


@given(
    st.lists(st.floats(0.05, 1.0), min_size=3, max_size=3),
    st.integers(0, 2),
    st.floats(0.05, 1.0),
    st.lists(PLACES, min_size=20, max_size=20),
)
def test_who_is_bound_moves_only_where_a_part_changes(
    parts: list[float], changed: int, part: float, places: list[float]
) -> None:
    """Away from one that shrinks, or to one that grows; all others stay."""
    figures = [UpstreamFigures(f"u{at}", 1, part=each) for at, each in enumerate(parts)]
    after = [replace(each, part=part) if at == changed else each for at, each in enumerate(figures)]

    def found(these: list[UpstreamFigures], place: float) -> int:
        return choose_upstream(BestOfFacts(tuple(these), (True,) * 3, place, is_bound=True))[0]

    for place in places:
        was, now = found(figures, place), found(after, place)
        if was != now:
            assert changed == (was if part < parts[changed] else now)


STEPS = st.lists(
    st.tuples(PLACES, PLACES, st.integers(0, 3000), st.integers(0, 400), st.booleans()),
    max_size=80,
)


@given(STEPS)
def test_parts_stay_parts_whatever_comes(
    steps: list[tuple[float, float, int, int, bool]],
) -> None:
    """From 0 to 1; nothing is left in flight; and somebody always gets a part after answers."""
    race = UpstreamRace(BestOf("r", ("a", "b"), (1, 2)), lambda _name: True)
    now_ns = T0
    for place, glance, gap_ms, took_ms, failed in steps:
        now_ns += (gap_ms - 100) * MILLISECOND_NS
        chosen = race.choose((True, True), now_ns, place=place, glance=glance, is_bound=failed)
        race.began(chosen.index, now_ns)
        race.answered(chosen.index, took_ms * MILLISECOND_NS, now_ns, failed=failed)
        for each in race.figures(now_ns):
            assert 0.0 <= each.part <= 1.0
            assert 0.0 <= each.failed <= 1.0
            assert each.latency_ns >= 0
    chosen = race.choose((True, True), now_ns, place=0.0, glance=0.5, is_bound=False)
    assert chosen.facts.in_flight == (0, 0)
