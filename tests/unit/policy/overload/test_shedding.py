"""Who may have a slot."""

import pytest

from lukhas.policy.overload.shedding import (
    Access,
    Standing,
    TierShare,
    decide,
    guarantees,
    may_take,
    next_waiting,
)
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.units import SECOND_NS

LOW, HIGH = 0, 1
NOW_NS = 100 * SECOND_NS
SHARES = (TierShare(Tier.FREE, 20, 0), TierShare(Tier.INTERNAL, 30, 1))


def standing(limit: int = 10, *, low: int = 0, high: int = 0) -> Standing:
    found = Standing(SHARES, limit)
    for index, count in ((LOW, low), (HIGH, high)):
        for _ in range(count):
            found.ask(index, NOW_NS)
            found.take(index)
    return found


def asked(found: Standing, index: int, *, now_ns: int = NOW_NS) -> Access:
    found.ask(index, now_ns)
    return decide(found, index)


@pytest.mark.parametrize(
    ("percents", "limit", "expected"),
    [
        ((2, 5, 10, 20, 20), 100, (2, 5, 10, 20, 20)),
        ((2, 5, 10, 20, 20), 20, (1, 1, 2, 4, 4)),
        ((2, 5, 10, 20, 20), 3, (0, 0, 1, 1, 1)),
        ((0, 0, 0, 0, 100), 7, (0, 0, 0, 0, 7)),
        ((20, 20, 20, 20, 20), 7, (1, 1, 1, 1, 1)),
        ((1, 1, 1, 1, 96), 8, (1, 1, 1, 1, 4)),
    ],
)
def test_guarantees_are_whole_slots(
    percents: tuple[int, ...], limit: int, expected: tuple[int, ...]
) -> None:
    """At least one each where there is a share, the highest priority first where they are few."""
    shares = [
        TierShare(tier, percent, number)
        for number, (tier, percent) in enumerate(zip(Tier, percents, strict=True))
    ]
    assert guarantees(shares, limit) == expected


def test_idle_shares_are_lent() -> None:
    """One tier alone may have every slot."""
    found = standing(low=9)
    assert asked(found, LOW) is Access.LENT
    assert asked(standing(low=1), LOW) is Access.OWN


def test_nobody_gets_more_than_there_are() -> None:
    """A full upstream takes no more: whoever is owed a slot gets the next."""
    found = standing(low=10)
    assert asked(found, LOW) is Access.FULL
    assert asked(found, HIGH) is Access.OWED
    assert not Access.OWED.admitted


def test_slots_that_a_higher_tier_lately_wanted_are_kept_for_it() -> None:
    """It had six and comes back: the lower one keeps out of them, beyond its own guarantee."""
    found = standing(low=4, high=6)
    for _ in range(2):
        found.free(HIGH)
    assert asked(found, LOW) is Access.RESERVED
    assert not may_take(found, LOW)
    assert asked(found, HIGH) is Access.LENT


def test_a_lower_tier_keeps_its_guarantee_from_a_higher_one() -> None:
    """It wanted four and is guaranteed two, so the higher one may take eight."""
    found = standing(low=4, high=5)
    for _ in range(4):
        found.free(LOW)
    for _ in range(3):
        assert asked(found, HIGH) is Access.LENT
        found.take(HIGH)
    assert asked(found, HIGH) is Access.RESERVED
    assert asked(found, LOW) is Access.OWN


def test_what_was_wanted_is_forgotten_after_two_windows() -> None:
    """A tier that went away gives back what was kept for it."""
    found = standing(low=3, high=6)
    for _ in range(6):
        found.free(HIGH)
    half_ns = SECOND_NS // 2
    found.free(LOW)
    found.free(LOW)
    for number in range(3):
        assert asked(found, LOW, now_ns=NOW_NS + number) is not Access.RESERVED
        found.take(LOW)
    assert asked(found, LOW, now_ns=NOW_NS + half_ns) is Access.RESERVED
    assert asked(found, LOW, now_ns=NOW_NS + 2 * half_ns) is Access.LENT
    long_ago = standing(low=3, high=6)
    for _ in range(6):
        long_ago.free(HIGH)
    assert asked(long_ago, LOW, now_ns=NOW_NS + 60 * SECOND_NS) is Access.LENT


def test_a_smaller_limit_takes_nothing_back() -> None:
    """Who has a slot keeps it, and nobody gets one until enough are free."""
    found = standing(low=4, high=4)
    found.resize(5)
    found.resize(5)
    assert found.guaranteed == (1, 1)
    assert asked(found, HIGH) is Access.FULL
    for _ in range(4):
        found.free(LOW)
    assert asked(found, LOW) is Access.OWN


def test_the_next_slot_goes_to_those_below_their_guarantee_first() -> None:
    """Then by priority, and to nobody for whom there is none."""
    found = standing(low=10)
    assert next_waiting(found) is None
    found.waiting[LOW] = found.waiting[HIGH] = 1
    assert next_waiting(found) is None
    found.free(LOW)
    assert next_waiting(found) == HIGH
    found = standing(low=0, high=9)
    found.waiting[LOW] = found.waiting[HIGH] = 1
    assert next_waiting(found) == LOW
    found = standing(low=2, high=7)
    for index in (LOW, HIGH):
        found.ask(index, NOW_NS)
        found.waiting[index] = 1
    assert next_waiting(found) == HIGH
    found.waiting[HIGH] = 0
    assert next_waiting(found) is None
