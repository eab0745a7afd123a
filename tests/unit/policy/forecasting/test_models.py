"""Each model, on series whose future is known."""

import math

import pytest

from lukhas.policy.forecasting.cycles import Cycle, filled, naive_scale
from lukhas.policy.forecasting.empty_steps import told_apart
from lukhas.policy.forecasting.models import LEVEL, MODELS, NAIVE_DAY, NAIVE_WEEK, Model
from lukhas.policy.forecasting.smoothing import slope_of, smoothed, theta_line

CYCLE = Cycle(4)
BY_NAME = {model.name: model for model in MODELS}
DAY = [10.0, 20.0, 40.0, 30.0]


def week(days: int, *, growth: float = 0.0) -> list[float | None]:
    """The same shape every day, half of it on the sixth and seventh, and a level that may grow."""
    return [
        DAY[step % 4] * (0.5 if step // 4 % 7 >= 5 else 1.0) * (1 + growth * (step // 4))
        for step in range(days * 4)
    ]


def close(ahead: list[float], values: list[float | None], *, within: float) -> None:
    wanted = [value for value in values if value is not None]
    assert len(ahead) == len(wanted)
    for found, value in zip(ahead, wanted, strict=True):
        assert found == pytest.approx(value, rel=within)


@pytest.mark.parametrize(
    ("name", "within"), [("naive-week", 0.0), ("theta-week", 0.01), ("profile", 0.06)]
)
def test_a_week_goes_on_as_it_was(name: str, within: float) -> None:
    """Weekends as well; the profile leans a little on 'every weekday is alike'."""
    close(BY_NAME[name].ahead(week(42), CYCLE, 40), week(52)[168:], within=within)


@pytest.mark.parametrize("model", [model for model in MODELS if "week" not in model.name])
def test_a_day_goes_on_as_it_was(model: Model) -> None:
    """Where every day is alike, each model that knows days repeats it."""
    close(model.ahead(DAY * 10, CYCLE, 8), [*DAY, *DAY], within=0.01)


def test_a_trend_goes_on_with_half_its_slope() -> None:
    """By Theta: the last level 98 is 2 a day above the one before, and 1 a day is what is added."""
    values: list[float | None] = [float(10 + 2 * (step // 4)) for step in range(45 * 4)]
    ahead = BY_NAME["profile-trend"].ahead(values, CYCLE, 80)
    assert ahead[79] - ahead[39] == pytest.approx(10, rel=0.05)
    assert BY_NAME["profile"].ahead(values, CYCLE, 80)[79] == pytest.approx(98, rel=0.05)


def test_naive_is_what_was_a_day_or_a_week_ago() -> None:
    """The last day or the last week, again and again."""
    values: list[float | None] = [float(step) for step in range(40)]
    assert NAIVE_DAY.ahead(values, CYCLE, 6) == [36, 37, 38, 39, 36, 37]
    assert NAIVE_WEEK.ahead(values, CYCLE, 30)[:2] == [12, 13]


def test_without_a_season_the_last_day_counts() -> None:
    """The mean of the last day that has any value; a day without one is passed over."""
    assert LEVEL.ahead([1.0, 3.0, None, None, None, None, None, None], CYCLE, 2) == [2, 2]
    assert LEVEL.ahead([9.0, 9.0, 1.0, 3.0, 5.0, None], CYCLE, 1) == [3]
    assert LEVEL.ahead([], CYCLE, 2) == [0, 0]


def test_gaps_take_the_value_a_day_before_or_after() -> None:
    """Before if there is one, else after, else the mean of all."""
    assert filled([1.0, None, 3.0, None, None, 6.0], 2) == [1, 6, 3, 6, 3, 6]
    assert filled([1.0, None, 3.0], 5) == [1, 2, 3]
    with pytest.raises(ValueError, match="nothing is known"):
        filled([None], 2)


def test_a_day_of_which_little_is_known_has_no_level() -> None:
    """One value in a day of four changes nothing of what is expected."""
    values: list[float | None] = [*DAY * 8, 900.0, None, None, None]
    close(BY_NAME["profile"].ahead(values, CYCLE, 4), [*DAY], within=0.15)


def test_nothing_but_zeros_stays_zero() -> None:
    """And none of the models divides by it."""
    for model in MODELS:
        assert model.ahead([0.0] * 80, CYCLE, 5) == [0.0] * 5


def test_a_series_of_odd_days_has_a_season_too() -> None:
    """The centred mean of an odd number of steps has a middle."""
    values: list[float | None] = [5.0, 10.0, 15.0] * 9
    close(BY_NAME["theta-day"].ahead(values, Cycle(3), 3), [5.0, 10.0, 15.0], within=0.02)
    assert BY_NAME["theta-day"].ahead([7.0] * 12, Cycle(1), 2) == [7, 7]


def test_the_slope_is_that_of_least_squares() -> None:
    """1, 2, 6 rise by 2.5 a step; fewer than two values by nothing."""
    assert slope_of([1, 2, 6]) == pytest.approx(2.5)
    assert slope_of([3]) == 0


def test_smoothing_takes_the_weight_that_foresees_best() -> None:
    """A step is followed at once, a single peak is not."""
    assert smoothed([1, 1, 1, 9, 9, 9, 9]) == pytest.approx(9, abs=0.1)
    assert smoothed([1, 1, 1, 1, 1, 1, 1, 1, 9, 1]) < 2
    assert theta_line([2, 4, 6]).at(2) == pytest.approx(smoothed([2, 4, 6]) + 2)


def test_the_scale_of_mase_is_the_error_of_a_day_ago() -> None:
    """|3-1|, |5-2| and |4-5|; a gap does not count, and what never moves has none."""
    assert naive_scale([1.0, 2.0, 3.0, 5.0, None, 4.0], 2) == pytest.approx((2 + 3 + 1) / 3)
    assert naive_scale([1.0, 1.0], 1) is None
    assert naive_scale([1.0], 1) is None


def test_a_quiet_night_is_quiet_and_an_outage_is_a_gap() -> None:
    """Empty is a gap where the same step of the days around it was not empty."""
    quiet = [5, 0, 5, 0, 5, 0]
    assert told_apart(quiet, 2) == [5, 0, 5, 0, 5, 0]
    assert told_apart([5, 3, 0, 0, 5, 3], 2) == [5, 3, None, None, 5, 3]
    assert told_apart([0, 0, 5, 5], 2) == [None, None, 5, 5]
    assert told_apart([0, 5], 5) == [0, 5]
    # What went quiet for good is quiet: one of its neighbours is empty too.
    assert told_apart([5, 3, 0, 3, 0, 3], 2) == [5, 3, 0, 3, 0, 3]


def test_growth_in_percent_is_followed_by_the_trend() -> None:
    """At 2 % of the first day a day, the next week is nearer by the trend than without."""
    values, came = week(42, growth=0.02), week(49, growth=0.02)[168:]

    def error(name: str) -> float:
        ahead = BY_NAME[name].ahead(values, CYCLE, 28)
        return sum(abs(found - (value or 0)) for found, value in zip(ahead, came, strict=True))

    assert error("profile-trend") < 0.85 * error("profile")
    assert math.isfinite(error("profile-trend"))


def test_a_season_that_cannot_be_told_is_none() -> None:
    """Where all that is not zero lies at the ends, each slot compares as zero with its days."""
    values: list[float | None] = [9.0, 0.0, 0.0, 0.0, 0.0, 9.0]
    line = theta_line([9, 0, 0, 0, 0, 9])
    assert BY_NAME["theta-day"].ahead(values, Cycle(2), 2) == [line.at(1), line.at(2)]
