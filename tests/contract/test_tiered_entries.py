"""Memory over the store of the node keeps the contract."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lukhas.storage.memory_entries import MemoryEntryStore
from lukhas.storage.node_entries import NodeEntryStore
from lukhas.storage.node_entry_opening import open_node_entry_file
from lukhas.storage.tiered_entries import TieredEntryStore
from lukhas.testing.entry_contract import EntryStoreContract
from lukhas.units import MIB


class TestTieredEntryStore(EntryStoreContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> Iterator[None]:
        self.folder = tmp_path
        self.made: list[NodeEntryStore] = []
        yield
        for store in self.made:
            store.close()

    def make_store(self, limit_bytes: int = MIB) -> TieredEntryStore:
        folder = self.folder / str(len(self.made))
        node = NodeEntryStore(open_node_entry_file(folder, 16 * MIB, limit_bytes=limit_bytes))
        self.made.append(node)
        store = TieredEntryStore(MemoryEntryStore(limit_bytes))
        store.open_node(node)
        return store
