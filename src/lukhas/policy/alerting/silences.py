"""Silences: alerts that nobody is told of for a while, and who wanted it so."""

from collections.abc import Iterable
from dataclasses import dataclass

from lukhas.policy.alerting.matchers import Matcher, matches
from lukhas.policy.alerting.rules import Labels

__all__ = ("Silence", "silenced_by")


@dataclass(frozen=True, slots=True)
class Silence:
    """One silence.

    Attributes:
        id: unique.
        matchers: which alerts; at least one.
        author: who made it.
        comment: why.
        starts_ns: from when (Unix time).
        ends_ns: until just before when.
    """

    id: str
    matchers: tuple[Matcher, ...]
    author: str
    comment: str
    starts_ns: int
    ends_ns: int

    def is_active(self, now_ns: int) -> bool:
        """Whether it holds at a moment."""
        return self.starts_ns <= now_ns < self.ends_ns


def silenced_by(silences: Iterable[Silence], labels: Labels, now_ns: int) -> Silence | None:
    """The first silence that holds for these labels now; None if there is none."""
    return next(
        (each for each in silences if each.is_active(now_ns) and matches(each.matchers, labels)),
        None,
    )
