"""Slices of limits that a node reserves in a remote store, and answers from by itself."""

import asyncio
from collections.abc import Coroutine, Sequence

from lukhas.clock import Clock, SystemClock
from lukhas.errors import StoreError
from lukhas.policy.rate_limiting.decisions import LimitDecision
from lukhas.policy.rate_limiting.leases import LeaseSettings, slice_of
from lukhas.policy.rate_limiting.plans import LimitPlan
from lukhas.policy.rate_limiting.strict_ring import StrictRing
from lukhas.storage.counters import RemoteCounterStore
from lukhas.storage.leases import Lease
from lukhas.units import SECOND_NS

__all__ = ("LeasedCounters",)

_MOST_LEASES = 100_000
_LOOKS = 4
_MOST_WAITS = 3
_LOOK_S = 0.25
_LOOKS_AT_ONCE = 256
_SET_BACK_NS = SECOND_NS


class LeasedCounters:
    """A `RemoteCounterStore` that asks another one about slices, not about each request.

    A slice is charged to the shared counters when it is reserved. It is used up within the moment
    it was reserved in, that is before any bucket of the limit ends; what is left of it then is
    given back. So a slice is never spent later than it is counted, and the limit is not exceeded
    however many nodes there are. Near the end of a limit, and after a refusal, each request is
    asked about. A refusal holds until the limit has room again by what the store said.

    Only plans of one enforced group of strict limits are leased; all others are asked about. So is
    the first request of a subject: only who comes again is worth a slice.

    Needs a running loop and belongs to it.

    Args:
        store: the shared counters.
        settings: how slices are cut.
        clock: by which slices of subjects that do not come again are given back.
        most: of how many subjects slices are kept; others are asked about.

    Attributes:
        answered: how many requests were decided here.
        asked: how many times the store was asked.
    """

    def __init__(
        self,
        store: RemoteCounterStore,
        settings: LeaseSettings,
        *,
        clock: Clock | None = None,
        most: int = _MOST_LEASES,
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock or SystemClock()
        self._most = most
        self._leases: dict[tuple[str, str], Lease] = {}
        # By the moment they end in: so that who holds something is found without looking at all.
        self._held: dict[int, list[Lease]] = {}
        self._latest_ns = 0
        self._fetches: set[asyncio.Task[LimitDecision | StoreError]] = set()
        self._timer: asyncio.Handle | None = None
        self.answered = 0
        self.asked = 0

    def __len__(self) -> int:
        """Of how many subjects something is known here."""
        return len(self._leases)

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
        if costs or not plan.is_simple or not isinstance(group.counting, StrictRing):
            return await self._ask(plan, subjects, now_ns, cost, costs)
        lease = self._lease(plan, subjects, now_ns)
        if lease is None:
            return await self._ask(plan, subjects, now_ns, cost)
        for _ in range(_MOST_WAITS):
            decision = lease.answer(now_ns, cost)
            if decision is not None:
                self.answered += 1
                if lease.fetching is None and lease.is_low(self._settings, now_ns):
                    self._fetch(lease, now_ns, 0)
                return decision
            if lease.is_strict(self._settings, cost):
                break
            fetching = lease.fetching
            if fetching is None:
                return _result(await asyncio.shield(self._fetch(lease, now_ns, cost)))
            # Somebody asks already; what comes back may be enough for both, and so is an error.
            _result(await asyncio.shield(fetching))
        return await self._ask_strictly(lease, now_ns, cost)

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
        # Not cancelled: what they reserve could not be given back then.
        while self._fetches:
            await asyncio.wait(self._fetches)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for lease in self._leases.values():
            self._give_back(lease, self._latest_ns)
        self._leases.clear()
        self._held.clear()

    def give_back_ended(self, now_ns: int) -> bool:
        """Gives back what is left of slices whose moment is over; a timer does it.

        Only so many at once that nobody has to wait for it.

        Returns:
            Whether there is more to be given back.
        """
        looks = _LOOKS_AT_ONCE
        for ends_ns in [ends_ns for ends_ns in self._held if ends_ns <= now_ns]:
            held = self._held[ends_ns]
            while held and looks:
                looks -= 1
                lease = held.pop()
                if now_ns >= lease.until_ns:
                    self._give_back(lease, now_ns)
                elif lease.left:
                    self._held.setdefault(lease.until_ns, []).append(lease)
            if held:
                return True
            del self._held[ends_ns]
        return False

    async def _ask_strictly(self, lease: Lease, now_ns: int, cost: int) -> LimitDecision:
        """Asks about one request, at the same time as others do."""
        if lease.fetching is None:
            self._enter_moment(lease, now_ns)
        decision = await self._ask(lease.plan, lease.subjects, now_ns, cost)
        lease.note(decision, now_ns, amount=cost, cost=cost)
        if decision.allowed:
            return decision
        if lease.fetching is not None:
            await asyncio.shield(lease.fetching)
        # What this node holds itself is no reason to refuse.
        return lease.answer(now_ns, cost) or decision

    async def _ask(
        self,
        plan: LimitPlan,
        subjects: tuple[str, ...],
        now_ns: int,
        cost: int,
        costs: tuple[int, ...] = (),
    ) -> LimitDecision:
        self.asked += 1
        return await self._store.decide(plan, subjects, now_ns, cost, costs)

    def _lease(self, plan: LimitPlan, subjects: tuple[str, ...], now_ns: int) -> Lease | None:
        if now_ns < self._latest_ns - _SET_BACK_NS:
            # The clock was set back: by it slices would be held for longer than they are counted.
            self._drop_all(now_ns)
        self._latest_ns = max(self._latest_ns, now_ns)
        key = (plan.groups[0].table, subjects[0])
        lease = self._leases.get(key)
        if lease is not None and lease.plan is not plan:
            if lease.ring.limits == plan.groups[0].counting.limits:
                lease.plan = plan
            else:
                self._give_back(lease, now_ns)
                lease = None
        if lease is None:
            self._forget(now_ns)
            if len(self._leases) >= self._most:
                return None
            lease = self._leases[key] = Lease(plan, subjects)
        return lease

    def _drop_all(self, now_ns: int) -> None:
        for lease in self._leases.values():
            self._give_back(lease, now_ns)
        self._leases.clear()
        self._held.clear()
        self._latest_ns = now_ns

    def _forget(self, now_ns: int) -> None:
        """Drops a few old leases that are over, the oldest first."""
        for key in [key for key, _ in zip(self._leases, range(_LOOKS), strict=False)]:
            lease = self._leases.pop(key)
            if lease.fetching is None and now_ns >= max(lease.until_ns, lease.refused_until_ns):
                self._give_back(lease, now_ns)
            else:
                self._leases[key] = lease

    def _fetch(
        self, lease: Lease, now_ns: int, cost: int
    ) -> "asyncio.Task[LimitDecision | StoreError]":
        """Reserves a slice; not in the task of a request, for that may be cancelled."""
        task = asyncio.get_running_loop().create_task(_caught(self._reserve(lease, now_ns, cost)))
        lease.fetching = task
        self._fetches.add(task)
        task.add_done_callback(self._fetches.discard)
        return task

    async def _reserve(self, lease: Lease, now_ns: int, cost: int) -> LimitDecision:
        """Asks for a slice, of which `cost` is used at once."""
        try:
            if self._enter_moment(lease, now_ns):
                # The store is to hear of what was given back first.
                await asyncio.sleep(0)
            amount = slice_of(
                self._settings,
                cost=max(1, cost),
                room=lease.room,
                quota=lease.quota,
                wanted=lease.wanted,
                last=lease.last,
            )
            decision = await self._ask(lease.plan, lease.subjects, now_ns, amount)
            if not decision.allowed and amount > cost > 0:
                amount = cost
                decision = await self._ask(lease.plan, lease.subjects, now_ns, amount)
            if decision.allowed and not lease.is_same_moment(decision):
                self._give_back(lease, now_ns)
            lease.note(decision, now_ns, amount=amount, cost=cost)
            if lease.left:
                self._held.setdefault(lease.until_ns, []).append(lease)
                self._look_later()
        except StoreError:
            lease.last = 0
            raise
        finally:
            lease.fetching = None
        return decision

    def _enter_moment(self, lease: Lease, now_ns: int) -> bool:
        """Begins a new moment if the one before is over; whether something was given back."""
        if now_ns < lease.until_ns:
            return False
        returned = self._give_back(lease, now_ns)
        lease.next_moment(now_ns)
        return returned

    def _give_back(self, lease: Lease, now_ns: int) -> bool:
        unused = lease.unused()
        for decision, left in unused:
            self._store.settle(decision, lease.subjects, max(now_ns, 0), (-left,))
        return bool(unused)

    def _look_later(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LOOK_S, self._look)

    def _look(self) -> None:
        self._timer = None
        if self.give_back_ended(self._clock.now_ns()):
            self._timer = asyncio.get_running_loop().call_soon(self._look)
        elif self._held:
            self._look_later()


async def _caught(
    reserving: Coroutine[object, object, LimitDecision],
) -> LimitDecision | StoreError:
    # As a value: an error that nobody waits for would be reported as lost.
    try:
        return await reserving
    except StoreError as error:
        return error


def _result(found: LimitDecision | StoreError) -> LimitDecision:
    if isinstance(found, StoreError):
        # Many may be told the same error; without the ways that it went before.
        raise found.with_traceback(None)
    return found
