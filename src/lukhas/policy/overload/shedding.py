"""Who may have the slots of an upstream when there are not enough for all.

Each tier has a guaranteed share of the slots, small for the low ones, and a priority. What is
guaranteed and not asked for is lent; what nobody is guaranteed goes by priority. A slot is lent
only if those still get theirs who come first and have lately asked for it:

- a tier of higher priority: as many as it has lately had or wanted at once;
- a tier of lower priority: the same, up to its guarantee.

So low tiers are refused first, no tier is starved, and an idle share is never kept back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.units import MILLISECOND_NS

__all__ = ("Access", "Standing", "TierShare", "decide", "guarantees", "may_take", "next_waiting")


@dataclass(frozen=True, slots=True)
class TierShare:
    """What one tier is due.

    Attributes:
        tier: the tier.
        percent: its guaranteed share of the slots, 0 to 100; all together at most 100.
        priority: who gets what nobody is guaranteed; higher first.
    """

    tier: Tier
    percent: int
    priority: int


class Access(Enum):
    """What becomes of a request."""

    OWN = "within the guaranteed share of its tier"
    LENT = "on a slot that nobody else is due"
    OWED = "the next slot is due to its tier"
    FULL = "every slot is taken"
    RESERVED = "the free slots are due to others"

    @property
    def admitted(self) -> bool:
        """Whether it may take a slot now."""
        return self is Access.OWN or self is Access.LENT


def guarantees(shares: Sequence[TierShare], limit: int) -> tuple[int, ...]:
    """How many slots each tier is guaranteed, in the order of the shares.

    Whole slots, rounded down, but at least one for whoever has a share at all; where there are
    fewer slots than tiers, the highest priorities get theirs. All together never above the limit.

    Args:
        shares: what each tier is due; the sum of the percentages is at most 100.
        limit: how many slots there are.
    """
    found = [0] * len(shares)
    left = limit
    by_priority = _by_priority(shares)
    for index in by_priority:
        if shares[index].percent and left:
            found[index] = 1
            left -= 1
    for index in by_priority:
        more = min(left, max(0, shares[index].percent * limit // 100 - found[index]))
        found[index] += more
        left -= more
    return tuple(found)


def _by_priority(shares: Sequence[TierShare]) -> tuple[int, ...]:
    return tuple(sorted(range(len(shares)), key=lambda index: -shares[index].priority))


class Standing:
    """Who has how many slots, and who wanted how many lately. Changed in place.

    Tiers are numbered in the order of the shares. What a tier wanted is the most that it had in
    flight and waiting at once, refused requests included, in the present window or the last.

    Args:
        shares: what each tier is due.
        limit: how many slots there are at first.
        window_ns: the length of a window.

    Attributes:
        shares: as given.
        limit: how many slots there are; see `resize`.
        guaranteed: how many of them each tier is guaranteed.
        by_priority: the numbers of the tiers, the highest priority first.
        in_flight: how many each tier has.
        waiting: how many requests of each tier wait; kept by the caller.
        wanted: how many each tier wanted lately; at least as many as it has.
        peaks: how many each tier wanted at most in the present window.
        ends_ns: the end of that window.
        total: how many are taken.
        wanted_total: the sum of `wanted`.
    """

    __slots__ = (
        "_window_ns",
        "by_priority",
        "ends_ns",
        "guaranteed",
        "in_flight",
        "limit",
        "peaks",
        "shares",
        "total",
        "waiting",
        "wanted",
        "wanted_total",
    )

    def __init__(
        self,
        shares: Sequence[TierShare],
        limit: int,
        *,
        window_ns: int = 500 * MILLISECOND_NS,
    ) -> None:
        self.shares = tuple(shares)
        self.limit = limit
        self.guaranteed = guarantees(self.shares, limit)
        self.by_priority = _by_priority(self.shares)
        self.in_flight = [0] * len(self.shares)
        self.waiting = [0] * len(self.shares)
        self.wanted = [0] * len(self.shares)
        self.total = 0
        self.wanted_total = 0
        self.peaks = [0] * len(self.shares)
        self._window_ns = window_ns
        self.ends_ns = 0

    def resize(self, limit: int) -> None:
        """Sets how many slots there are; who has one keeps it."""
        if limit != self.limit:
            self.limit = limit
            self.guaranteed = guarantees(self.shares, limit)

    def ask(self, index: int, now_ns: int) -> None:
        """Notes that a tier wants one more slot than it has and waits for."""
        if now_ns >= self.ends_ns:
            self._turn(now_ns)
        wants = self.in_flight[index] + self.waiting[index] + 1
        if wants > self.peaks[index]:
            self.peaks[index] = wants
            if wants > self.wanted[index]:
                self.wanted_total += wants - self.wanted[index]
                self.wanted[index] = wants

    def take(self, index: int) -> None:
        """Gives a slot to a tier that has asked for it."""
        self.in_flight[index] += 1
        self.total += 1

    def free(self, index: int) -> None:
        """Takes a slot back."""
        self.in_flight[index] -= 1
        self.total -= 1

    def _turn(self, now_ns: int) -> None:
        present = [had + waits for had, waits in zip(self.in_flight, self.waiting, strict=True)]
        lately = self.peaks if now_ns < self.ends_ns + self._window_ns else present
        self.wanted = [max(pair) for pair in zip(lately, present, strict=True)]
        self.wanted_total = sum(self.wanted)
        self.peaks = present
        self.ends_ns = now_ns + self._window_ns


def decide(standing: Standing, index: int) -> Access:
    """What becomes of a request of a tier that has asked for a slot. Changes nothing.

    A tier that is below its guarantee is never turned away by the share of others: it gets a slot,
    or the next one that becomes free.
    """
    limit = standing.limit
    in_flight = standing.in_flight[index]
    if in_flight < standing.guaranteed[index]:
        return Access.OWN if standing.total < limit else Access.OWED
    # Nobody is due more than is wanted; so where all of that fits, there is nothing to weigh.
    if standing.wanted_total - standing.wanted[index] + in_flight < limit:
        return Access.LENT
    if standing.total >= limit:
        return Access.FULL
    return Access.LENT if may_take(standing, index) else Access.RESERVED


def may_take(standing: Standing, index: int) -> bool:
    """Whether a slot may be lent to a tier, after all who come first have theirs."""
    shares = standing.shares
    priority = shares[index].priority
    room = standing.limit - standing.total
    for other, share in enumerate(shares):
        if other != index:
            due = standing.wanted[other]
            if share.priority <= priority:
                due = min(due, standing.guaranteed[other])
            room -= max(0, due - standing.in_flight[other])
    return room > 0


def next_waiting(standing: Standing) -> int | None:
    """The tier whose request that has waited longest gets the next slot; None if none may.

    Tiers below their guarantee come first, then the others; the higher priority first in each.
    """
    if standing.total >= standing.limit:
        return None
    waiting = [index for index in standing.by_priority if standing.waiting[index]]
    for index in waiting:
        if standing.in_flight[index] < standing.guaranteed[index]:
            return index
    return next((index for index in waiting if may_take(standing, index)), None)
