"""The choice of a model, its band, and the step at which a limit is reached."""

from random import Random

import pytest

from lukhas.policy.forecasting.back_test import Trial, error_of, origins, tried
from lukhas.policy.forecasting.cycles import Cycle
from lukhas.policy.forecasting.forecasts import Forecast, Score, forecast, reached
from lukhas.policy.forecasting.models import MODELS, NAIVE_DAY, NAIVE_WEEK, Model

CYCLE = Cycle(4)


def noisy(days: int, *, seed: int = 5) -> list[float | None]:
    """Like a week, with noise of 10 %."""
    drawn = Random(seed)
    return [
        (100 + 50 * (step % 4)) * (0.4 if step // 4 % 7 >= 5 else 1) * drawn.uniform(0.9, 1.1)
        for step in range(days * 4)
    ]


def test_the_model_with_the_smallest_error_is_taken() -> None:
    """Where weekends differ, not the one that only knows days; the scores say by how much."""
    found = forecast(noisy(42), CYCLE, 28)
    assert found is not None
    errors = [score.error for score in found.scores]
    assert {score.model for score in found.scores} == {model.name for model in MODELS}
    assert errors == sorted(errors)
    assert found.model == found.scores[0].model
    against = found.error_against_naive()
    assert against is not None
    assert against < 0.5


def test_where_all_are_as_good_the_simplest_is_taken() -> None:
    """As a day ago, for a series that never moves."""
    found = forecast([7.0] * 120, CYCLE, 4)
    assert found is not None
    assert found.model == "naive-day"
    assert found.low == found.expected == found.high == (7, 7, 7, 7)
    assert found.error_against_naive() is None


def test_the_band_holds_about_four_of_five() -> None:
    """Of what comes after, over 20 series."""
    held = count = 0
    for seed in range(20):
        values = noisy(49, seed=seed)
        found = forecast(values[:168], CYCLE, 28)
        assert found is not None
        for low, high, came in zip(found.low, found.high, values[168:], strict=True):
            assert came is not None
            held += low <= came <= high
            count += 1
    assert 0.7 <= held / count <= 0.95


def test_the_band_grows_beyond_what_was_tried() -> None:
    """With the square root of the days, as a random walk does: 28 days are twice 7."""
    found = forecast(noisy(42), CYCLE, 4 * 28, tried_steps=28)
    assert found is not None
    week = found.high[27] - found.expected[27]
    month = found.high[111] - found.expected[111]
    assert month / found.expected[111] == pytest.approx(2 * week / found.expected[27], rel=0.01)


def test_too_little_gives_none_and_little_gives_what_was_seen() -> None:
    """Three values are needed; without two days the last level, between least and most."""
    assert forecast([1.0, None, 2.0], CYCLE, 3) is None
    assert forecast([], CYCLE, 3) is None
    found = forecast([None, 1.0, 2.0, 6.0], CYCLE, 2)
    assert found == Forecast("level", (1, 1), (3, 3), (6, 6))
    assert found.error_against_naive() is None
    two_days = forecast([1.0, 2.0, 3.0, 4.0, None, None, None, 4.0], CYCLE, 2, models=())
    assert two_days is not None
    assert (two_days.model, two_days.scores) == ("naive-day", ())


def test_what_was_before_the_first_request_is_no_history() -> None:
    """A series that began a week ago is not one that was empty for a year."""
    values = noisy(14)
    assert forecast([*([None] * 400), *values], CYCLE, 8) == forecast(values, CYCLE, 8)


def test_a_model_that_fails_is_passed_over() -> None:
    """An error that is no number never wins."""
    broken = Model("broken", 0, lambda _values, _cycle, steps: [float("nan")] * steps)
    found = forecast(noisy(20), CYCLE, 4, models=(NAIVE_DAY, broken))
    assert found is not None
    assert [score.model for score in found.scores] == ["naive-day"]


def test_all_models_answer_the_same_questions() -> None:
    """One that needs more days than the earliest moment has is not tried at all."""
    found = forecast(noisy(12), CYCLE, 8, models=(NAIVE_DAY, NAIVE_WEEK))
    assert found is not None
    assert [score.model for score in found.scores] == ["naive-day"]


def test_moments_are_days_apart_and_each_is_followed_by_the_horizon() -> None:
    """From the latest back, never before a third of the history."""
    values = noisy(30)
    found = origins(values, CYCLE, 8)
    assert found == [112, 100, 88, 76, 64, 52]
    assert origins([None] * 40, CYCLE, 4) == []


def test_a_trial_is_what_was_said_beside_what_came() -> None:
    """Gaps are no trials."""
    values: list[float | None] = [1.0, 2.0, 3.0, 4.0, 5.0, None, 7.0, 8.0]
    trials = tried(NAIVE_DAY, values, CYCLE, horizon=4, at=[4])
    assert trials == [Trial(0, 1, 5), Trial(2, 3, 7), Trial(3, 4, 8)]
    assert error_of(trials) == 4
    assert error_of([]) is None


def test_a_limit_is_reached_at_the_first_step_that_has_it() -> None:
    """Equal is reached; None where it never is."""
    assert reached([1, 5, 4, 9], 5) == 1
    assert reached([1, 2], 5) is None


def test_naive_is_compared_only_where_it_was_tried() -> None:
    """Without its score there is no ratio."""
    assert Forecast("x", (), (), (), (Score("x", 1.0),)).error_against_naive() is None


def test_a_day_that_could_never_be_compared_takes_the_band_of_no_other() -> None:
    """Where every second day is a gap, the first day ahead has no errors: its band has no width."""
    values = [None if step // 4 % 2 == 0 else value for step, value in enumerate(noisy(41))]
    found = forecast(values[:160], CYCLE, 8)
    assert found is not None
    assert found.low[:4] == found.expected[:4] == found.high[:4]
    assert found.high[4] > found.expected[4]
