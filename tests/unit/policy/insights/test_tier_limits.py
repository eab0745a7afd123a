"""Limits that are too tight, or too loose."""

from dataclasses import replace

import pytest

from lukhas.policy.insights.records import Change, Evidence
from lukhas.policy.insights.tier_limits import (
    ConsumerPeak,
    LimitRules,
    TierLimit,
    TierUse,
    round_quota,
    tier_limits,
)

DAY_S = 86_400
MINUTE = TierLimit("60/minute", 60, 60)
HOUR = TierLimit("1000/hour", 1000, 3600)
FREE = TierUse(
    tier="free",
    requests=10_000,
    limited=300,
    limits=(MINUTE, HOUR),
    setting="60/minute; 1000/hour",
)


def peak(name: str, minute: int, *, limited: int = 0, hour: int = 500) -> ConsumerPeak:
    return ConsumerPeak(consumer=name, limited=limited, peaks=((60, minute), (3600, hour)))


# Ten are refused; nine of ten ask for 90 in a minute at most, and one for 400.
REFUSED = [
    *(peak(f"key:{number}", 70 + 2 * number, limited=25) for number in range(1, 10)),
    peak("key:10", 400, limited=75),
]


def test_a_limit_that_meets_usual_use_is_told() -> None:
    """3 % of the tier is refused, to ten consumers: nine of them ask for 88 at most, so 100."""
    others = [peak("key:quiet", 3)]
    (found,) = tier_limits([FREE], [*REFUSED, *others], LimitRules(), window_s=DAY_S)
    assert found.id == "limit-too-tight:free:60/minute"
    assert found.title == ("60/minute of tier free refuses 3.0% of its requests, to 10 consumers")
    assert Evidence("of these, above this limit", 10, "consumers") in found.evidence
    assert Evidence("what nine of ten of them ask for at most", 88, "requests") in found.evidence
    assert found.changes == (
        Change("tiers.free", '"100/minute; 1000/hour"', '"60/minute; 1000/hour"'),
    )
    assert found.impact == (
        "300 requests were refused; 9 of these 10 consumers would stay below 100 in 60 s."
    )
    assert found.confidence == 0.999


def test_the_window_that_most_have_reached_is_raised() -> None:
    """Here the hour: nobody is above 60 in a minute, three are above 1000 in an hour."""
    steady = [peak(f"key:{number}", 30, limited=100, hour=1400) for number in range(3)]
    (found,) = tier_limits([FREE], steady, LimitRules(), window_s=DAY_S)
    assert found.about == "free:1000/hour"
    assert found.changes[0].value == '"60/minute; 2000/hour"'


@pytest.mark.parametrize(
    ("tiers", "consumers"),
    [
        ([replace(FREE, limited=99)], REFUSED),
        ([replace(FREE, requests=999)], REFUSED),
        ([FREE], REFUSED[:2]),
        ([FREE], [*REFUSED, peak("key:flood", 5000, limited=400)]),
        ([FREE, replace(FREE, tier="basic")], REFUSED),
        ([FREE], [peak(f"key:{number}", 50, limited=100) for number in range(3)]),
        ([replace(FREE, limits=())], REFUSED),
    ],
    ids=["below 1 %", "few", "two consumers", "one flood", "two tiers", "another limit", "none"],
)
def test_near_it_nothing_is_told(tiers: list[TierUse], consumers: list[ConsumerPeak]) -> None:
    """Where the limit does what it is for, or it is not this limit that refuses."""
    assert tier_limits(tiers, consumers, LimitRules(), window_s=DAY_S) == []


QUIET = [peak(f"key:{number}", number, hour=10 * number) for number in range(1, 4)]
UNUSED = replace(FREE, limited=0)


def test_a_limit_twenty_times_what_anybody_does_is_told() -> None:
    """60 a minute where the busiest has 3; of an hour 1000 where it has 30."""
    minute, hour = tier_limits([UNUSED], QUIET, LimitRules(), window_s=DAY_S)
    assert minute.id == "limit-too-loose:free:60/minute"
    assert minute.title == "60/minute of tier free is 20 times what the busiest consumer asks for"
    assert minute.changes == (
        Change("tiers.free", '"10/minute; 1000/hour"', '"60/minute; 1000/hour"'),
    )
    assert Evidence("peak that 50% of consumers stay within", 2, "requests") in minute.evidence
    assert hour.changes[0].value == '"60/minute; 100/hour"'


@pytest.mark.parametrize(
    ("tier", "consumers", "window_s"),
    [
        (UNUSED, [*QUIET, peak("key:more", 4, hour=60)], DAY_S),
        (replace(UNUSED, requests=999), QUIET, DAY_S),
        (UNUSED, QUIET, DAY_S - 1),
        (UNUSED, [], DAY_S),
        (replace(UNUSED, limits=(TierLimit("5/second", 5, 1),)), QUIET, DAY_S),
    ],
    ids=["fifteen times", "few", "half a day", "nobody", "seconds"],
)
def test_near_it_a_loose_limit_is_not_told(
    tier: TierUse, consumers: list[ConsumerPeak], window_s: int
) -> None:
    """Where it is not so loose, or too little is known: of peaks in a second nothing is."""
    assert tier_limits([tier], consumers, LimitRules(), window_s=window_s) == []


def test_quotas_are_figures_that_people_write() -> None:
    """The next of 1, 2, 3, 5, 8 and zeros."""
    assert [round_quota(value) for value in (0, 1, 4, 9, 88, 300, 301)] == [
        1, 1, 5, 10, 100, 300, 500,
    ]  # fmt: skip
