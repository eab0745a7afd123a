"""The counters of the limits: which store the settings ask for, opened and closed with the hub."""

from collections.abc import Sequence

from lukhas.config.settings import Settings
from lukhas.errors import StoreError
from lukhas.policy.rate_limiting.decisions import LimitDecision
from lukhas.policy.rate_limiting.plans import LimitPlan
from lukhas.storage.counters import CounterStore
from lukhas.storage.guarded_counters import GuardedCounters
from lukhas.storage.memory_counters import MemoryCounters
from lukhas.storage.node_counters import NodeCounters, open_node_counters
from lukhas.telemetry.health import PartHealth

__all__ = ("HubCounters",)


class HubCounters:
    """A `CounterStore` that is in memory until `open`, and then where the settings want it.

    Args:
        settings: see `counters` there.
        workers: how many processes of this node count together.

    Attributes:
        store: what decides.
    """

    def __init__(self, settings: Settings, *, workers: int) -> None:
        self._settings = settings
        self._shares = workers * settings.counters.nodes
        wanted = settings.counters.store
        if wanted == "auto":
            wanted = "node" if workers > 1 else "memory"
        self._wanted = wanted
        self._memory = MemoryCounters()
        self._node: NodeCounters | None = None
        self._guarded: GuardedCounters | None = None
        self.store: CounterStore = self._memory

    def open(self) -> None:
        """Opens what the settings ask for.

        Raises:
            StateDirError: the state directory cannot be used.
            StoreError: the file of the counters is open in this process already.
        """
        if self._wanted == "node" and self._node is None:
            self._node = open_node_counters(self._settings.state_dir)
            self._guarded = GuardedCounters(self._node, shares=self._shares)
            self.store = self._guarded

    def close(self) -> None:
        """Closes it; what is asked afterwards is counted in memory."""
        if self._node is not None:
            self._node.close()
            self._node = self._guarded = None
        self.store = self._memory

    def decide(
        self,
        plan: LimitPlan,
        subjects: tuple[str, ...],
        now_ns: int,
        cost: int,
        costs: tuple[int, ...] = (),
    ) -> LimitDecision:
        """See `CounterStore.decide`."""
        return self.store.decide(plan, subjects, now_ns, cost, costs)

    def settle(
        self,
        decision: LimitDecision,
        subjects: tuple[str, ...],
        now_ns: int,
        changes: Sequence[int],
    ) -> None:
        """See `CounterStore.settle`."""
        self.store.settle(decision, subjects, now_ns, changes)

    def __len__(self) -> int:
        try:
            return len(self.store)
        except StoreError:
            return 0

    @property
    def failures(self) -> int:
        """How often the store did not answer."""
        return self._guarded.failures if self._guarded is not None else 0

    @property
    def shared(self) -> int:
        """How often a subject had to share a state with others, because there were too many."""
        return self._memory.shared if self._node is None else self._node.shared

    def health(self) -> PartHealth:
        """How the store is."""
        guarded = self._guarded
        if guarded is not None and guarded.last_error:
            return PartHealth("counters", "degraded", guarded.last_error)
        if self.shared:
            detail = f"too many subjects: {self.shared} times one had to share a counter"
            return PartHealth("counters", "degraded", detail)
        return PartHealth("counters", "ok", self._wanted)
