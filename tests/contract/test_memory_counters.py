"""The counters of one process keep the contract of all counters."""

from lukhas.storage.memory_counters import MemoryCounters
from lukhas.testing.contracts import CounterStoreContract


class TestMemoryCounters(CounterStoreContract):
    """MemoryCounters."""

    def make_store(self) -> MemoryCounters:
        """Empty counters."""
        return MemoryCounters()
