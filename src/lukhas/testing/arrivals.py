"""When requests come: patterns that are hard on a limit, as offsets from the start in nanoseconds.

Every pattern is the same each time; what is random takes a seed.
"""

import random
from collections.abc import Sequence

from lukhas.units import SECOND_NS

__all__ = ("Arrivals", "boundary", "bursts", "poisson", "steady")

Arrivals = Sequence[int]
"""Offsets from the start, in nanoseconds, in order."""


def boundary(number: int, *, window_s: float, windows: int = 3) -> Arrivals:
    """The attack on counters that start afresh: all at the end of a window and at its turn.

    Args:
        number: how many come just before each turn, and how many just after.
        window_s: the window that is attacked.
        windows: how many turns.
    """
    offsets: list[int] = []
    for turn in range(1, windows + 1):
        turn_ns = round(turn * window_s * SECOND_NS)
        offsets += [turn_ns - number + index for index in range(2 * number)]
    return offsets


def bursts(number: int, *, every_s: float, times: int) -> Arrivals:
    """So many at once, then nothing, and again.

    Args:
        number: the size of a burst.
        every_s: from one burst to the next.
        times: how many bursts.
    """
    begins_ns = [round(index * every_s * SECOND_NS) for index in range(times)]
    return [begin_ns for begin_ns in begins_ns for _ in range(number)]


def steady(number: int, *, over_s: float) -> Arrivals:
    """One after the other at the same distance.

    Args:
        number: how many.
        over_s: in which time.
    """
    return [round(index * over_s * SECOND_NS / number) for index in range(number)]


def poisson(rate_per_s: float, *, over_s: float, seed: int) -> Arrivals:
    """Independent callers: the times between two requests are distributed exponentially.

    Args:
        rate_per_s: how many come in a second on average.
        over_s: for how long.
        seed: the same seed gives the same requests.
    """
    chance = random.Random(seed)  # noqa: S311 - repeatable by intent
    offsets: list[int] = []
    at_s = chance.expovariate(rate_per_s)
    while at_s < over_s:
        offsets.append(round(at_s * SECOND_NS))
        at_s += chance.expovariate(rate_per_s)
    return offsets
