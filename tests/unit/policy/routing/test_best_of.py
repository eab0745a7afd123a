"""Which of several upstreams that do the same a request goes to, by the figures of all."""

from dataclasses import replace

import pytest

from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.routing.best_of import (
    BestOf,
    BestOfFacts,
    BestOfReason,
    UpstreamFigures,
    choose_upstream,
    figures_as_facts,
)

A, B, C = (UpstreamFigures(name, 1, cost_ns=10_000_000, answers=9.0) for name in "abc")
IDLE = replace(C, part=0.0, is_behind=True)
OUT = replace(IDLE, is_failing=True)


def facts(
    *figures: UpstreamFigures, place: float = 0.0, glance: float = 0.99, **more: object
) -> BestOfFacts:
    made = BestOfFacts(figures, (True,) * len(figures), place, glance=glance, look=0.02)
    return replace(made, **more)  # type: ignore[arg-type]


def test_tiers_have_their_upstreams() -> None:
    """One that is for nobody in particular is for all."""
    best_of = BestOf("r", ("a", "b"), (1, 1), (frozenset(), frozenset((Tier.PREMIUM,))))
    assert best_of.allowed(Tier.FREE) == (True, False)
    assert best_of.allowed(Tier.PREMIUM) == (True, True)
    assert replace(best_of, tiers=()).allowed(Tier.FREE) == (True, True)


def test_one_that_is_not_fit_or_not_allowed_gets_nothing() -> None:
    """If only one is left it gets all, whatever its part."""
    unfit = replace(A, is_fit=False)
    assert choose_upstream(facts(unfit, B)) == (1, BestOfReason.ONLY)
    assert choose_upstream(facts(A, OUT, allowed=(False, True))) == (1, BestOfReason.ONLY)


def test_if_none_is_fit_all_are_used() -> None:
    """As with servers: it is more likely that the view is wrong. But only those it may use."""
    unfit = [replace(each, is_fit=False) for each in (A, B, C)]
    chosen = {choose_upstream(facts(*unfit, place=place))[0] for place in (0.1, 0.5, 0.9)}
    assert chosen == {0, 1, 2}
    mine = facts(*unfit, allowed=(False, True, False))
    assert choose_upstream(mine) == (1, BestOfReason.ONLY)


def test_a_drained_one_gets_nothing_even_if_others_are_unfit() -> None:
    """As long as any other is allowed."""
    drained = replace(A, weight=0)
    unfit = [replace(each, is_fit=False) for each in (B, C)]
    assert choose_upstream(facts(drained, *unfit, place=0.0))[0] == 1
    assert choose_upstream(facts(drained, B, place=0.0)) == (1, BestOfReason.ONLY)


@pytest.mark.parametrize(("place", "index"), [(0.0, 0), (0.66, 0), (0.67, 1), (0.999, 1)])
def test_requests_are_drawn_by_weight_and_part(place: float, index: int) -> None:
    """Twice the weight at half the part counts as one."""
    heavy, light = replace(A, weight=4, part=0.5), B
    found = choose_upstream(facts(heavy, light, place=place, glance=place))
    assert found == (index, BestOfReason.PART)


def test_what_rounding_leaves_over_goes_to_the_last_that_gets_any() -> None:
    """Never to one that gets nothing."""
    found = choose_upstream(facts(A, B, replace(IDLE, name="c"), place=1.0, glance=1.0))
    assert found == (1, BestOfReason.PART)


def test_of_two_drawn_the_one_with_less_ahead() -> None:
    """What an answer costs times requests in flight, by weight; if all is equal, the first."""
    quick, slow = A, replace(B, cost_ns=30_000_000)
    both = facts(quick, slow, place=0.9, glance=0.1)
    assert choose_upstream(both) == (1, BestOfReason.PART)
    assert choose_upstream(replace(both, in_flight=(0, 0))) == (0, BestOfReason.BUSIER)
    assert choose_upstream(replace(both, in_flight=(2, 0))) == (1, BestOfReason.PART)
    heavy = replace(both, upstreams=(quick, replace(slow, weight=30)), in_flight=(0, 5))
    assert choose_upstream(heavy) == (1, BestOfReason.PART)


@pytest.mark.parametrize(
    ("glance", "found"),
    [(0.019, (2, BestOfReason.LOOK)), (0.02, (0, BestOfReason.PART))],
)
def test_a_few_look_at_one_that_is_slow(glance: float, found: tuple[int, BestOfReason]) -> None:
    """So many of a hundred, for each that gets nothing otherwise."""
    assert choose_upstream(facts(A, B, IDLE, glance=glance)) == found


def test_each_that_is_slow_is_looked_at() -> None:
    """Twice as many look where there are two."""
    two = [replace(IDLE, name=name) for name in "xy"]
    found = [choose_upstream(facts(A, *two, glance=at))[0] for at in (0.0, 0.019, 0.021, 0.039)]
    assert found == [1, 1, 2, 2]
    assert choose_upstream(facts(A, *two, glance=0.041)) == (0, BestOfReason.PART)


def test_one_that_fails_is_looked_at_only_when_that_is_due() -> None:
    """A look that fails is a request that fails."""
    assert choose_upstream(facts(A, OUT, glance=0.0)) == (0, BestOfReason.PART)
    assert choose_upstream(facts(A, OUT, due="c")) == (1, BestOfReason.LOOK)
    # Not where the tier may not go there, nor where it is not fit.
    assert choose_upstream(facts(A, B, OUT, due="c", allowed=(True, True, False)))[0] == 0
    assert choose_upstream(facts(A, B, replace(OUT, is_fit=False), due="c"))[0] == 0


def test_who_is_bound_looks_only_when_nobody_else_has() -> None:
    """Else a caller would not stay."""
    bound = facts(A, IDLE, glance=0.0, is_bound=True)
    assert choose_upstream(bound) == (0, BestOfReason.BOUND)
    assert choose_upstream(replace(bound, due="c")) == (1, BestOfReason.LOOK)


def test_who_is_bound_stays_however_much_is_ahead() -> None:
    """That is what it was asked for."""
    places = [number / 50 for number in range(50)]

    def chosen(in_flight: tuple[int, ...]) -> list[int]:
        return [
            choose_upstream(facts(A, B, place=at, is_bound=True, in_flight=in_flight))[0]
            for at in places
        ]

    assert chosen((0, 9)) == chosen((9, 0))
    assert set(chosen(())) == {0, 1}


def test_if_none_gets_anything_it_goes_by_weight() -> None:
    """Someone has to."""
    three = replace(OUT, name="d", weight=3)
    assert choose_upstream(facts(OUT, three, place=0.2, glance=0.2)) == (0, BestOfReason.ALL_OUT)
    assert choose_upstream(facts(OUT, three, place=0.3, glance=0.3)) == (1, BestOfReason.ALL_OUT)


def test_figures_in_words() -> None:
    """Without those that nothing is known of."""
    new = UpstreamFigures("new", 2)
    bad = UpstreamFigures(
        "bad", 1, 0.25, 20_500_000, 0.125, answers=8.0, is_behind=True, is_fit=False
    )
    assert figures_as_facts((new, bad)) == (
        ("new", "part 100% of weight 2"),
        ("bad", "part 25% of weight 1, 20.5 ms, 12.5% failed, behind, no fit server"),
    )
