"""When answers to probes are believed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lukhas.policy.resilience.probes import (
    PROBED_FIT,
    ProbeSettings,
    ProbeState,
    is_good,
    probed,
)


def test_three_bad_answers_in_a_row_and_two_good_ones() -> None:
    """One in between begins the row anew."""
    settings, state, seen = ProbeSettings(), PROBED_FIT, []
    for good in (False, False, True, False, False, False, True, False, True, True):
        state = probed(state, settings, good=good)
        seen.append(state.is_fit)
    assert seen == [True, True, True, True, True, False, False, False, False, True]


@given(st.lists(st.booleans()), st.integers(1, 5), st.integers(1, 5))
def test_a_change_of_mind_needs_a_row(answers: list[bool], unfit: int, fit: int) -> None:
    """Whatever came before: never by fewer answers in a row, all of them the same."""
    settings, state = ProbeSettings(unfit_after=unfit, fit_after=fit), ProbeState()
    for number, good in enumerate(answers):
        after = probed(state, settings, good=good)
        if after.is_fit is not state.is_fit:
            needed = fit if after.is_fit else unfit
            row = answers[number + 1 - needed : number + 1]
            assert row == [after.is_fit] * needed
        state = after


@pytest.mark.parametrize(
    ("status", "good"), [(199, False), (200, True), (399, True), (400, False), (503, False)]
)
def test_which_statuses_are_good(status: int, *, good: bool) -> None:
    """Success and redirects, unless said otherwise."""
    assert is_good(status, ProbeSettings()) is good


@pytest.mark.parametrize("wrong", [{"fit_after": 0}, {"interval_ns": 0}, {"least_status": 500}])
def test_settings_that_ask_nothing_are_refused(wrong: dict[str, int]) -> None:
    """At the place where they are made."""
    with pytest.raises(ValueError, match="nothing sensible"):
        ProbeSettings(**wrong)  # type: ignore[arg-type]
