"""How sure a figure is: bounds and probabilities from counts."""

import math

__all__ = ("above", "certainty", "differs", "share_at_least")

_Z95 = 1.96
# No count is proof.
_MOST = 0.999


def certainty(z: float) -> float:
    """The probability that a normal value lies below `z`: 0.5 for 0, 0.975 for 1.96.

    Never above 0.999, for what is counted is never quite as independent as is assumed.
    """
    return min(_MOST, 0.5 * (1 + math.erf(z / math.sqrt(2))))


def share_at_least(part: int, whole: int) -> float:
    """The lower end of the 95 % interval of a share (Wilson 1927); 0 of nothing is 0."""
    if whole <= 0:
        return 0.0
    share = part / whole
    squared = _Z95 * _Z95 / whole
    spread = _Z95 * math.sqrt(share * (1 - share) / whole + squared / (4 * whole))
    return max(0.0, (share + squared / 2 - spread) / (1 + squared))


def above(part: int, whole: int, bound: float) -> float:
    """How likely it is that a share is really above a bound, by the normal approximation.

    Args:
        part: how many.
        whole: of how many.
        bound: a share, above 0 and below 1.
    """
    if whole <= 0:
        return 0.0
    return certainty((part / whole - bound) / math.sqrt(bound * (1 - bound) / whole))


def differs(part: int, whole: int, other_part: int, other_whole: int) -> float:
    """How likely it is that one share is really above another: the test of two proportions."""
    if whole <= 0 or other_whole <= 0:
        return 0.0
    pooled = (part + other_part) / (whole + other_whole)
    variance = pooled * (1 - pooled) * (1 / whole + 1 / other_whole)
    difference = part / whole - other_part / other_whole
    if variance <= 0:
        return 0.5
    return certainty(difference / math.sqrt(variance))
