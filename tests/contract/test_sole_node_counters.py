"""The counters of a process that counts alone keep the contract of all counters."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lukhas.storage.sole_node_counters import SoleNodeCounters, open_sole_node_counters
from lukhas.testing.contracts import CounterStoreContract


class _Folder(CounterStoreContract):
    """Counters in files, which are closed in the end."""

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> Iterator[None]:
        """A folder for the files."""
        self.path = tmp_path
        self.opened: list[SoleNodeCounters] = []
        yield
        for counters in self.opened:
            counters.close()

    def later(self, callback: Callable[[], None]) -> None:
        """When the turn ends."""
        raise NotImplementedError

    def make_store(self) -> SoleNodeCounters:
        """Empty counters."""
        counters = open_sole_node_counters(self.path / str(len(self.opened)), self.later)
        self.opened.append(counters)
        return counters


class TestWithinATurn(_Folder):
    """All in one turn, which only closing ends."""

    def later(self, callback: Callable[[], None]) -> None:
        """Never."""


class TestTurnForTurn(_Folder):
    """Each decision is a turn of its own."""

    def make_store(self) -> SoleNodeCounters:
        """Empty counters that end their turn at the next decision."""
        self.waiting: list[Callable[[], None]] = []
        counters = super().make_store()
        return _Turning(counters, self.waiting)  # type: ignore[return-value]

    def later(self, callback: Callable[[], None]) -> None:
        """With the next call."""
        self.waiting.append(callback)


class _Turning:
    """Ends the turn before each call."""

    def __init__(self, counters: SoleNodeCounters, waiting: list[Callable[[], None]]) -> None:
        self._counters = counters
        self._waiting = waiting

    def __getattr__(self, name: str) -> object:
        while self._waiting:
            self._waiting.pop()()
        return getattr(self._counters, name)

    def __len__(self) -> int:
        return len(self._counters)
