"""What failed requests have in common."""

import pytest

from lukhas.policy.insights.error_clusters import ErrorRules, Outcomes, error_clusters
from lukhas.policy.insights.records import Change, Evidence, Insight


def outcome(route: str, method: str, requests: int, errors: int, *, tier: str = "free") -> Outcomes:
    labels = (("route", route), ("method", method), ("upstream", "main"), ("tier", tier))
    return Outcomes(labels, requests, errors)


def found(*outcomes: Outcomes, stale_if_error_s: int = 0, **bursts: int) -> list[Insight]:
    return error_clusters(
        outcomes,
        ErrorRules(),
        bursts={name.replace("_", "/"): (number, 1800) for name, number in bursts.items()},
        stale_if_error_s=stale_if_error_s,
    )


def test_a_route_whose_requests_fail_is_told() -> None:
    """40 of 400 fail there, 6 of 6000 elsewhere: 87 % of the errors, 10 % against 0.1 %."""
    (insight,) = found(
        outcome("/orders", "GET", 200, 20),
        outcome("/orders", "POST", 200, 20),
        outcome("/users", "GET", 5000, 5),
        outcome("/users", "POST", 1000, 1),
        _orders=30,
    )
    assert insight.id == "error-cluster:route=/orders"
    assert insight.title == (
        "87% of all errors have route /orders: 10.0% of these requests fail, 0.1% of all others"
    )
    assert Evidence("errors in its worst 30 min", 30, "requests") in insight.evidence
    assert Evidence("error ratio of all others", 0.001, "ratio") in insight.evidence
    assert insight.changes == (Change("cache.stale_if_error_s", "300", "0"),)
    assert (insight.route, insight.weight, insight.confidence) == ("/orders", 40, 0.999)


def test_a_pair_is_told_where_it_says_more_than_one_value() -> None:
    """Only POST of that route fails; nothing stale can stand in for an answer to POST."""
    (insight,) = found(
        outcome("/orders", "GET", 1000, 0),
        outcome("/orders", "POST", 200, 40),
        outcome("/users", "POST", 1000, 0),
    )
    assert insight.about == "route=/orders+method=POST"
    assert insight.changes == ()


def test_a_stale_answer_is_not_proposed_where_it_stands_in_already() -> None:
    """The setting is there."""
    (insight,) = found(
        outcome("/a", "GET", 100, 40), outcome("/b", "GET", 1000, 0), stale_if_error_s=60
    )
    assert insight.changes == ()
    assert "stale" not in insight.proposal


def test_two_faults_are_two_findings_and_each_is_told_once() -> None:
    """What is told is taken out before the next is looked for."""
    insights = found(
        outcome("/a", "GET", 1000, 100),
        outcome("/b", "GET", 1000, 0, tier="premium"),
        outcome("/c", "GET", 1000, 60, tier="basic"),
        outcome("/d", "GET", 30_000, 3),
    )
    assert [each.about for each in insights] == ["route=/a", "route=/c"]
    assert insights[1].evidence[4] == Evidence("share of all errors", 0.3681, "ratio")


@pytest.mark.parametrize(
    "outcomes",
    [
        [outcome("/a", "GET", 100, 19), outcome("/b", "GET", 1000, 0)],
        [outcome("/a", "GET", 1000, 40), outcome("/b", "GET", 1000, 11)],
        [outcome("/a", "GET", 10_000, 99), outcome("/b", "GET", 10_000, 0)],
        [outcome("/a", "GET", 1000, 400)],
        [outcome(f"/{number}", "GET", 1000, 25) for number in range(4)],
        [outcome("/a", "GET", 1000, 0)],
        [],
    ],
    ids=["few", "not four times", "below 1 %", "everything", "everywhere", "none", "nothing"],
)
def test_near_it_nothing_is_told(outcomes: list[Outcomes]) -> None:
    """19 errors; 4 % beside 1.1 %; 0.99 %; where there is nothing else; where all fail alike."""
    assert found(*outcomes) == []


def test_no_more_are_told_than_asked_for() -> None:
    """The largest first."""
    two = [outcome("/a", "GET", 1000, 100), outcome("/c", "GET", 1000, 60, tier="basic")]
    insights = error_clusters(
        [*two, outcome("/d", "GET", 30_000, 3)],
        ErrorRules(most=1),
        bursts={},
        stale_if_error_s=0,
    )
    assert [each.about for each in insights] == ["route=/a"]


def test_what_may_be_chance_is_not_told() -> None:
    """A rule that takes few errors: 2 of 10 beside 4 of 100 is 97.8 %, and 99 % is asked for."""
    rules = ErrorRules(least_errors=2)
    few = [outcome("/a", "GET", 10, 2), outcome("/b", "GET", 100, 4)]
    assert error_clusters(few, rules, bursts={}, stale_if_error_s=0) == []
