"""The limiter over several processes of one machine: checks a second, exactness, memory."""

import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measurement import Figure, Section

if TYPE_CHECKING:
    from lukhas.policy.rate_limiting.plans import LimitPlan
    from lukhas.storage.node_counters import NodeCounters

__all__ = ("run",)

_WORKERS = 4
# Smaller for a quick look: BENCH_SECONDS=0.5 BENCH_KEYS=1000.
_SECONDS = float(os.environ.get("BENCH_SECONDS", "3"))
_KEYS = int(os.environ.get("BENCH_KEYS", "100000"))
_BUSY_KEYS = 1000
_BATCH = 100
_READY_S = 60.0
_LARGE = "10000000/minute; 100000000/hour; 1000000000/day"
_EXACT = "1000/minute; 2000/hour; 3000/day"
_EXACT_QUOTA = 1000
_TRIES = 600

# Checks and how many of them were admitted, or seconds of the slowest and of the median check.
Told = tuple[float, float]


def run() -> Section:
    """Runs the measurement."""
    section = Section(
        "Limiter over the processes of a machine",
        f"`counters.store = node`: {_WORKERS} processes, not bound to cores, check three windows "
        f"in one file at the same time, {_BUSY_KEYS} keys in turn, for {_SECONDS:g} s. Exactness: "
        f"all of them try one key {_TRIES} times each under a limit of {_EXACT_QUOTA}. One process "
        f"alone, bound to nothing: the same check, and {_KEYS} keys asked for the first time and "
        "once again; memory is the growth of the part of the file that is in use.",
    )
    with _folder() as folder:
        told = _together(folder, "rate")
    checks = sum(number for number, _ in told) / _SECONDS
    with _folder() as folder:
        admitted = sum(number for _, number in _together(folder, "exact"))
    with _folder() as folder:
        alone = _alone(folder)
    section.figures += [
        Figure(f"{_WORKERS} processes", (("checks/s", round(checks)),), ours=True),
        Figure(
            f"{_WORKERS} processes, limit of {_EXACT_QUOTA}",
            (("tried", _WORKERS * _TRIES), ("admitted", round(admitted))),
            ours=True,
        ),
        Figure(f"1 process, {_KEYS} keys", tuple(alone.items()), ours=True),
    ]
    section.at_least(f"checks/s of {_WORKERS} processes together", checks, 100_000)
    section.at_most("admitted beyond the limit", admitted - _EXACT_QUOTA, 0)
    section.at_least("admitted of what may be", admitted / _EXACT_QUOTA, 1)
    return section


def _together(folder: Path, what: str) -> list[Told]:
    """What each process tells, all begun at the same moment."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(_WORKERS)
    with context.Pool(_WORKERS, initializer=_remember, initargs=(barrier,)) as pool:
        given = [(folder, what, number) for number in range(_WORKERS)]
        # One each: who waits at the barrier takes no second one.
        return pool.starmap(_worker, given, chunksize=1)


def _remember(barrier: Barrier) -> None:
    global _barrier  # noqa: PLW0603 - the only way to give a barrier to the processes of a pool
    _barrier = barrier


_barrier: Barrier | None = None


def _worker(folder: Path, what: str, number: int) -> Told:
    counters = _counters(folder)
    plan = _plan(_LARGE if what == "rate" else _EXACT)
    try:
        if _barrier is not None:
            _barrier.wait(_READY_S)
        return _rate(counters, plan, number) if what == "rate" else _tries(counters, plan)
    finally:
        counters.close()


def _rate(counters: "NodeCounters", plan: "LimitPlan", number: int) -> Told:
    decide, clock = counters.decide, time.perf_counter
    checks = admitted = 0
    end = clock() + _SECONDS
    while clock() < end:
        for _ in range(_BATCH):
            checks += 1
            key = f"key:{(checks + number * 7) % _BUSY_KEYS}"
            admitted += decide(plan, (key,), time.time_ns(), 1).allowed
    return checks, admitted


def _tries(counters: "NodeCounters", plan: "LimitPlan") -> Told:
    admitted = 0
    for _ in range(_TRIES):
        admitted += counters.decide(plan, ("key",), time.time_ns(), 1).allowed
    return _TRIES, admitted


def _alone(folder: Path) -> dict[str, int | float | str]:
    counters, plan = _counters(folder), _plan(_LARGE)
    first: list[int] = []
    again: list[int] = []
    for taken in (first, again):
        for number in range(_KEYS):
            begun_ns = time.perf_counter_ns()
            counters.decide(plan, (f"key:{number:08x}",), time.time_ns(), 1)
            taken.append(time.perf_counter_ns() - begun_ns)
    kept = len(counters)
    counters.close()
    blocks = sum(path.stat().st_blocks * 512 for path in folder.iterdir())
    return {
        "first p50 us": round(statistics.median(first) / 1000, 1),
        "p50 us": round(statistics.median(again) / 1000, 1),
        "worst ms": round(max(*first, *again) / 1_000_000, 2),
        "B/key": round(blocks / kept),
    }


def _counters(folder: Path) -> "NodeCounters":
    from lukhas.storage.node_counters import open_node_counters

    return open_node_counters(folder)


def _plan(text: str) -> "LimitPlan":
    from lukhas.policy.rate_limiting.limit_syntax import parse_limits
    from lukhas.policy.rate_limiting.plans import plan_for
    from lukhas.policy.rate_limiting.tiers import Tier

    return plan_for(Tier.FREE, parse_limits(text, policy="free"), (), route="default")


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="lukhas-bench-node-") as folder:
        yield Path(folder)
