"""What conditions ask, and what the answers mean."""

import pytest

from lukhas.policy.alerting.conditions import (
    Absence,
    Anomaly,
    BurnRate,
    BurnWindow,
    Change,
    Condition,
    Series,
    Threshold,
    asks,
    reading,
)
from lukhas.policy.alerting.seasonal import Direction
from lukhas.units import HOUR_NS, SECOND_NS
from tests.unit.policy.alerting.kit import START_NS

ROUTE = (("route", "/a"),)


def breached(condition: Condition, *answers: Series) -> bool:
    assert len(answers) == len(asks(condition, START_NS))
    return reading(condition, answers, START_NS).breached


@pytest.mark.parametrize(
    ("value", "is_breached"), [(None, False), (0.5, False), (1.0, False), (1.1, True)]
)
def test_a_value_above_its_bound(value: float | None, is_breached: bool) -> None:
    """The bound itself is fine; no value is no reason."""
    condition = Threshold("p99_ms", ROUTE, 60, above=1.0)
    assert breached(condition, [value]) is is_breached
    (ask,) = asks(condition, START_NS)
    assert (ask.metric, ask.filters, ask.step_s) == ("p99_ms", ROUTE, 60)
    assert ask.end_ns - ask.start_ns == 60 * SECOND_NS
    assert ask.end_ns == START_NS


def test_a_value_below_its_bound() -> None:
    """Both bounds may be set."""
    condition = Threshold("hit_ratio", (), 60, above=0.9, below=0.5)
    assert [breached(condition, [value]) for value in (0.4, 0.5, 0.9, 0.95)] == [
        True,
        False,
        False,
        True,
    ]


def test_few_requests_say_nothing() -> None:
    """One slow answer in a quiet night wakes nobody."""
    condition = Threshold("p99_ms", (), 60, above=1.0, least_requests=10)
    assert not breached(condition, [5.0], [9])
    assert not breached(condition, [5.0], [None])
    assert not breached(condition, [5.0], [])
    assert breached(condition, [5.0], [10])


@pytest.mark.parametrize(
    ("now", "before", "is_breached"),
    [(None, 5, True), (0, 5, True), (1, 5, False), (0, 0, False), (None, None, False)],
)
def test_absence_needs_something_before(
    now: float | None, before: float | None, is_breached: bool
) -> None:
    """A new installation without a request is not one that lost them."""
    condition = Absence("requests", (), 600, 3600)
    assert breached(condition, [now], [before]) is is_breached
    recent, earlier = asks(condition, START_NS)
    assert earlier.end_ns == recent.start_ns
    assert recent.start_ns - earlier.start_ns == HOUR_NS


@pytest.mark.parametrize(
    ("now", "then", "is_breached"),
    [
        (160.0, 100.0, True),
        (150.0, 100.0, False),
        (74.0, 100.0, True),
        (75.0, 100.0, False),
        (None, 100.0, False),
        (10.0, None, False),
        (10.0, 0.0, False),
    ],
)
def test_a_change_against_some_time_ago(
    now: float | None, then: float | None, is_breached: bool
) -> None:
    """By more than a part up or down; from nothing there is no part."""
    condition = Change("requests", (), 60, 3600, rise=0.5, fall=0.25)
    assert breached(condition, [now], [then]) is is_breached


def test_a_change_may_need_requests_in_both_windows() -> None:
    """And may have one bound only."""
    condition = Change("hit_ratio", (), 60, 3600, fall=0.25, least_requests=10)
    assert breached(condition, [0.1], [0.9], [10], [10])
    assert not breached(condition, [0.1], [0.9], [10], [9])
    assert not breached(condition, [0.9], [0.1], [10], [10])
    assert breached(Change("errors", (), 60, 60, rise=1.0), [30], [10])


def burn(condition: BurnRate, *counts: float | None) -> bool:
    return breached(condition, *([count] for count in counts))


def test_a_budget_burns_too_fast_only_if_it_does_in_both_windows() -> None:
    """Long errors, long requests, short errors, short requests; objective 99 %."""
    condition = BurnRate(0.99, (), (BurnWindow(3600, 300, 10.0),))
    assert burn(condition, 200, 1000, 20, 100)
    assert not burn(condition, 200, 1000, 0, 100)
    assert not burn(condition, 50, 1000, 50, 100)
    assert not burn(condition, 0, 0, 0, 0)
    assert not burn(condition, 200, 1000, 0, 0)
    assert not burn(condition, None, None, None, None)


def test_any_pair_of_windows_is_enough() -> None:
    """Slowly for long, or fast."""
    windows = (BurnWindow(3600, 300, 10.0), BurnWindow(21_600, 1800, 2.0))
    condition = BurnRate(0.99, (), windows)
    assert burn(condition, 50, 1000, 5, 100, 50, 1000, 5, 100)
    found = reading(condition, [[5], [1000], [5], [1000], [9], [1000], [9], [1000]], START_NS)
    assert not found.breached
    assert found.value == pytest.approx(0.9)


def test_few_requests_burn_no_budget() -> None:
    """In the long window."""
    condition = BurnRate(0.99, (), (BurnWindow(3600, 300, 10.0),), least_requests=100)
    assert not burn(condition, 50, 99, 50, 99)
    assert burn(condition, 50, 100, 50, 99)


ANOMALY = Anomaly("requests", (), 300, 14 * 86_400, deviations=6.0)


def history(last: float | None, *, days: int = 14) -> list[float | None]:
    steps = days * 288
    values: list[float | None] = [100.0 + index % 7 for index in range(steps)]
    values[-1] = last
    return values


@pytest.mark.parametrize(
    ("direction", "value", "is_breached"),
    [
        (Direction.BOTH, 103.0, False),
        (Direction.BOTH, 500.0, True),
        (Direction.BOTH, 1.0, True),
        (Direction.UP, 1.0, False),
        (Direction.UP, 500.0, True),
        (Direction.DOWN, 500.0, False),
        (Direction.DOWN, 1.0, True),
    ],
)
def test_a_value_far_from_normal(direction: Direction, value: float, is_breached: bool) -> None:
    """On the side that counts."""
    condition = Anomaly("requests", (), 300, 14 * 86_400, 6.0, direction)
    found = reading(condition, [history(value)], START_NS)
    assert found.breached is is_breached
    assert "normal is 10" in found.why


def test_without_history_nothing_is_normal() -> None:
    """Two days are needed; no value says nothing."""
    assert not reading(ANOMALY, [history(500.0, days=1)], START_NS).breached
    assert not reading(ANOMALY, [history(None)], START_NS).breached
    assert not reading(ANOMALY, [[]], START_NS).breached


def test_an_anomaly_asks_for_whole_steps() -> None:
    """The step that is not over would look like a drop."""
    ask, hours = asks(ANOMALY, START_NS + 7 * SECOND_NS)
    assert ask.end_ns % (300 * SECOND_NS) == 0
    assert ask.end_ns <= START_NS
    assert ask.end_ns - ask.start_ns == 14 * 24 * HOUR_NS
    assert hours.step_s == 3600
    assert (hours.start_ns % HOUR_NS, hours.end_ns % HOUR_NS) == (0, 0)
    assert hours.start_ns <= ask.start_ns
    assert ask.end_ns - HOUR_NS < hours.end_ns <= ask.end_ns
    (alone,) = asks(Anomaly("requests", (), 7200, 14 * 86_400, 6.0), START_NS)
    assert alone.step_s == 7200


@pytest.mark.parametrize(("metric", "of_an_hour"), [("requests", 1236.0), ("p99_ms", 103.0)])
def test_hours_tell_what_is_normal_where_steps_are_gone(metric: str, of_an_hour: float) -> None:
    """Of a count, a step is its part of the hour; of any other value, the same."""
    condition = Anomaly(metric, (), 300, 14 * 86_400, deviations=6.0)
    _, asked = asks(condition, START_NS)
    hours = [of_an_hour] * ((asked.end_ns - asked.start_ns) // HOUR_NS)
    steps: list[float | None] = [None] * (12 * 288)
    steps += [100.0 + index % 7 for index in range(2 * 288 - 1)]
    normal = reading(condition, [[*steps, 103.0], hours], START_NS)
    assert not normal.breached
    assert "normal is 10" in normal.why
    odd = reading(condition, [[*steps, 500.0], hours], START_NS)
    assert odd.breached
    nothing: list[float | None] = [None] * len(hours)
    two_days = reading(condition, [[*steps, 500.0], nothing], START_NS)
    assert two_days.breached is odd.breached
