"""Limit counters of one process."""

from collections import deque
from collections.abc import Sequence

from lukhas.policy.rate_limiting.counting import Counting
from lukhas.policy.rate_limiting.decisions import LimitDecision, decide, settle
from lukhas.policy.rate_limiting.held_ring import HeldRing
from lukhas.policy.rate_limiting.plans import LimitGroup, LimitPlan
from lukhas.policy.rate_limiting.strict_ring import StrictRing

__all__ = ("MAX_STATES", "MemoryCounters")

MAX_STATES = 1_000_000
"""How many states are kept unless somebody says otherwise: some 400 MB of them."""

# For each new state so many old ones are looked at: enough to keep up with any rate of new keys.
_LOOKS_PER_NEW_STATE = 2
# A dict that grows is copied in one go, so one for all states would stop the loop for
# milliseconds.
_SHARDS = 64
_SHARED = 1024
# So many different limits of one name are told apart when idle states are looked for.
_MOST_COUNTINGS = 256


class MemoryCounters:
    """Counters in plain dicts: exact within one process, gone when it ends.

    States that count nothing any more are dropped a few at a time, whenever a new one is made, so
    nothing ever stops to sweep; they are emptied, so that who holds one knows. A state that still
    counts something is never dropped: forgetting it would hand its owner a fresh quota. When all
    places are taken by such states, subjects that come new are counted in a fixed number of shared
    states: they may be refused for what others did, but nobody gets more than the limit, and memory
    stays bounded.

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
                if (
                    state is not None
                    and not costs
                    and (not table.is_mixed or group.counting.owns(state))
                ):
                    # As `decide` does it, without the call.
                    taken = group.counting.take(state, now_ns, cost)
                    if taken is not None:
                        return LimitDecision(plan, (taken,), now_ns, cost)
        return decide(plan, self._all(plan, subjects, now_ns), now_ns, cost, costs)

    def held(self, plan: LimitPlan, subjects: tuple[str, ...]) -> HeldRing | None:
        """See `CounterStore.held`: for strict limits, of a subject with a state of its own."""
        # What is settled changes more of a state than a charge does.
        if not plan.is_simple or plan.settles:
            return None
        group = plan.groups[0]
        counting = group.counting
        table = self._tables.get(group.table)
        if table is None or not isinstance(counting, StrictRing):
            return None
        state = table.shards[hash(subjects[0]) % _SHARDS].get(subjects[0])
        if state is None or not counting.owns(state):
            return None
        return HeldRing(counting, state)

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
        if table is None:
            table = self._tables[group.table] = _Table(group)
        elif table.group is not group:
            table.turn_to(group)
        shard = hash(subject) % _SHARDS
        state = table.shards[shard].get(subject)
        if state is None:
            self._states -= table.forget_idle(shard, now_ns)
            if self._states >= self._max_states:
                self.shared += 1
                return table.shared_state(subject, now_ns)
            state = table.make_state(shard, subject, now_ns)
            self._states += 1
        elif table.is_mixed and not group.counting.owns(state):
            kept = table.shards[shard][subject] = group.counting.adopt(state, now_ns)
            # So that who holds it knows.
            state.clear()
            return kept
        return state


class _Table:
    """The states of one name, by subject.

    Attributes:
        group: the one that asked last.
        is_mixed: whether some states may be those of other limits: settings changed, or a function
            gives each subject its own. They are taken over when their subject comes again.
    """

    __slots__ = ("_countings", "_orders", "_shared", "group", "is_mixed", "shards")

    def __init__(self, group: LimitGroup) -> None:
        self.group = group
        self.is_mixed = False
        self.shards: list[dict[str, bytearray]] = [{} for _ in range(_SHARDS)]
        self._countings: tuple[Counting, ...] = (group.counting,)
        self._orders: list[deque[str]] = [deque() for _ in range(_SHARDS)]
        self._shared: dict[int, bytearray] = {}

    def turn_to(self, group: LimitGroup) -> None:
        """From now on this group asks."""
        limits = group.counting.limits
        if self.group.counting.limits != limits:
            self.is_mixed = True
            others = [each for each in self._countings if each.limits != limits]
            self._countings = (group.counting, *others)[:_MOST_COUNTINGS]
        self.group = group

    def make_state(self, shard: int, subject: str, now_ns: int) -> bytearray:
        # Whoever shared a state while there was no room has used what that one says.
        used = self._shared.get(hash(subject) % _SHARED)
        counting = self.group.counting
        if used is None:
            state = counting.new_state(now_ns)
        else:
            state = used.copy() if counting.owns(used) else counting.adopt(used, now_ns)
        self.shards[shard][subject] = state
        self._orders[shard].append(subject)
        return state

    def shared_state(self, subject: str, now_ns: int) -> bytearray:
        number = hash(subject) % _SHARED
        counting = self.group.counting
        state = self._shared.get(number)
        if state is None:
            state = self._shared[number] = counting.new_state(now_ns)
        elif not counting.owns(state):
            state = self._shared[number] = counting.adopt(state, now_ns)
        return state

    def forget_idle(self, shard: int, now_ns: int) -> int:
        """Drops states of a shard that count nothing any more; gives their number."""
        states, order = self.shards[shard], self._orders[shard]
        dropped = 0
        for _ in range(min(_LOOKS_PER_NEW_STATE, len(order))):
            subject = order.popleft()
            if self._is_idle(states[subject], now_ns):
                states.pop(subject).clear()
                dropped += 1
            else:
                order.append(subject)
        return dropped

    def _is_idle(self, state: bytearray, now_ns: int) -> bool:
        if not self.is_mixed:
            return self.group.counting.is_idle(state, now_ns)
        # Limits so long ago that nobody knows them any more have nothing left to count.
        return all(each.is_idle(state, now_ns) for each in self._countings if each.owns(state))
