"""lukhas.policy.resilience.hedging: what is sent twice, and when."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lukhas.policy.resilience.hedging import HedgeSettings, LatencyTail, may_hedge
from lukhas.policy.resilience.retries import RetryBudget, RetrySettings
from lukhas.units import MILLISECOND_NS


@pytest.mark.parametrize(
    ("method", "has_body", "may"),
    [
        ("GET", False, True),
        ("HEAD", False, True),
        ("OPTIONS", False, True),
        ("GET", True, False),
        ("POST", False, False),
        ("PUT", False, False),
        ("DELETE", False, False),
    ],
)
def test_only_what_changes_nothing_is_sent_twice(method: str, *, has_body: bool, may: bool) -> None:
    """RFC 9110 section 9.2.1: idempotent is not enough, since both may run at the same time."""
    assert may_hedge(method, has_body=has_body) is may


@pytest.mark.parametrize(
    "settings",
    [{"percentile": 0.0}, {"percentile": 1.0}, {"share": 1.1}, {"share": -0.1}, {"least_ns": -1}],
)
def test_settings_that_make_no_sense(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="sensibly"):
        HedgeSettings(**settings)  # type: ignore[arg-type]


def test_nothing_is_late_before_enough_was_seen() -> None:
    tail = LatencyTail(0.95)
    for _ in range(49):
        tail.answered(MILLISECOND_NS)
        assert tail.late_ns == 0
    tail.answered(MILLISECOND_NS)
    assert tail.late_ns > 0


@pytest.mark.parametrize("percentile", [0.5, 0.9, 0.95, 0.99])
def test_about_so_many_answers_are_later(percentile: float) -> None:
    """Within a factor of two of the promised part, over log-normal latencies."""
    draws = random.Random(5)
    tail = LatencyTail(percentile)
    later = 0
    for number in range(20_000):
        taken_ns = round(draws.lognormvariate(16, 0.5))
        if number >= 2000:
            later += taken_ns > tail.late_ns
        tail.answered(taken_ns)
    promised = 1 - percentile
    assert promised / 2 < later / 18_000 < promised * 2


def test_it_follows_when_everything_becomes_slower() -> None:
    """Else all requests would be late."""
    tail = LatencyTail(0.95)
    for _ in range(500):
        tail.answered(MILLISECOND_NS)
    for _ in range(200):
        tail.answered(20 * MILLISECOND_NS)
    assert tail.late_ns > 15 * MILLISECOND_NS


@given(st.lists(st.integers(0, 2**60), min_size=50, max_size=200))
def test_it_stays_between_what_was_seen(latencies: list[int]) -> None:
    """But for one step."""
    tail = LatencyTail(0.95)
    for taken_ns in latencies:
        tail.answered(taken_ns)
    assert tail.late_ns <= max(*latencies, 1) * 1.05
    assert tail.late_ns >= 0


def test_second_copies_never_exceed_their_part() -> None:
    """However late everything is: 5 % of all requests, and none to begin with."""
    budget = RetryBudget(RetrySettings(share=HedgeSettings().share, least_a_second=0))
    taken = 0
    for number in range(10_000):
        budget.requested()
        taken += budget.take(number * MILLISECOND_NS)
    assert taken == 500
