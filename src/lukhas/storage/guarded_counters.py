"""Counters that never fail a request: what to do is a setting of each policy."""

from collections.abc import Sequence

from lukhas.errors import CountersUnavailableError, StoreError
from lukhas.policy.rate_limiting.decisions import LimitDecision
from lukhas.policy.rate_limiting.fallback import Fallback, fallback_for
from lukhas.policy.rate_limiting.plans import LimitPlan
from lukhas.storage.counters import CounterStore, RemoteCounterStore
from lukhas.storage.memory_counters import MemoryCounters

__all__ = ("GuardedCounters", "GuardedRemoteCounters")

_MOST_FALLBACKS = 1024


class _StandIn:
    """Decides on this node alone while the store does not answer."""

    __slots__ = ("_counters", "_fallbacks", "_shares")

    def __init__(self, shares: int) -> None:
        self._shares = max(1, shares)
        self._counters = MemoryCounters()
        self._fallbacks: dict[int, tuple[LimitPlan, Fallback]] = {}

    def decide(
        self,
        plan: LimitPlan,
        subjects: tuple[str, ...],
        now_ns: int,
        cost: int,
        costs: tuple[int, ...],
    ) -> LimitDecision:
        fallback = self._fallback(plan)
        if fallback.denies:
            raise CountersUnavailableError(fallback.denies)
        kept = fallback.kept
        return self._counters.decide(
            fallback.plan,
            tuple([subjects[index] for index in kept]),
            now_ns,
            cost,
            tuple([costs[index] for index in kept]) if costs else (),
        )

    def settle(
        self,
        decision: LimitDecision,
        subjects: tuple[str, ...],
        now_ns: int,
        changes: Sequence[int],
    ) -> None:
        self._counters.settle(decision, subjects, now_ns, changes)

    def _fallback(self, plan: LimitPlan) -> Fallback:
        # By identity: plans are made once and kept by whoever asks with them.
        found = self._fallbacks.get(id(plan))
        if found is None or found[0] is not plan:
            if len(self._fallbacks) >= _MOST_FALLBACKS:
                self._fallbacks.clear()
            found = plan, fallback_for(plan, shares=self._shares)
            self._fallbacks[id(plan)] = found
        return found[1]


class _Guard:
    """What both guards keep: the failures, and what decides meanwhile.

    Attributes:
        failures: how often the store failed, or did not answer.
        last_error: what was wrong last; empty while it works.
    """

    __slots__ = ("_stand_in", "failures", "last_error")

    def __init__(self, shares: int) -> None:
        self._stand_in = _StandIn(shares)
        self.failures = 0
        self.last_error = ""

    def _failed(self, error: StoreError) -> None:
        self.failures += 1
        self.last_error = str(error)


class GuardedCounters(_Guard):
    """A local store with something to fall back on; see `CounterStore`.

    Args:
        store: the counters.
        shares: among how many processes the quotas are shared while the store fails.
    """

    __slots__ = ("_store",)

    def __init__(self, store: CounterStore, *, shares: int) -> None:
        super().__init__(shares)
        self._store = store

    def decide(
        self,
        plan: LimitPlan,
        subjects: tuple[str, ...],
        now_ns: int,
        cost: int,
        costs: tuple[int, ...] = (),
    ) -> LimitDecision:
        """See `CounterStore.decide`.

        Raises:
            CountersUnavailableError: the store failed, and a policy refuses requests then.
        """
        try:
            decision = self._store.decide(plan, subjects, now_ns, cost, costs)
        except StoreError as error:
            self._failed(error)
            return self._stand_in.decide(plan, subjects, now_ns, cost, costs)
        self.last_error = ""
        return decision

    def held(self, _plan: LimitPlan, _subjects: tuple[str, ...]) -> None:
        """See `CounterStore.held`: the store may fail at any time."""

    def settle(
        self,
        decision: LimitDecision,
        subjects: tuple[str, ...],
        now_ns: int,
        changes: Sequence[int],
    ) -> None:
        """See `CounterStore.settle`; a failure is counted, and nothing else happens."""
        if decision.plan.is_fallback:
            self._stand_in.settle(decision, subjects, now_ns, changes)
            return
        try:
            self._store.settle(decision, subjects, now_ns, changes)
        except StoreError as error:
            self._failed(error)

    def __len__(self) -> int:
        try:
            return len(self._store)
        except StoreError:
            return 0


class GuardedRemoteCounters(_Guard):
    """A remote store with something to fall back on; see `RemoteCounterStore`.

    Args:
        store: the counters.
        shares: among how many processes the quotas are shared while the store does not answer.
    """

    __slots__ = ("_store",)

    def __init__(self, store: RemoteCounterStore, *, shares: int) -> None:
        super().__init__(shares)
        self._store = store

    async def decide(
        self,
        plan: LimitPlan,
        subjects: tuple[str, ...],
        now_ns: int,
        cost: int,
        costs: tuple[int, ...] = (),
    ) -> LimitDecision:
        """See `RemoteCounterStore.decide`.

        Raises:
            CountersUnavailableError: the store did not answer, and a policy refuses requests then.
        """
        try:
            decision = await self._store.decide(plan, subjects, now_ns, cost, costs)
        except StoreError as error:
            self._failed(error)
            return self._stand_in.decide(plan, subjects, now_ns, cost, costs)
        self.last_error = ""
        return decision

    def settle(
        self,
        decision: LimitDecision,
        subjects: tuple[str, ...],
        now_ns: int,
        changes: Sequence[int],
    ) -> None:
        """See `RemoteCounterStore.settle`."""
        if decision.plan.is_fallback:
            self._stand_in.settle(decision, subjects, now_ns, changes)
        else:
            self._store.settle(decision, subjects, now_ns, changes)
