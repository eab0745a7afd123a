"""Slices of limits that a node reserves in a remote store, and answers from by itself."""

import asyncio
from collections.abc import Sequence

from lukhas.errors import StoreError
from lukhas.policy.rate_limiting.decisions import LimitDecision
from lukhas.policy.rate_limiting.leases import LeaseSettings, slice_of
from lukhas.policy.rate_limiting.plans import LimitPlan
from lukhas.policy.rate_limiting.strict_ring import StrictRing
from lukhas.storage.counters import RemoteCounterStore
from lukhas.units import SECOND_NS

__all__ = ("LeasedCounters",)

_MOST_LEASES = 100_000
_LOOKS = 4
_LONGEST_REFUSAL_NS = SECOND_NS


class LeasedCounters:
    """A `RemoteCounterStore` that asks another one about slices, not about each request.

    A slice is charged to the shared counters when it is reserved. It is used up within the moment
    it was reserved in, that is before any bucket of the limit ends; what is left of it then is
    given back. So a slice is never spent later than it is counted, and the limit is not exceeded
    however many nodes there are. Near the end of a limit, and after a refusal, each request is
    asked about. A refusal holds until the limit has room again by what the store said.

    Only plans of one enforced group of strict limits are leased; all others are asked about.

    Args:
        store: the shared counters.
        settings: how slices are cut.

    Attributes:
        answered: how many requests were decided here.
        asked: how many times the store was asked.
    """

    def __init__(self, store: RemoteCounterStore, settings: LeaseSettings) -> None:
        self._store = store
        self._settings = settings
        self._leases: dict[tuple[str, str], _Lease] = {}
        self._filling: set[asyncio.Task[None]] = set()
        self.answered = 0
        self.asked = 0

    async def decide(
        self,
        plan: LimitPlan,
        subjects: tuple[str, ...],
        now_ns: int,
        cost: int,
        costs: tuple[int, ...] = (),
    ) -> LimitDecision:
        """See `RemoteCounterStore.decide`."""
        group = plan.groups[0]
        ring = group.counting
        if costs or not plan.is_simple or not isinstance(ring, StrictRing):
            self.asked += 1
            return await self._store.decide(plan, subjects, now_ns, cost, costs)
        lease = self._lease(plan, subjects, now_ns)
        while True:
            decision = lease.answer(now_ns, cost)
            if decision is not None:
                self.answered += 1
                if lease.is_low(now_ns) and lease.fetching is None:
                    self._fill(lease, now_ns)
                return decision
            if lease.fetching is None:
                return await self._ask(lease, now_ns, cost)
            # Somebody asks already; what comes back may be enough for both.
            await asyncio.wait([lease.fetching])

    def settle(
        self,
        decision: LimitDecision,
        subjects: tuple[str, ...],
        now_ns: int,
        changes: Sequence[int],
    ) -> None:
        """See `RemoteCounterStore.settle`."""
        self._store.settle(decision, subjects, now_ns, changes)

    async def close(self) -> None:
        """Gives all slices back."""
        for task in tuple(self._filling):
            task.cancel()
        if self._filling:
            await asyncio.wait(self._filling)
        for lease in self._leases.values():
            self._give_back(lease)
        self._leases.clear()

    def _lease(self, plan: LimitPlan, subjects: tuple[str, ...], now_ns: int) -> "_Lease":
        key = (plan.groups[0].table, subjects[0])
        lease = self._leases.get(key)
        if lease is None:
            self._forget(now_ns)
            lease = self._leases[key] = _Lease(plan, subjects)
        elif lease.plan is not plan:
            if lease.ring.limits != plan.groups[0].counting.limits:
                self._give_back(lease)
                lease = self._leases[key] = _Lease(plan, subjects)
            lease.plan = plan
        return lease

    def _forget(self, now_ns: int) -> None:
        """Drops a few old leases that are over, the oldest first."""
        looks = _LOOKS if len(self._leases) < _MOST_LEASES else 2 * _LOOKS
        for key in [key for key, _ in zip(self._leases, range(looks), strict=False)]:
            lease = self._leases.pop(key)
            if lease.fetching is None and now_ns >= max(lease.until_ns, lease.refused_until_ns):
                self._give_back(lease)
            else:
                self._leases[key] = lease

    async def _ask(self, lease: "_Lease", now_ns: int, cost: int) -> LimitDecision:
        lease.fetching = asyncio.get_running_loop().create_future()
        try:
            return await self._reserve(lease, now_ns, cost)
        finally:
            lease.fetched()

    def _fill(self, lease: "_Lease", now_ns: int) -> None:
        """Reserves the next slice before this one is used up, with nobody waiting for it."""
        lease.fetching = asyncio.get_running_loop().create_future()
        task = asyncio.get_running_loop().create_task(self._refill(lease, now_ns))
        self._filling.add(task)
        task.add_done_callback(self._filling.discard)

    async def _refill(self, lease: "_Lease", now_ns: int) -> None:
        try:
            await self._reserve(lease, now_ns, 0)
        except StoreError:
            # Whoever needs it next asks again, and is told.
            lease.last = 0
        finally:
            lease.fetched()

    async def _reserve(self, lease: "_Lease", now_ns: int, cost: int) -> LimitDecision:
        """Asks for a slice, of which `cost` is used at once."""
        if now_ns >= lease.until_ns:
            self._give_back(lease)
            lease.next_moment(now_ns)
        amount = slice_of(
            self._settings,
            cost=max(1, cost),
            room=lease.room,
            quota=lease.quota,
            wanted=lease.wanted,
            last=lease.last,
        )
        decision = await self._take(lease, now_ns, amount)
        if not decision.allowed and amount > cost > 0:
            amount = cost
            decision = await self._take(lease, now_ns, amount)
        if decision.allowed and not lease.is_same_moment(decision):
            self._give_back(lease)
        lease.note(decision, now_ns, amount=amount, cost=cost)
        return decision

    async def _take(self, lease: "_Lease", now_ns: int, amount: int) -> LimitDecision:
        self.asked += 1
        return await self._store.decide(lease.plan, lease.subjects, now_ns, amount)

    def _give_back(self, lease: "_Lease") -> None:
        for decision, left in lease.unused():
            self._store.settle(decision, lease.subjects, decision.now_ns, (-left,))


class _Lease:
    """What is reserved of one limit for one subject."""

    __slots__ = (
        "_ahead_ns",
        "_demand",
        "_latest",
        "_moment_ns",
        "_refusal",
        "_slices",
        "fetching",
        "last",
        "left",
        "plan",
        "quota",
        "refused_until_ns",
        "ring",
        "room",
        "subjects",
        "until_ns",
        "wanted",
    )

    def __init__(self, plan: LimitPlan, subjects: tuple[str, ...]) -> None:
        counting = plan.groups[0].counting
        if not isinstance(counting, StrictRing):
            raise TypeError("only strict limits are leased")
        self.plan = plan
        self.subjects = subjects
        self.ring = counting
        self.fetching: asyncio.Future[None] | None = None
        self.left = 0
        self.last = 0
        self.wanted = 0
        self.until_ns = 0
        self._moment_ns = 0
        self._ahead_ns = 0
        self.refused_until_ns = 0
        tightest = min(counting.limits, key=lambda limit: limit.quota)
        self.quota = self.room = tightest.quota
        self._demand = 0
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

    def is_low(self, now_ns: int) -> bool:
        """Whether the next slice should be reserved soon."""
        return self.last > 1 and 4 * self.left < self.last and now_ns < self.until_ns

    def fetched(self) -> None:
        """The store has answered, or failed."""
        fetching, self.fetching = self.fetching, None
        if fetching is not None and not fetching.done():
            fetching.set_result(None)

    def next_moment(self, now_ns: int) -> None:
        """The moment is over: what was asked for in it is what is expected of the next one."""
        is_next = now_ns < self.until_ns + self.ring.longest_ns
        self.wanted = self._demand if is_next else 0
        self._demand = self.last = 0

    def is_same_moment(self, decision: LimitDecision) -> bool:
        """Whether a slice was reserved in the same moment, by the store's time, as those before."""
        return self.ring.moment_ends_ns(decision.left[0]) == self._moment_ns

    def note(self, decision: LimitDecision, now_ns: int, *, amount: int, cost: int) -> None:
        """Takes in what the store said to the wish for `amount`, of which `cost` is used."""
        self._demand += cost
        # By the time of the question, not of the answer: so that slices end rather too early.
        self._ahead_ns = decision.now_ns - now_ns
        if not decision.allowed:
            self.last = 0
            if cost:
                waits_ns = [
                    found.free_at_ns - decision.now_ns
                    for found in decision.violations
                    if found.free_at_ns is not None
                ]
                self._refusal = decision
                # Not for longer: what others give back may make room sooner.
                wait_ns = min(max(waits_ns, default=_LONGEST_REFUSAL_NS), _LONGEST_REFUSAL_NS)
                self.refused_until_ns = now_ns + wait_ns
            return
        self._refusal = None
        figures = decision.figures[::2]
        tightest = min(range(len(figures)), key=figures.__getitem__)
        self.room, self.quota = figures[tightest], self.ring.limits[tightest].quota
        ends_ns = self.ring.moment_ends_ns(decision.left[0])
        until_ns = ends_ns - self._ahead_ns
        self.until_ns = min(self.until_ns, until_ns) if ends_ns == self._moment_ns else until_ns
        self._moment_ns = ends_ns
        self.left += amount - cost
        self.last = amount
        self.wanted = max(0, self.wanted - amount)
        self._latest = decision
        self._slices.append((decision, amount))

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
