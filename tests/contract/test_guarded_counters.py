"""Guarded counters keep the contract while their store works."""

from lukhas.storage.guarded_counters import GuardedCounters
from lukhas.storage.memory_counters import MemoryCounters
from lukhas.testing.contracts import CounterStoreContract


class TestGuardedCounters(CounterStoreContract):
    """Over a store that works."""

    def make_store(self) -> GuardedCounters:
        """Empty counters."""
        return GuardedCounters(MemoryCounters(), shares=1)
