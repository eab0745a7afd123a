"""The roll-ups of the history: how fine they are, how long they are kept, which to read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

__all__ = (
    "CROWD_LEVELS",
    "DAY_S",
    "FIVE_MINUTES_S",
    "HOUR_S",
    "LEVELS",
    "MINUTE_S",
    "Piece",
    "Retention",
    "ceiled",
    "cover",
    "floored",
)

MINUTE_S = 60
FIVE_MINUTES_S = 300
HOUR_S = 3600
DAY_S = 86_400
LEVELS = (1, MINUTE_S, FIVE_MINUTES_S, HOUR_S, DAY_S)
"""Seconds that one row stands for, the finest first."""

CROWD_LEVELS = (MINUTE_S, HOUR_S, DAY_S)
"""Those at which it is kept who called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """For how many seconds each level is kept.

    Attributes:
        seconds_s: rows of a second.
        minutes_s: rows of a minute, and of five.
        hours_s: rows of an hour.
        days_s: rows of a day.
    """

    seconds_s: int = 1800
    minutes_s: int = 2 * DAY_S
    hours_s: int = 90 * DAY_S
    days_s: int = 1830 * DAY_S

    def kept_s(self, level: int) -> int:
        """For how long rows of a level are kept."""
        kept = (self.seconds_s, self.minutes_s, self.minutes_s, self.hours_s, self.days_s)
        return dict(zip(LEVELS, kept, strict=True))[level]

    def grain(self, from_s: int, now_s: int) -> int:
        """The finest level that still reaches back to a moment; days for all that is older."""
        for level in LEVELS:
            if from_s >= now_s - self.kept_s(level):
                return level
        return DAY_S


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of time to read from one level.

    Attributes:
        level: seconds of a row.
        from_s: the first second.
        to_s: the first second after it.
    """

    level: int
    from_s: int
    to_s: int


def floored(time_s: int, step_s: int) -> int:
    """The last multiple of a step at or before a moment."""
    return time_s - time_s % step_s


def ceiled(time_s: int, step_s: int) -> int:
    """The first multiple of a step at or after a moment."""
    return -(-time_s // step_s) * step_s


def cover(
    from_s: int, to_s: int, *, done_s: Mapping[int, int], levels: tuple[int, ...]
) -> Iterator[Piece]:
    """Pieces that make up a window, each second in exactly one, from the coarsest rows there are.

    Args:
        from_s: the first second.
        to_s: the first second after it.
        done_s: up to where each level but the finest is rolled up.
        levels: which levels may be read, the coarsest first; the last is the finest there is.
    """
    if from_s >= to_s:
        return
    level, finer = levels[0], levels[1:]
    if not finer:
        yield Piece(level, from_s, to_s)
        return
    first_s = ceiled(from_s, level)
    last_s = floored(min(to_s, done_s[level]), level)
    if first_s >= last_s:
        yield from cover(from_s, to_s, done_s=done_s, levels=finer)
        return
    yield from cover(from_s, first_s, done_s=done_s, levels=finer)
    yield Piece(level, first_s, last_s)
    yield from cover(last_s, to_s, done_s=done_s, levels=finer)
