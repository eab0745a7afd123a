"""The entry store in memory keeps the contract."""

from lukhas.storage.memory_entries import MemoryEntryStore
from lukhas.testing.entry_contract import EntryStoreContract
from lukhas.units import MIB


class TestMemoryEntryStore(EntryStoreContract):
    def make_store(self, limit_bytes: int = MIB) -> MemoryEntryStore:
        return MemoryEntryStore(limit_bytes)
