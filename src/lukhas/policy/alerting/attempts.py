"""When a message that could not be delivered is tried again, and when it is given up."""

from lukhas.units import SECOND_NS

__all__ = ("MOST_ATTEMPTS", "next_attempt_ns")

MOST_ATTEMPTS = 8
"""After so many the message is a dead letter: about 20 minutes."""

_FIRST_S = 5.0
_LONGEST_S = 600.0


def next_attempt_ns(
    attempts: int, now_ns: int, *, jitter: float, most: int = MOST_ATTEMPTS
) -> int | None:
    """When to try again: after twice as long each time, and up to half of it later or earlier.

    Args:
        attempts: how many have failed, at least 1.
        now_ns: Unix time.
        jitter: any number from 0 up to 1, so that many messages do not come back at once.
        most: how many attempts there are.

    Returns:
        Unix time; None if it is given up.
    """
    if attempts >= most:
        return None
    pause_s = min(_LONGEST_S, _FIRST_S * 2.0 ** (attempts - 1))
    return now_ns + round(pause_s * (0.5 + jitter) * SECOND_NS)
