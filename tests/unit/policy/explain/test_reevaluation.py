"""Records, decided again: the same facts give the same verdict, and others do not."""

from dataclasses import replace

import pytest

from lukhas.http.cache_control import CacheControl
from lukhas.policy.caching.freshness import Freshness
from lukhas.policy.caching.terms import ReuseTerms
from lukhas.policy.explain.limit_facts import facts_of_limits
from lukhas.policy.explain.records import (
    BestOfChoice,
    CacheFacts,
    DecisionRecord,
    RouteFacts,
    SplitFacts,
)
from lukhas.policy.explain.reevaluation import Reevaluated, reevaluate, stage_record
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.decisions import decide
from lukhas.policy.routing.best_of import BestOfFacts, UpstreamFigures
from lukhas.policy.routing.priority_lane import LaneFacts
from lukhas.units import SECOND_NS
from tests.unit.policy.explain.test_limit_facts import NOW_NS, plan_of

TERMS = ReuseTerms(Freshness(NOW_NS, 0, 60 * SECOND_NS, "max-age"), False, False, 0, True, True)
RECORD = DecisionRecord(
    request_id="id-1",
    time_ns=NOW_NS,
    why="sampled",
    method="GET",
    host="shop.test",
    path="/items/7",
    query="",
    status=200,
    took_ns=1,
)


def only(record: DecisionRecord) -> Reevaluated:
    (found,) = reevaluate(record)
    return found


def test_a_record_without_facts_is_not_decided_again() -> None:
    """Nothing is claimed of it."""
    assert reevaluate(RECORD) == ()


@pytest.mark.parametrize(
    ("facts", "evaluated"),
    [
        (RouteFacts("items", "/items/{id}", ("shop.test",), ("GET",)), "items"),
        (RouteFacts("items", "/items/{id}", ("other.test",)), "no match"),
        (RouteFacts("items", "/items/{id}", (), ("POST",)), "no match"),
        (RouteFacts("items", "/orders/{id}"), "no match"),
        (RouteFacts("items", "*"), "items"),
        (RouteFacts("items", "*", ("other.test",)), "no match"),
    ],
)
def test_a_route_matches_by_host_method_and_path(facts: RouteFacts, evaluated: str) -> None:
    """As the table of routes has it."""
    found = only(replace(RECORD, route=facts))
    assert found == Reevaluated("route", "items", evaluated)
    assert found.same is (evaluated == "items")


def test_a_split_is_chosen_by_its_place() -> None:
    """Another place chooses another part."""
    facts = SplitFacts(("default", "canary"), (50, 50), 0.7, "canary")
    assert only(replace(RECORD, split=facts)).same
    assert not only(replace(RECORD, split=replace(facts, place=0.2))).same


def test_a_choice_among_upstreams_is_made_again() -> None:
    """By the figures that were known: others choose another, or for another reason."""
    figures = (UpstreamFigures("a", 1), UpstreamFigures("b", 1, part=0.0))
    facts = BestOfFacts(figures, (True, True), place=0.2, glance=0.5, look=0.02)
    choice = BestOfChoice(facts, "a", "by its part of the requests")
    assert only(replace(RECORD, best_of=choice)).same
    looks = replace(choice, facts=replace(facts, glance=0.01))
    assert only(replace(RECORD, best_of=looks)).evaluated == "b: a look at one that was behind"


def test_the_lane_chooses_by_what_is_ahead() -> None:
    """The best for who is in it; the second best for who gives way, if that will do."""
    prior = LaneFacts(("x", "y", "z"), (3.0, 1.0, 2.5), 1)
    assert only(replace(RECORD, lane=prior)).same
    gave_way = replace(prior, chosen=2, first=1, most_times=3.0)
    assert only(replace(RECORD, lane=gave_way)).same
    changed = only(replace(RECORD, lane=replace(gave_way, most_times=2.0)))
    assert (changed.stage, changed.recorded, changed.evaluated) == ("lane", "z", "y")


def test_stored_responses_are_judged_by_their_terms() -> None:
    """A minute later the same response is stale."""
    facts = CacheFacts(TERMS, CacheControl(), NOW_NS, "fresh")
    assert only(replace(RECORD, cache=facts)).same
    later = replace(facts, now_ns=NOW_NS + 61 * SECOND_NS)
    assert only(replace(RECORD, cache=later)).evaluated == "revalidate"


def test_limits_are_told_with_their_figures() -> None:
    """A verdict that was recorded otherwise, or not at all, is seen."""
    plan = plan_of(Mode.ENFORCE)
    decision = decide(plan, [plan.groups[0].counting.new_state(NOW_NS)], NOW_NS, 1)
    record = replace(RECORD, limit=facts_of_limits(decision))
    stage = stage_record(decision.verdict())
    found = only(replace(record, stages=(stage,)))
    assert found.same
    assert found.evaluated == (
        "passed (enforce): within all limits; cost 1, l0 quota 2, l0 remaining 1"
    )
    assert not only(replace(record, stages=(replace(stage, policy="p9"),))).same
    assert only(record).recorded == "nothing"
