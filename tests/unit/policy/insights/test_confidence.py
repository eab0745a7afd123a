"""Bounds and probabilities from counts."""

import pytest

from lukhas.policy.insights.confidence import above, certainty, differs, share_at_least


def test_certainty_is_that_of_the_normal_distribution() -> None:
    """Half at 0, 97.5 % at 1.96, and never proof."""
    assert certainty(0) == 0.5
    assert certainty(1.96) == pytest.approx(0.975, abs=1e-4)
    assert certainty(-1.96) == pytest.approx(0.025, abs=1e-4)
    assert certainty(50) == 0.999


def test_the_lower_end_of_a_share_is_that_of_wilson() -> None:
    """10 of 100: 0.0552 (Wilson 1927); all of 10: 0.7225; nothing of nothing: 0."""
    assert share_at_least(10, 100) == pytest.approx(0.0552, abs=1e-4)
    assert share_at_least(10, 10) == pytest.approx(0.7225, abs=1e-4)
    assert share_at_least(0, 10) == pytest.approx(0.0, abs=1e-12)
    assert share_at_least(0, 0) == 0


def test_a_share_is_above_a_bound_by_its_standard_error() -> None:
    """70 of 1000 against 5 %: 0.02 / sqrt(0.05 * 0.95 / 1000) is 2.90, so 99.8 %."""
    assert above(70, 1000, 0.05) == pytest.approx(certainty(2.902), abs=1e-4)
    assert above(50, 1000, 0.05) == 0.5
    assert above(0, 0, 0.05) == 0


def test_two_shares_differ_by_the_pooled_standard_error() -> None:
    """30 of 100 against 20 of 100: 0.1 / sqrt(0.25 * 0.75 * 0.02) is 1.63."""
    assert differs(30, 100, 20, 100) == pytest.approx(certainty(1.633), abs=1e-4)
    assert differs(20, 100, 30, 100) == pytest.approx(certainty(-1.633), abs=1e-4)
    assert differs(1, 1, 0, 0) == 0
    assert differs(0, 5, 0, 5) == 0.5
