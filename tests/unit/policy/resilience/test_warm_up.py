"""Targets that begin, and health that cannot be believed."""

from lukhas.policy.resilience.warm_up import share_of, usable
from lukhas.units import SECOND_NS

T0 = 1_750_000_000 * SECOND_NS


def test_a_target_gets_its_part_by_and_by() -> None:
    """A tenth at least, all of it after the window."""
    shares = [share_of(T0, T0 + seconds * SECOND_NS) for seconds in (0, 3, 15, 30, 99)]
    assert shares == [0.1, 0.1, 0.5, 1.0, 1.0]
    assert share_of(0, T0) == 1.0
    assert share_of(T0, T0, 0) == 1.0


def test_health_is_not_believed_when_too_few_are_fit() -> None:
    """Half of them by default; one of one, none of none."""
    assert usable(2, 4)
    assert not usable(1, 4)
    assert not usable(0, 1)
    assert not usable(0, 0)
    assert usable(1, 4, panic_share=0.0)
