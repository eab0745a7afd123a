"""What is normal for an hour of the week."""

import math
from random import Random

import pytest

from lukhas.policy.alerting.seasonal import SeasonalProfile
from lukhas.units import HOUR_NS

# A Monday, 00:00 UTC.
MONDAY_NS = 4 * 24 * HOUR_NS
STEPS_A_DAY = 96
STEP_S = 900


def curve(step: int) -> float:
    """Busy by day, quiet by night, half as much at weekends."""
    day, part = divmod(step, STEPS_A_DAY)
    weekend = 0.5 if day % 7 >= 5 else 1.0
    return weekend * (1000 + 800 * math.sin(2 * math.pi * (part / STEPS_A_DAY - 0.25)))


def week_values(days: int, *, seed: int = 7, growth: float = 0.0) -> list[float | None]:
    drawn = Random(seed)
    return [
        curve(step) * (1 + growth * step / STEPS_A_DAY) * drawn.lognormvariate(0, 0.05)
        for step in range(days * STEPS_A_DAY)
    ]


def at(step: int) -> int:
    return MONDAY_NS + step * STEP_S * 1_000_000_000


def fitted(values: list[float | None]) -> SeasonalProfile:
    found = SeasonalProfile.fitted(values, start_ns=MONDAY_NS, step_s=STEP_S)
    assert found is not None
    return found


@pytest.mark.parametrize("days", [14, 28])
def test_the_next_day_is_expected_as_it_comes(days: int) -> None:
    """Within a seventh, night and day; but for the jump of this curve at midnight."""
    profile = fitted(week_values(days))
    steps = range(days * STEPS_A_DAY + 2, (days + 1) * STEPS_A_DAY)
    errors = [abs(profile.expected(at(step)) / curve(step) - 1) for step in steps]
    assert max(errors) < 0.15
    assert sum(errors) / len(errors) < 0.05


def test_a_weekend_is_not_odd_after_two_weeks() -> None:
    """While as little on a working day is."""
    profile = fitted(week_values(19))
    saturday_noon = 19 * STEPS_A_DAY + 48
    assert abs(profile.score(curve(saturday_noon), at(saturday_noon))) < 4
    profile = fitted(week_values(21))
    monday_noon = 21 * STEPS_A_DAY + 48
    assert profile.score(curve(monday_noon) / 2, at(monday_noon)) < -4


def test_growth_is_followed() -> None:
    """2 % a day more than in the history is the new normal."""
    profile = fitted(week_values(28, growth=0.02))
    step = 28 * STEPS_A_DAY + 48
    assert abs(profile.score(curve(step) * 1.56, at(step))) < 4


def test_one_odd_week_moves_little() -> None:
    """A median does not care how far off something is."""
    values = week_values(28)
    values[14 * STEPS_A_DAY : 15 * STEPS_A_DAY] = [50_000.0] * STEPS_A_DAY
    profile = fitted(values)
    step = 28 * STEPS_A_DAY + 48
    assert profile.expected(at(step)) == pytest.approx(curve(step), rel=0.15)


def test_gaps_are_passed_over() -> None:
    """Also a whole day, and hours of the week that were never seen."""
    values = week_values(6)
    values[STEPS_A_DAY : 2 * STEPS_A_DAY] = [None] * STEPS_A_DAY
    profile = fitted(values)
    sunday = 6 * STEPS_A_DAY + 40
    assert profile.expected(at(sunday)) > 0


def test_hours_of_the_day_that_were_never_seen_are_as_all_others() -> None:
    """There is nothing better to say of them."""
    values = [
        value if step % STEPS_A_DAY < 24 else None for step, value in enumerate(week_values(9))
    ]
    profile = fitted(values)
    assert profile.score(profile.expected(at(48)), at(48)) == pytest.approx(0, abs=1e-6)
    assert profile.spreads[12] > 0


def test_a_history_that_ends_long_ago_in_one_hour_has_no_level() -> None:
    """Only the last hour of it lies within a day: that may be what is odd."""
    values: list[float | None] = list(week_values(3))
    values += [None] * (2 * STEPS_A_DAY)
    values += [9000.0]
    assert fitted(values).level == 0


def test_two_days_are_needed() -> None:
    """Less is no history."""
    short = week_values(1)
    assert SeasonalProfile.fitted(short, start_ns=MONDAY_NS, step_s=STEP_S) is None


def test_hours_stand_in_for_steps_that_are_no_longer_known() -> None:
    """The centre is that of all weeks; how far steps stray, only the last two days tell."""
    values = week_values(21)
    known = 2 * STEPS_A_DAY
    a_hour = 3600 // STEP_S
    hours = {
        at(step) // HOUR_NS: sum(value or 0 for value in values[step : step + a_hour]) / a_hour
        for step in range(0, len(values) - known, a_hour)
    }
    recent = [*[None] * (len(values) - known), *values[-known:]]
    found = SeasonalProfile.fitted(recent, start_ns=MONDAY_NS, step_s=STEP_S, hours=hours)
    assert found is not None
    whole = fitted(list(values))
    monday_noon = 21 * STEPS_A_DAY + 48
    assert found.expected(at(monday_noon)) == pytest.approx(
        whole.expected(at(monday_noon)), rel=0.1
    )
    assert found.score(curve(monday_noon) / 2, at(monday_noon)) < -4
    # From the two days alone, a Saturday and a Sunday, a Monday is not known.
    alone = fitted(recent)
    assert abs(alone.expected(at(monday_noon)) / curve(monday_noon) - 1) > 0.3


def test_a_day_of_steps_is_needed_beside_hours() -> None:
    """Else nobody knows how far they stray."""
    hours = dict.fromkeys(range(MONDAY_NS // HOUR_NS, MONDAY_NS // HOUR_NS + 14 * 24), 100.0)
    a_hour = 3600 // STEP_S
    for steps, is_known in ((23, False), (24, True)):
        values = [100.0] * (steps * a_hour)
        start_ns = MONDAY_NS + 14 * 24 * HOUR_NS
        found = SeasonalProfile.fitted(values, start_ns=start_ns, step_s=STEP_S, hours=hours)
        assert (found is not None) is is_known


def test_a_series_that_never_moves_may_move_a_little() -> None:
    """Its spread has a floor of 2 %."""
    profile = fitted([100.0] * (7 * STEPS_A_DAY))
    step = 7 * STEPS_A_DAY
    assert abs(profile.score(101.0, at(step))) < 1
    assert profile.score(150.0, at(step)) > 10
    assert profile.score(-5.0, at(step)) < -10
