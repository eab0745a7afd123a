"""Limit counters that all workers of a node share, in LMDB: exact over any number of processes."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import lmdb

from lukhas.errors import StoreError
from lukhas.policy.rate_limiting.counting import Counting
from lukhas.policy.rate_limiting.decisions import LimitDecision, decide, settle
from lukhas.policy.rate_limiting.plans import LimitGroup, LimitPlan
from lukhas.storage.node import NodeEnvironment, prepare_state_dir
from lukhas.units import MIB

__all__ = (
    "COUNTERS_FILE",
    "MAX_STATES",
    "NodeCounters",
    "open_counters_file",
    "open_node_counters",
    "state_key",
    "write_state",
    "write_states",
)

COUNTERS_FILE = "counters.lmdb"
_MAP_SIZE_BYTES = 1024 * MIB
MAX_STATES = 1_000_000
"""How many states are kept unless somebody says otherwise."""

_LONGEST_KEY_BYTES = 500
_LOOKS_PER_NEW_STATE = 2
_SHARED = 1024
_EXPIRY_BYTES = 8
# Far fewer pages than `NodeEnvironment.make_room` keeps.
_WRITES_IN_ROOM = 256


class NodeCounters:
    """A `CounterStore` in a file that the workers of a node share.

    Each decision is one write transaction, so no two workers ever decide on the same count. Each
    value is the time from which the state counts nothing, then the state itself. Whenever a state
    is made, a few old ones are looked at, and dropped if they count nothing any more.

    Args:
        node: opened in this process; what is in it may be lost with the machine, not with a
            process.
        max_states: how many states to keep at most; new subjects are counted in shared states
            beyond, as in `MemoryCounters`.

    Attributes:
        shared: how often this process had to count a subject in a shared state.
    """

    __slots__ = ("_max_states", "_node", "_room", "_sweep_at", "shared")

    def __init__(self, node: NodeEnvironment, *, max_states: int = MAX_STATES) -> None:
        self._node = node
        self._max_states = max_states
        self._sweep_at = b""
        self._room = 0
        self.shared = 0

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
            StoreError: the file cannot be read or written.
        """
        try:
            if plan.is_simple and not costs:
                decision = self._take(plan, subjects[0], now_ns, cost)
                if decision is not None:
                    return decision
            with self._node.environment.begin(write=True) as transaction:
                self._use_room()
                entries = self._entries(transaction, plan, subjects, now_ns)
                states = [state for _key, state in entries]
                decision = decide(plan, states, now_ns, cost, costs)
                write_states(transaction, plan, entries)
                return decision
        except lmdb.Error as error:
            raise self._node.store_error(error) from error

    def held(self, _plan: LimitPlan, _subjects: tuple[str, ...]) -> None:
        """See `CounterStore.held`: other processes change states too."""

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
        try:
            with self._node.environment.begin(write=True) as transaction:
                self._use_room()
                entries = self._entries(transaction, decision.plan, subjects, now_ns)
                settle(decision, [state for _key, state in entries], now_ns, changes)
                write_states(transaction, decision.plan, entries)
        except lmdb.Error as error:
            raise self._node.store_error(error) from error

    def _take(self, plan: LimitPlan, subject: str, now_ns: int, cost: int) -> LimitDecision | None:
        """The usual case, one group whose subject is known and may pass; else None, uncharged."""
        group = plan.groups[0]
        counting = group.counting
        # Before the lock is taken: others wait for it.
        key = state_key(group.table, subject)
        transaction = self._node.environment.begin(write=True)
        try:
            self._use_room()
            value = transaction.get(key)
            if value is not None:
                state = bytearray(value[_EXPIRY_BYTES:])
                taken = counting.take(state, now_ns, cost) if counting.owns(state) else None
                if taken is not None:
                    expires_ns = counting.expires_ns(state)
                    transaction.put(key, expires_ns.to_bytes(_EXPIRY_BYTES, "little") + state)
                    transaction.commit()
                    return LimitDecision(plan, (taken,), now_ns, cost)
        finally:
            # Does nothing after the commit.
            transaction.abort()
        return None

    def close(self) -> None:
        """Closes the file."""
        self._node.close()

    def __len__(self) -> int:
        with self._node.reading() as transaction:
            return int(transaction.stat()["entries"])

    def _entries(
        self,
        transaction: "lmdb.Transaction[bytes]",
        plan: LimitPlan,
        subjects: tuple[str, ...],
        now_ns: int,
    ) -> list[tuple[bytes, bytearray]]:
        entries = []
        for group, subject in zip(plan.groups, subjects, strict=True):
            key = state_key(group.table, subject)
            value = transaction.get(key)
            if value is None:
                key, value = self._place(transaction, group, key, now_ns)
            entries.append((key, _state(group, value, now_ns)))
        return entries

    def _place(
        self,
        transaction: "lmdb.Transaction[bytes]",
        group: LimitGroup,
        key: bytes,
        now_ns: int,
    ) -> tuple[bytes, bytes | None]:
        """Where a subject is counted that has no state: its own, or a shared one if all are taken.

        It begins with what the shared one has counted, which may be its own doing.
        """
        self._use_room()
        self._forget_idle(transaction, now_ns)
        # Not `hash`, which differs from process to process.
        number = int.from_bytes(hashlib.blake2b(key, digest_size=4).digest(), "big") % _SHARED
        shared_key = state_key(group.table, f"\0{number}")
        value = transaction.get(shared_key)
        if int(transaction.stat()["entries"]) < self._max_states:
            return key, value
        self.shared += 1
        return shared_key, value

    def _use_room(self) -> None:
        """Counts a write, or a new state, within a write transaction."""
        self._room -= 1
        if self._room < 0:
            self._node.make_room()
            self._room = _WRITES_IN_ROOM

    def _forget_idle(self, transaction: "lmdb.Transaction[bytes]", now_ns: int) -> None:
        with transaction.cursor() as cursor:
            found = cursor.set_range(self._sweep_at)
            for _ in range(_LOOKS_PER_NEW_STATE):
                if not found:
                    break
                if now_ns >= int.from_bytes(cursor.value()[:_EXPIRY_BYTES], "little"):
                    cursor.delete()
                    found = bool(cursor.key())
                else:
                    found = cursor.next()
            self._sweep_at = cursor.key() if found else b""


def open_node_counters(state_dir: Path) -> NodeCounters:
    """The counters of a node; made if there are none, and made anew if they are damaged.

    Raises:
        StateDirError: the state directory cannot be used.
        StoreError: the file is open in this process already, for one that counts alone.
    """
    # Each decision begins and ends its write, so several apps of one process may count in it.
    return NodeCounters(open_counters_file(state_dir, shared=True))


def open_counters_file(state_dir: Path, *, shared: bool = False) -> NodeEnvironment:
    """The file alone; see `open_node_counters`."""
    path = prepare_state_dir(state_dir) / COUNTERS_FILE
    return NodeEnvironment(
        path, map_size_bytes=_MAP_SIZE_BYTES, durable=False, writable_map=True, shared=shared
    )


def _state(group: LimitGroup, value: bytes | None, now_ns: int) -> bytearray:
    if value is None:
        return group.counting.new_state(now_ns)
    state = bytearray(value)
    del state[:_EXPIRY_BYTES]
    if group.counting.owns(state):
        return state
    # Settings changed: what was counted under other limits of this name is taken over.
    return group.counting.adopt(state, now_ns)


def write_states(
    transaction: "lmdb.Transaction[bytes]",
    plan: LimitPlan,
    entries: list[tuple[bytes, bytearray]],
) -> None:
    """Writes the states of all groups of a plan.

    Raises:
        StoreError: they could not be written.
    """
    for group, (key, state) in zip(plan.groups, entries, strict=True):
        write_state(transaction, key, group.counting, state)


def write_state(
    transaction: "lmdb.Transaction[bytes]", key: bytes, counting: Counting, state: bytearray
) -> None:
    """Writes one state.

    Raises:
        StoreError: it could not be written.
    """
    expires_ns = counting.expires_ns(state)
    if not transaction.put(key, expires_ns.to_bytes(_EXPIRY_BYTES, "little") + state):
        raise StoreError("the counters could not be written")


def state_key(table: str, subject: str) -> bytes:
    """The key of the state of one subject."""
    key = f"{table}\0{subject}".encode("utf-8", "surrogatepass")
    if len(key) <= _LONGEST_KEY_BYTES:
        return key
    digest = hashlib.blake2b(key, digest_size=32).digest()
    return key[: _LONGEST_KEY_BYTES - 32] + digest
