"""The counters of a node keep the contract of all counters."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lukhas.storage.node_counters import NodeCounters, open_node_counters
from lukhas.testing.contracts import CounterStoreContract


class TestNodeCounters(CounterStoreContract):
    """NodeCounters, in a file."""

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> Iterator[None]:
        """A folder for the files, which are closed in the end."""
        self.path = tmp_path
        self.opened: list[NodeCounters] = []
        yield
        for counters in self.opened:
            counters.close()

    def make_store(self) -> NodeCounters:
        """Empty counters."""
        counters = open_node_counters(self.path / str(len(self.opened)))
        self.opened.append(counters)
        return counters
