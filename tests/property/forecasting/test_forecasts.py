"""Whatever a series is, its forecast can be used."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from lukhas.policy.forecasting.cycles import Cycle
from lukhas.policy.forecasting.empty_steps import told_apart
from lukhas.policy.forecasting.forecasts import forecast
from lukhas.policy.forecasting.models import MODELS, NAIVE_DAY

CYCLE = Cycle(4)
VALUES = st.lists(
    st.none()
    | st.just(0.0)
    | st.floats(0, 1e9, allow_nan=False)
    | st.floats(0, 10, allow_nan=False),
    max_size=160,
)


@settings(max_examples=150, deadline=None)
@given(values=VALUES, horizon=st.integers(1, 60))
def test_a_forecast_is_finite_and_its_band_is_in_order(
    values: list[float | None], horizon: int
) -> None:
    """No NaN, nothing below zero, low <= expected <= high, one of each for every step."""
    found = forecast(values, CYCLE, horizon)
    if found is None:
        assert sum(value is not None for value in values) < 3
        return
    assert len(found.low) == len(found.expected) == len(found.high) == horizon
    for low, expected, high in zip(found.low, found.expected, found.high, strict=True):
        assert 0 <= low <= expected <= high
        assert math.isfinite(high)


@settings(max_examples=150, deadline=None)
@given(values=VALUES, horizon=st.integers(1, 40))
def test_the_chosen_model_is_never_worse_than_seasonal_naive(
    values: list[float | None], horizon: int
) -> None:
    """By its own back-test, where seasonal naive always takes part."""
    found = forecast(values, CYCLE, horizon)
    if found is None or not found.scores:
        return
    errors = {score.model: score.error for score in found.scores}
    assert found.model == found.scores[0].model
    assert errors[found.model] == min(errors.values()) <= errors[NAIVE_DAY.name]
    against = found.error_against_naive()
    assert against is None or against <= 1


@settings(max_examples=100, deadline=None)
@given(values=VALUES.filter(lambda values: any(v is not None for v in values)))
def test_every_model_gives_finite_values_for_any_past(values: list[float | None]) -> None:
    """However short the past is, and however full of gaps and zeros."""
    for model in MODELS:
        ahead = model.ahead(values, CYCLE, 30)
        assert len(ahead) == 30
        assert all(math.isfinite(value) and value >= 0 for value in ahead)


@given(requests=st.lists(st.integers(0, 3), max_size=60))
def test_only_empty_steps_can_be_gaps(requests: list[int]) -> None:
    """What was counted stays as it was."""
    told = told_apart(requests, 5)
    assert len(told) == len(requests)
    assert all(
        value == number or (value is None and number == 0)
        for value, number in zip(told, requests, strict=True)
    )
