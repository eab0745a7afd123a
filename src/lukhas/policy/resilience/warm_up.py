"""A target that comes new, or comes back, gets its part of the requests by and by."""

from lukhas.units import SECOND_NS

__all__ = ("WARM_UP_NS", "share_of", "usable")

WARM_UP_NS = 30 * SECOND_NS
"""How long it takes if nothing else is said."""

_LEAST = 0.1


def share_of(since_ns: int, now_ns: int, window_ns: int = WARM_UP_NS) -> float:
    """The part of its weight that a target gets, from a tenth up to 1 (Envoy's slow start).

    Args:
        since_ns: when it began to serve; 0: it always did.
        now_ns: the time.
        window_ns: how long it takes; 0: it gets all at once.
    """
    if not since_ns or now_ns - since_ns >= window_ns:
        return 1.0
    return max(_LEAST, (now_ns - since_ns) / window_ns)


def usable(fit: int, count: int, *, panic_share: float = 0.5) -> bool:
    """Whether health is to be believed: not when it says that too few targets are fit.

    Then probably the one who looks is wrong, or those that are left would be overrun: all are used
    (Envoy's panic threshold).

    Args:
        fit: how many are said to be fit.
        count: how many there are.
        panic_share: below which part of them nobody is left out.
    """
    return count > 0 and fit >= max(1, count * panic_share)
