"""How much each worker has to do, as its parent sees it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lukhas.policy.scaling.workers import WorkerLoad
from lukhas.units import SECOND_NS

__all__ = ("WorkerLoads",)


class _Process(Protocol):
    """A worker: its process id, and how late its event loop is, while it runs."""

    @property
    def pid(self) -> int | None: ...
    @property
    def late_ns(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a process had used at a moment."""

    used_ns: int
    at_ns: int


class WorkerLoads:
    """Measures the time that processes spend on the CPU, from one look to the next.

    Args:
        proc: the file system of processes.
    """

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._tick_ns = SECOND_NS // os.sysconf("SC_CLK_TCK")
        self._seen: dict[int, _Seen] = {}

    def look(self, workers: Sequence[_Process], now_ns: int) -> list[WorkerLoad | None]:
        """The loads since the look before, in the same order.

        Args:
            workers: those to look at; the others are forgotten.
            now_ns: the time, which never goes back.

        Returns:
            For each its load; None where it is not running, or was not seen before.
        """
        before, self._seen = self._seen, {}
        return [self._load(worker, before, now_ns) for worker in workers]

    def _load(self, worker: _Process, before: dict[int, _Seen], now_ns: int) -> WorkerLoad | None:
        pid = worker.pid
        used_ns = self._used_ns(pid) if pid is not None else None
        if pid is None or used_ns is None:
            return None
        self._seen[pid] = _Seen(used_ns, now_ns)
        first = before.get(pid)
        if first is None or now_ns <= first.at_ns:
            return None
        busy = (used_ns - first.used_ns) / (now_ns - first.at_ns)
        return WorkerLoad(max(0.0, busy), worker.late_ns or 0)

    def _used_ns(self, pid: int) -> int | None:
        """CPU time of all threads, in user and system mode (proc_pid_stat(5))."""
        try:
            stat = (self._proc / str(pid) / "stat").read_text(encoding="ascii", errors="replace")
            # The name before the last bracket may hold anything.
            words = stat.rpartition(")")[2].split()
            return (int(words[11]) + int(words[12])) * self._tick_ns
        except (OSError, IndexError, ValueError):
            return None
