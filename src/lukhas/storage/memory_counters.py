"""Limit counters of one process."""

from collections import deque

from lukhas.policy.rate_limiting.decisions import LimitDecision, decide
from lukhas.policy.rate_limiting.policies import LimitGroup, LimitPlan
from lukhas.policy.rate_limiting.strict_ring import RingState

__all__ = ("MemoryCounters",)

# For each new state so many old ones are looked at: enough to keep up with any rate of new keys.
_LOOKS_PER_NEW_STATE = 2


class MemoryCounters:
    """Counters in plain dicts: exact within one process, gone when it ends.

    States that count nothing any more are dropped a few at a time, whenever a new one is made, so
    nothing ever stops to sweep. A state that still counts something is never dropped: forgetting
    it would hand its owner a fresh quota.
    """

    def __init__(self) -> None:
        self._tables: dict[str, _Table] = {}

    def decide(
        self, plan: LimitPlan, subjects: tuple[str, ...], now_ns: int, cost: int
    ) -> LimitDecision:
        """See `CounterStore.decide`; never raises."""
        tables = self._tables
        groups = plan.groups
        if len(groups) == 1:
            group = groups[0]
            table = tables.get(group.table)
            if table is not None and table.group is group:
                state = table.states.get(subjects[0])
                if state is not None:
                    return decide(plan, (state,), now_ns, cost)
        states = [
            self._state(group, subject, now_ns)
            for group, subject in zip(groups, subjects, strict=True)
        ]
        return decide(plan, states, now_ns, cost)

    def __len__(self) -> int:
        return sum(len(table.states) for table in self._tables.values())

    def _state(self, group: LimitGroup, subject: str, now_ns: int) -> RingState:
        table = self._tables.get(group.table)
        if table is None or table.group.ring.limits != group.ring.limits:
            # Other limits under the same name (settings changed): the old counts say nothing.
            table = self._tables[group.table] = _Table(group)
        elif table.group is not group:
            table.group = group
        return table.state(subject, now_ns)


class _Table:
    __slots__ = ("_order", "group", "states")

    def __init__(self, group: LimitGroup) -> None:
        self.group = group
        self.states: dict[str, RingState] = {}
        self._order: deque[str] = deque()

    def state(self, subject: str, now_ns: int) -> RingState:
        state = self.states.get(subject)
        if state is None:
            self._forget_idle(now_ns)
            state = self.states[subject] = self.group.ring.new_state(now_ns)
            self._order.append(subject)
        return state

    def _forget_idle(self, now_ns: int) -> None:
        order = self._order
        for _ in range(min(_LOOKS_PER_NEW_STATE, len(order))):
            subject = order.popleft()
            if self.group.ring.is_idle(self.states[subject], now_ns):
                del self.states[subject]
            else:
                order.append(subject)
