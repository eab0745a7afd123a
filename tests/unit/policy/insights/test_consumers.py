"""Consumers that do something else than before."""

from dataclasses import replace

import pytest

from lukhas.policy.insights.confidence import certainty
from lukhas.policy.insights.consumers import ConsumerRules, ConsumerUse, changed_consumers
from lukhas.policy.insights.records import Evidence, Insight

USUAL = ConsumerUse(
    consumer="key:1",
    requests=1000,
    errors=0,
    limited=0,
    before=(900, 1100, 1000),
    errors_before=3,
)


def found(use: ConsumerUse, *, requests: int = 100_000, errors: int = 100) -> Insight | None:
    insights = changed_consumers([use], ConsumerRules(), requests=requests, errors=errors)
    return insights[0] if insights else None


def test_three_times_the_busiest_window_before_is_told() -> None:
    """3300 beside 1100; 2300 above the middle, where windows differ by 200: surer than chance."""
    insight = found(replace(USUAL, requests=3300))
    assert insight is not None
    assert insight.id == "consumer-grew:key:1"
    assert insight.title == "key:1 asks 3.0 times as much as in its busiest window before"
    assert insight.impact == "2300 requests more than usual."
    assert Evidence("requests in a usual window", 1000, "requests") in insight.evidence
    # Outside of three windows: 15 of 16.
    assert insight.confidence == 1 - 1 / 16
    assert insight.consumer == "key:1"


def test_a_third_of_the_quietest_window_before_is_told() -> None:
    """300 beside 900."""
    insight = found(replace(USUAL, requests=300))
    assert insight is not None
    assert insight.id == "consumer-shrank:key:1"
    assert insight.impact == "700 requests less than usual."


def test_who_was_never_there_is_new() -> None:
    """With 500 requests and none in three windows."""
    insight = found(replace(USUAL, requests=500, before=(0, 0, 0), errors_before=0))
    assert insight is not None
    assert insight.id == "consumer-new:key:1"
    assert insight.weight == 500


def test_who_fails_far_more_than_before_and_than_others_is_told() -> None:
    """60 of 1000 fail, 3 of 3000 did, and 0.04 % of everybody else's."""
    insight = found(replace(USUAL, errors=60))
    assert insight is not None
    assert insight.id == "consumer-fails:key:1"
    assert insight.title == "6.0% of the requests of key:1 fail, 0.1% before"
    assert Evidence("error ratio of everybody else", 0.000404, "ratio") in insight.evidence


@pytest.mark.parametrize(
    "use",
    [
        USUAL,
        replace(USUAL, requests=3299),
        replace(USUAL, requests=301),
        replace(USUAL, requests=1400, before=(100, 400, 480)),
        replace(USUAL, requests=499, before=(0, 0, 0)),
        replace(USUAL, requests=3300, before=(1000,)),
        replace(USUAL, requests=3300, missed=50),
        replace(USUAL, requests=300, missed=50),
        replace(USUAL, requests=600, before=(0, 0, 0), errors_before=0, missed=200),
        replace(USUAL, requests=10, before=(490, 600, 700)),
    ],
    ids=[
        "as ever", "not three times", "not a third", "not the busiest", "few", "one window",
        "more may be missed", "or less", "or it was there before", "never busy",
    ],
)  # fmt: skip
def test_near_it_nothing_is_told(use: ConsumerUse) -> None:
    """Every window before counts, and so does what may have been missed."""
    assert found(use) is None


@pytest.mark.parametrize(
    ("use", "errors"),
    [
        (replace(USUAL, errors=49), 100),
        (replace(USUAL, errors=60, errors_before=37), 100),
        (replace(USUAL, errors=60), 2100),
        (replace(USUAL, requests=499, errors=60), 100),
        (replace(USUAL, errors=60, before=(400, 99), errors_before=0), 100),
    ],
    ids=["below 5 %", "not five times", "everybody fails", "few", "few before"],
)
def test_near_it_no_failing_is_told(use: ConsumerUse, errors: int) -> None:
    """2.06 % of all others fail: three times that is more than 6 %."""
    assert found(use, errors=errors) is None


def test_what_may_be_chance_is_not_told() -> None:
    """A rule that takes few: 1 of 10 beside 0 of 10 is 84 %, and 99 % is asked for."""
    use = replace(USUAL, requests=10, errors=1, before=(5, 5), errors_before=0)
    rules = ConsumerRules(least_requests=10)
    assert changed_consumers([use], rules, requests=10, errors=1) == []


def test_windows_that_differ_much_make_it_less_sure() -> None:
    """1500 now; 10 to 500 before, in the middle 100: 1400 over 490 is 2.86."""
    insight = found(replace(USUAL, requests=1500, before=(10, 500, 100, 90, 110, 100, 120)))
    assert insight is not None
    assert insight.confidence == pytest.approx(min(certainty(1400 / 490), 1 - 1 / 64))
