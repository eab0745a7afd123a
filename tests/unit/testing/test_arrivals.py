"""The patterns of arrivals of the test kit."""

from lukhas.testing.arrivals import boundary, bursts, poisson, steady
from lukhas.units import SECOND_NS


def test_boundary_comes_just_before_and_at_the_turn_of_a_window() -> None:
    """As many before as after, in order, at each turn."""
    offsets = boundary(2, window_s=60, windows=2)
    turns = [60 * SECOND_NS, 120 * SECOND_NS]
    assert offsets == [turn + step for turn in turns for step in (-2, -1, 0, 1)]


def test_bursts_come_at_once() -> None:
    """So many at the same moment, then nothing until the next."""
    assert bursts(2, every_s=1.5, times=2) == [0, 0, 1_500_000_000, 1_500_000_000]


def test_steady_arrivals_have_one_distance() -> None:
    """The last one comes a distance before the end."""
    assert steady(4, over_s=2) == [0, 500_000_000, 1_000_000_000, 1_500_000_000]


def test_poisson_arrivals_are_random_and_the_same_each_time() -> None:
    """About as many as the rate says, in order, within the time; another seed, other requests."""
    offsets = poisson(10, over_s=100, seed=1)
    assert offsets == poisson(10, over_s=100, seed=1) != poisson(10, over_s=100, seed=2)
    assert list(offsets) == sorted(offsets)
    assert 0 <= offsets[0] <= offsets[-1] < 100 * SECOND_NS
    assert 850 < len(offsets) < 1150
