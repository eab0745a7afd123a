"""When a message is tried again."""

from lukhas.policy.alerting.attempts import MOST_ATTEMPTS, next_attempt_ns
from lukhas.units import SECOND_NS


def test_pauses_double_up_to_a_bound() -> None:
    """5 s, 10 s, ..., and never more than 10 minutes, before jitter."""
    pauses = []
    for attempts in range(1, 12):
        at_ns = next_attempt_ns(attempts, 0, jitter=0.5, most=99)
        assert at_ns is not None
        pauses.append(at_ns / SECOND_NS)
    assert pauses == [5, 10, 20, 40, 80, 160, 320, 600, 600, 600, 600]


def test_jitter_spreads_them() -> None:
    """By half to either side."""
    assert next_attempt_ns(1, 0, jitter=0.0) == 2.5 * SECOND_NS
    assert next_attempt_ns(1, 100, jitter=0.999) == 100 + 7.495 * SECOND_NS


def test_at_last_it_is_given_up() -> None:
    """After as many attempts as there are."""
    assert next_attempt_ns(MOST_ATTEMPTS - 1, 0, jitter=0.5) is not None
    assert next_attempt_ns(MOST_ATTEMPTS, 0, jitter=0.5) is None
