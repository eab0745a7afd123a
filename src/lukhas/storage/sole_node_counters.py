"""The counters of a node where one process counts alone: what it knows stays at hand.

The file is written once a turn of the loop, not once a decision. Other processes may come, and do:
at a reload or an upgrade two generations count together for a while. They stay exact, because the
lock of the file is held from the first decision of a turn until its charges are written, and
because LMDB numbers its transactions: what is at hand counts only if nobody wrote in between.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import lmdb

from lukhas.errors import StoreError
from lukhas.policy.rate_limiting.counting import Counting
from lukhas.policy.rate_limiting.decisions import LimitDecision, decide, settle
from lukhas.policy.rate_limiting.plans import LimitPlan
from lukhas.storage.node import NodeEnvironment
from lukhas.storage.node_counters import (
    MAX_STATES,
    NodeCounters,
    open_counters_file,
    state_key,
    write_state,
    write_states,
)

__all__ = ("Later", "SoleNodeCounters", "open_sole_node_counters")

Later = Callable[[Callable[[], None]], object]
"""Has something called at the end of the turn of the loop; `call_soon` of a loop is one."""

_MOST_KNOWN = 16_384


class SoleNodeCounters(NodeCounters):
    """`NodeCounters` for the only process that usually writes to the file.

    Where the process is killed, the charges of its last turn are lost. Whoever else wants to write
    waits until the turn ends.

    Args:
        node: opened in this process.
        later: calls back at the end of the turn.
        max_states: as in `NodeCounters`.
    """

    __slots__ = (
        "_failure",
        "_has_written",
        "_known",
        "_known_count",
        "_last_id",
        "_later",
        "_turn",
        "_unwritten",
    )

    def __init__(
        self, node: NodeEnvironment, later: Later, *, max_states: int = MAX_STATES
    ) -> None:
        super().__init__(node, max_states=max_states)
        self._later = later
        self._turn: lmdb.Transaction[bytes] | None = None
        self._last_id = -1
        self._known: dict[str, dict[str, _Known]] = {}
        self._known_count = 0
        self._unwritten: list[_Known] = []
        self._has_written = False
        self._failure: StoreError | None = None

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
            StoreError: the file cannot be read or written, or could not be at the end of the last
                turn.
        """
        if self._turn is None:
            self._begin()
        group = plan.groups[0]
        table = self._known.get(group.table)
        if table is not None and plan.is_simple and not costs:
            known = table.get(subjects[0])
            if known is not None and group.counting.owns(known.state):
                taken = group.counting.take(known.state, now_ns, cost)
                if taken is not None:
                    known.counting = group.counting
                    if not known.is_unwritten:
                        known.is_unwritten = True
                        self._unwritten.append(known)
                    return LimitDecision(plan, (taken,), now_ns, cost)
        states = self._states(plan, subjects, now_ns)
        decision = decide(plan, [state for _key, state in states], now_ns, cost, costs)
        self._write(plan, subjects, states)
        return decision

    def settle(
        self,
        decision: LimitDecision,
        subjects: tuple[str, ...],
        now_ns: int,
        changes: Sequence[int],
    ) -> None:
        """See `CounterStore.settle`.

        Raises:
            StoreError: the file cannot be read or written.
        """
        if self._turn is None:
            self._begin()
        states = self._states(decision.plan, subjects, now_ns)
        settle(decision, [state for _key, state in states], now_ns, changes)
        self._write(decision.plan, subjects, states)

    def close(self) -> None:
        """Writes what was charged, and closes the file."""
        self._end_turn()
        super().close()

    def __len__(self) -> int:
        if self._turn is not None:
            return int(self._turn.stat()["entries"])
        return super().__len__()

    def _begin(self) -> None:
        failure = self._failure
        if failure is not None:
            self._failure = None
            raise failure
        try:
            turn = self._node.environment.begin(write=True)
        except lmdb.Error as error:
            raise self._node.store_error(error) from error
        try:
            self._use_room()
        except StoreError as error:
            raise self._given_up(turn, error) from error
        if turn.id() != self._last_id + 1:
            self._forget()
        self._has_written = False
        self._turn = turn
        self._later(self._end_turn)

    def _end_turn(self) -> None:
        turn = self._turn
        if turn is None:
            return
        self._turn = None
        try:
            self._write_known(turn)
            number = turn.id()
            turn.commit()
        except (lmdb.Error, StoreError) as error:
            # Told to the next who asks: here nobody waits for an answer.
            self._failure = self._given_up(turn, error)
            return
        if self._has_written:
            self._last_id = number
        else:
            # LMDB does not count it, so that of the next one would not tell who wrote.
            self._forget()

    def _write_known(self, turn: "lmdb.Transaction[bytes]") -> None:
        for known in self._unwritten:
            known.is_unwritten = False
            self._has_written = True
            write_state(turn, known.key, known.counting, known.state)
        self._unwritten.clear()

    def _states(
        self, plan: LimitPlan, subjects: tuple[str, ...], now_ns: int
    ) -> list[tuple[bytes, bytearray]]:
        """The states of all groups, from the file, where what is at hand was written first."""
        turn = self._turn
        if turn is None:  # pragma: no cover - who calls this has begun one
            raise RuntimeError("no turn was begun")
        try:
            self._write_known(turn)
            return self._entries(turn, plan, subjects, now_ns)
        except (lmdb.Error, StoreError) as error:
            raise self._given_up(turn, error) from error

    def _write(
        self, plan: LimitPlan, subjects: tuple[str, ...], states: list[tuple[bytes, bytearray]]
    ) -> None:
        turn = self._turn
        if turn is None:  # pragma: no cover - as above
            raise RuntimeError("no turn was begun")
        try:
            self._has_written = True
            write_states(turn, plan, states)
        except (lmdb.Error, StoreError) as error:
            raise self._given_up(turn, error) from error
        if self._known_count >= _MOST_KNOWN:
            self._known.clear()
            self._known_count = 0
        for group, subject, (key, state) in zip(plan.groups, subjects, states, strict=True):
            table = self._known.setdefault(group.table, {})
            if key != state_key(group.table, subject):
                # It shares a state with others, and each would have a copy of its own.
                self._known_count -= table.pop(subject, None) is not None
                continue
            self._known_count += subject not in table
            table[subject] = _Known(key, state, group.counting)

    def _given_up(self, turn: "lmdb.Transaction[bytes]", error: Exception) -> StoreError:
        turn.abort()
        self._turn = None
        self._forget()
        return self._node.store_error(error) if isinstance(error, lmdb.Error) else StoreError(error)

    def _forget(self) -> None:
        self._last_id = -1
        self._known.clear()
        self._known_count = 0
        self._unwritten.clear()


class _Known:
    """The state of one subject as it is in the file, or will be at the end of the turn."""

    __slots__ = ("counting", "is_unwritten", "key", "state")

    def __init__(self, key: bytes, state: bytearray, counting: Counting) -> None:
        self.key = key
        self.state = state
        self.counting = counting
        self.is_unwritten = False


def open_sole_node_counters(state_dir: Path, later: Later) -> SoleNodeCounters:
    """See `open_node_counters`."""
    return SoleNodeCounters(open_counters_file(state_dir), later)
