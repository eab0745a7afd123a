"""What is reserved of one limit for one subject."""

import asyncio

from lukhas.errors import StoreError
from lukhas.policy.rate_limiting.decisions import LimitDecision
from lukhas.policy.rate_limiting.leases import LeaseSettings
from lukhas.policy.rate_limiting.plans import LimitPlan
from lukhas.policy.rate_limiting.strict_ring import StrictRing
from lukhas.units import SECOND_NS

__all__ = ("Lease",)

_LONGEST_REFUSAL_NS = SECOND_NS


class Lease:
    """What is reserved of one limit for one subject, and what the store said about it last.

    Args:
        plan: of one enforced group of strict limits.
        subjects: for whom it is counted.

    Attributes:
        plan: as given.
        subjects: as given.
        ring: the limits.
        fetching: the question that is under way, if one is.
        left: what is reserved and not used yet.
        last: how large the last slice of this moment was.
        wanted: what is expected to be asked for in the rest of the moment.
        room: what was left under the tightest limit.
        quota: of that limit.
        until_ns: when the moment is over, by the time here.
        refused_until_ns: until when nothing fits, by the time here.
    """

    __slots__ = (
        "_ahead_ns", "_before", "_demand", "_latest", "_moment_ns", "_refusal", "_slices",
        "fetching", "last", "left", "plan", "quota", "refused_until_ns", "ring", "room",
        "subjects", "until_ns", "wanted",
    )  # fmt: skip

    def __init__(self, plan: LimitPlan, subjects: tuple[str, ...]) -> None:
        counting = plan.groups[0].counting
        if not isinstance(counting, StrictRing):
            raise TypeError("only strict limits are leased")
        self.plan = plan
        self.subjects = subjects
        self.ring = counting
        self.fetching: asyncio.Task[LimitDecision | StoreError] | None = None
        self.left = 0
        self.last = 0
        self.wanted = 0
        self.until_ns = 0
        self.refused_until_ns = 0
        tightest = min(counting.limits, key=lambda limit: limit.quota)
        self.quota = self.room = tightest.quota
        self._moment_ns = 0
        self._ahead_ns = 0
        self._demand = self._before = 0
        self._slices: list[tuple[LimitDecision, int]] = []
        self._latest: LimitDecision | None = None
        self._refusal: LimitDecision | None = None

    def answer(self, now_ns: int, cost: int) -> LimitDecision | None:
        """The decision, if it can be made here."""
        if now_ns < self.until_ns and self.left >= cost and self._latest is not None:
            self._demand += cost
            self.left -= cost
            state = self.ring.without(self._latest.left[0], self.left)
            return LimitDecision(self.plan, (state,), now_ns + self._ahead_ns, cost)
        refusal = self._refusal
        if refusal is not None and now_ns < self.refused_until_ns and cost >= refusal.cost:
            at_ns = now_ns + self._ahead_ns
            left, violations = refusal.left, refusal.violations
            return LimitDecision(self.plan, left, at_ns, cost, violations, costs=(cost,))
        return None

    def is_low(self, settings: LeaseSettings, now_ns: int) -> bool:
        """Whether the next slice should be reserved soon."""
        is_low = self.last > 1 and 4 * self.left < self.last and now_ns < self.until_ns
        return is_low and not self.is_strict(settings, settings.first)

    def is_strict(self, settings: LeaseSettings, cost: int) -> bool:
        """Whether so little is left that no slice is reserved any more."""
        near_end = self.room * 100 < self.quota * settings.strict_percent
        return near_end or self.room < 2 * settings.nodes * cost

    def next_moment(self, now_ns: int) -> None:
        """The moment is over: what was asked for in it is what is expected of the next one."""
        is_next = now_ns < self.until_ns + self.ring.longest_ns
        self._before, self._demand, self.last = self._demand, 0, 0
        self.wanted = self._before if is_next else 0

    def is_same_moment(self, decision: LimitDecision) -> bool:
        """Whether a slice was reserved in the same moment, by the store's time, as those before."""
        return self.ring.moment_ends_ns(decision.left[0]) == self._moment_ns

    def note(self, decision: LimitDecision, now_ns: int, *, amount: int, cost: int) -> None:
        """Takes in what the store said to the wish for `amount`, of which `cost` is used."""
        self._demand += cost
        # By the time of the question, not of the answer: so that slices end rather too early.
        ahead_ns = decision.now_ns - now_ns
        if not decision.allowed:
            self.last = 0
            if cost:
                self._note_refusal(decision, now_ns)
            return
        self._refusal = None
        figures = decision.figures[::2]
        tightest = min(range(len(figures)), key=figures.__getitem__)
        self.room, self.quota = figures[tightest], self.ring.limits[tightest].quota
        if amount == cost:
            # No slice: what is held of earlier ones, and until when, stays as it is.
            if not self.left:
                self._note_moment(decision, ahead_ns)
            self.last = max(self.last, amount)
            return
        self._note_moment(decision, ahead_ns)
        self.left += amount - cost
        self.last = amount
        self.wanted = max(0, self.wanted - amount)
        self._latest = decision
        self._slices.append((decision, amount))

    def _note_moment(self, decision: LimitDecision, ahead_ns: int) -> None:
        self._ahead_ns = ahead_ns
        ends_ns = self.ring.moment_ends_ns(decision.left[0])
        until_ns = ends_ns - ahead_ns
        if ends_ns == self._moment_ns:
            # By the store's time the moment was not over yet: what was asked for in it adds up.
            self._demand += self._before
            until_ns = (
                max(until_ns, self.until_ns) if not self.left else min(until_ns, self.until_ns)
            )
        self._before = 0
        self.until_ns = until_ns
        self._moment_ns = ends_ns

    def _note_refusal(self, decision: LimitDecision, now_ns: int) -> None:
        waits_ns = [
            found.free_at_ns - decision.now_ns
            for found in decision.violations
            if found.free_at_ns is not None
        ]
        self._refusal = decision
        self.room = min(decision.figures[::2], default=0)
        # Not for longer: what others give back may make room sooner.
        wait_ns = min(max(waits_ns, default=_LONGEST_REFUSAL_NS), _LONGEST_REFUSAL_NS)
        self.refused_until_ns = now_ns + wait_ns
        if not self.left:
            self._ahead_ns = decision.now_ns - now_ns

    def unused(self) -> list[tuple[LimitDecision, int]]:
        """What is left of each slice, the newest first; then there is nothing left."""
        unused = []
        left, self.left = self.left, 0
        for decision, amount in reversed(self._slices):
            returned = min(left, amount)
            if returned:
                unused.append((decision, returned))
            left -= returned
        self._slices.clear()
        return unused
