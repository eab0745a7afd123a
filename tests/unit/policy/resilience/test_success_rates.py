"""lukhas.policy.resilience.success_rates: Envoy's comparison of targets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lukhas.policy.resilience.success_rates import SuccessRateSettings, outliers_among

SETTINGS = SuccessRateSettings()


def answers(**good: int) -> dict[str, tuple[int, int]]:
    return {key: (count, 100) for key, count in good.items()}


def test_one_that_fails_more_often_than_its_likes() -> None:
    assert outliers_among(answers(a=100, b=99, c=100, d=98, e=99, f=60), SETTINGS) == ("f",)


def test_where_all_are_alike_nobody_is_out() -> None:
    """Also where all fail: then it is not the target."""
    assert outliers_among(answers(a=50, b=50, c=50, d=50, e=50), SETTINGS) == ()
    assert outliers_among(answers(a=0, b=0, c=0, d=0, e=0), SETTINGS) == ()
    assert outliers_among(answers(a=99, b=98, c=97, d=99, e=96), SETTINGS) == ()


def test_too_few_targets_or_answers_say_nothing() -> None:
    assert outliers_among(answers(a=100, b=100, c=100, d=0), SETTINGS) == ()
    few = answers(a=100, b=100, c=100, d=100, e=100, f=100) | {"g": (0, 99)}
    assert outliers_among(few, SETTINGS) == ()
    assert outliers_among({}, SETTINGS) == ()


def test_the_worst_comes_first() -> None:
    """If only some may be left out, it is that one."""
    many = {f"good{number}": (100, 100) for number in range(30)}
    assert outliers_among(many | answers(b=60, a=60, c=20), SETTINGS) == ("c", "a", "b")


@given(st.dictionaries(st.text(min_size=1), st.integers(0, 100), min_size=5, max_size=20))
def test_whoever_is_out_is_below_the_mean(good: dict[str, int]) -> None:
    out = outliers_among({key: (count, 100) for key, count in good.items()}, SETTINGS)
    mean = sum(good.values()) / len(good)
    assert all(good[key] < mean for key in out)
    assert len(out) < len(good)


@pytest.mark.parametrize(
    "wrong", [{"interval_ns": 0}, {"least_targets": 1}, {"least_answers": 0}, {"deviations": 0.0}]
)
def test_settings_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"sensibly|no distance"):
        SuccessRateSettings(**wrong)  # type: ignore[arg-type]
