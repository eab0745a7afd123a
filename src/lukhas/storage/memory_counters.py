"""Limit counters of one process."""

from collections import deque
from collections.abc import Sequence

from lukhas.policy.rate_limiting.decisions import LimitDecision, decide, settle
from lukhas.policy.rate_limiting.plans import LimitGroup, LimitPlan

__all__ = ("MAX_STATES", "MemoryCounters")

MAX_STATES = 1_000_000
"""How many states are kept unless somebody says otherwise: some 400 MB of them."""

# For each new state so many old ones are looked at: enough to keep up with any rate of new keys.
_LOOKS_PER_NEW_STATE = 2
# A dict that grows is copied in one go, so one for all states would stop the loop for
# milliseconds.
_SHARDS = 64
_SHARED = 1024


class MemoryCounters:
    """Counters in plain dicts: exact within one process, gone when it ends.

    States that count nothing any more are dropped a few at a time, whenever a new one is made, so
    nothing ever stops to sweep. A state that still counts something is never dropped: forgetting
    it would hand its owner a fresh quota. When all places are taken by such states, subjects that
    come new are counted in a fixed number of shared states: they may be refused for what others
    did, but nobody gets more than the limit, and memory stays bounded.

    Args:
        max_states: how many states to keep at most, over all limits.

    Attributes:
        shared: how often a subject had to be counted in a shared state.
    """

    __slots__ = ("_max_states", "_states", "_tables", "shared")

    def __init__(self, *, max_states: int = MAX_STATES) -> None:
        self._tables: dict[str, _Table] = {}
        self._max_states = max_states
        self._states = 0
        self.shared = 0

    def decide(
        self,
        plan: LimitPlan,
        subjects: tuple[str, ...],
        now_ns: int,
        cost: int,
        costs: tuple[int, ...] = (),
    ) -> LimitDecision:
        """See `CounterStore.decide`; never raises."""
        if plan.is_simple:
            group = plan.groups[0]
            subject = subjects[0]
            table = self._tables.get(group.table)
            if table is not None and table.group is group:
                state = table.shards[hash(subject) % _SHARDS].get(subject)
                if state is not None and not costs:
                    # As `decide` does it, without the call.
                    taken = group.counting.take(state, now_ns, cost)
                    if taken is not None:
                        return LimitDecision(plan, (taken,), now_ns, cost)
        return decide(plan, self._all(plan, subjects, now_ns), now_ns, cost, costs)

    def settle(
        self,
        decision: LimitDecision,
        subjects: tuple[str, ...],
        now_ns: int,
        changes: Sequence[int],
    ) -> None:
        """See `CounterStore.settle`; never raises."""
        settle(decision, self._all(decision.plan, subjects, now_ns), now_ns, changes)

    def __len__(self) -> int:
        return self._states

    def _all(self, plan: LimitPlan, subjects: tuple[str, ...], now_ns: int) -> list[bytearray]:
        return [
            self._state(group, subject, now_ns)
            for group, subject in zip(plan.groups, subjects, strict=True)
        ]

    def _state(self, group: LimitGroup, subject: str, now_ns: int) -> bytearray:
        table = self._tables.get(group.table)
        if table is None or table.group.counting.limits != group.counting.limits:
            # Other limits under the same name: settings changed. What was counted is taken over.
            if table is not None:
                self._states -= table.drop_former()
            table = self._tables[group.table] = _Table(group, table)
        elif table.group is not group:
            table.group = group
        shard = hash(subject) % _SHARDS
        state = table.shards[shard].get(subject)
        if state is None:
            self._states -= table.forget_idle(shard, now_ns)
            if self._states >= self._max_states:
                self.shared += 1
                return table.shared_state(subject, now_ns)
            state = table.make_state(shard, subject, now_ns)
            self._states += 1
        return state


class _Table:
    """The states of one group, by subject."""

    __slots__ = ("_former", "_orders", "_shared", "group", "shards")

    def __init__(self, group: LimitGroup, former: "_Table | None") -> None:
        self.group = group
        self.shards: list[dict[str, bytearray]] = [{} for _ in range(_SHARDS)]
        self._orders: list[deque[str]] = [deque() for _ in range(_SHARDS)]
        self._shared: dict[int, bytearray] = {}
        self._former = former

    def drop_former(self) -> int:
        """Drops what other limits had counted before these; gives the number of states."""
        former, self._former = self._former, None
        return sum(map(len, former.shards)) if former is not None else 0

    def make_state(self, shard: int, subject: str, now_ns: int) -> bytearray:
        counting = self.group.counting
        former = self._former.shards[shard].get(subject) if self._former is not None else None
        state = counting.adopt(former, now_ns) if former else counting.new_state(now_ns)
        self.shards[shard][subject] = state
        self._orders[shard].append(subject)
        return state

    def shared_state(self, subject: str, now_ns: int) -> bytearray:
        number = hash(subject) % _SHARED
        state = self._shared.get(number)
        if state is None:
            state = self._shared[number] = self.group.counting.new_state(now_ns)
        return state

    def forget_idle(self, shard: int, now_ns: int) -> int:
        """Drops states of a shard that count nothing any more; gives their number."""
        states, order = self.shards[shard], self._orders[shard]
        is_idle = self.group.counting.is_idle
        dropped = 0
        for _ in range(min(_LOOKS_PER_NEW_STATE, len(order))):
            subject = order.popleft()
            if is_idle(states[subject], now_ns):
                del states[subject]
                dropped += 1
            else:
                order.append(subject)
        if self._former is not None:
            dropped += self._forget_former(shard, now_ns)
        return dropped

    def _forget_former(self, shard: int, now_ns: int) -> int:
        former = self._former
        if former is None:
            return 0
        dropped = former.forget_idle(shard, now_ns)
        if not any(former.shards):
            self._former = None
        return dropped
