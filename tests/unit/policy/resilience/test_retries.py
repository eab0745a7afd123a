"""What may be sent again, and how much of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lukhas.policy.resilience.retries import RetryBudget, RetrySettings, backoff_ns, may_retry
from lukhas.units import MILLISECOND_NS, SECOND_NS

T0 = 1_750_000_000 * SECOND_NS


@pytest.mark.parametrize(
    ("method", "was_sent", "body_is_gone", "may"),
    [
        ("GET", True, False, True),
        ("PUT", True, False, True),
        ("POST", True, False, False),
        ("POST", False, False, True),
        ("POST", False, True, False),
        ("GET", True, True, False),
    ],
)
def test_rfc_9110_9_2_2_only_what_may_be_done_twice_is(
    method: str, was_sent: bool, body_is_gone: bool, may: bool
) -> None:
    """Or what was never sent; and nothing whose body is gone."""
    assert may_retry(method, was_sent=was_sent, body_is_gone=body_is_gone) is may


def test_pauses_grow_and_are_bounded() -> None:
    """Anything from none to a bound that doubles."""
    settings = RetrySettings()
    bounds = [backoff_ns(settings, retry, 1.0) // MILLISECOND_NS for retry in range(1, 7)]
    assert bounds == [25, 50, 100, 200, 250, 250]
    assert backoff_ns(settings, 3, 0.0) == 0


@given(
    requests=st.lists(st.integers(0, 2 * SECOND_NS), min_size=1, max_size=300),
    share=st.sampled_from((0.0, 0.1, 0.2, 1.0)),
    least=st.integers(0, 5),
)
def test_retries_never_exceed_the_budget(requests: list[int], share: float, least: int) -> None:
    """When every request fails: its share of the requests and so many a second, and no more."""
    settings = RetrySettings(share=share, least_a_second=least)
    budget, now_ns, retries = RetryBudget(settings), T0, 0
    for gap_ns in requests:
        now_ns += gap_ns
        budget.requested()
        retries += budget.take(now_ns)
    allowed = len(requests) * share + least * (1 + (now_ns - T0) / SECOND_NS)
    assert retries <= allowed + 1e-6
    assert budget.refused == len(requests) - retries


def test_what_is_not_used_is_lost_in_the_end() -> None:
    """A quiet hour is no reserve for a storm."""
    budget = RetryBudget(RetrySettings(least_a_second=2))
    for _ in range(100_000):
        budget.requested()
    assert budget.take(T0)
    assert sum(budget.take(T0 + 3600 * SECOND_NS) for _ in range(1000)) == 20


@pytest.mark.parametrize(
    "wrong",
    [{"tries": 0}, {"share": 2}, {"least_a_second": -1}, {"first_pause_ns": 10**12}],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    """At once."""
    with pytest.raises(ValueError, match="retries"):
        RetrySettings(**wrong)  # type: ignore[arg-type]
