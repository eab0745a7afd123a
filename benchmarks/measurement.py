"""What a measurement is, and how it is taken fairly."""

import gc
import os
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

__all__ = ("Figure", "Section", "Target", "interleaved_us", "pin")


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of a report.

    Attributes:
        name: what was measured.
        values: column name and value.
        ours: whether it is this product.
    """

    name: str
    # int for itself: else a count comes back from a child process as 3.0.
    values: tuple[tuple[str, int | float | str], ...]
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """A figure that must be reached.

    Attributes:
        what: the figure.
        bound: as text, e.g. `"<= 2.5 us"`.
        measured: the value.
        met: whether it is within the bound.
    """

    what: str
    bound: str
    measured: float
    met: bool


@dataclass(slots=True)
class Section:
    """One benchmark's part of a report.

    Attributes:
        title: the heading.
        method: how it was measured.
        figures: the rows.
        targets: what must be reached.
        skipped: what could not be run, and why.
        notes: further remarks, e.g. a profile where a figure falls short.
    """

    title: str
    method: str
    figures: list[Figure] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def at_most(self, what: str, measured: float, bound: float, unit: str = "") -> None:
        """Notes a target that the figure may not exceed."""
        self.targets.append(Target(what, f"<= {bound:g}{unit}", measured, measured <= bound))

    def at_least(self, what: str, measured: float, bound: float, unit: str = "") -> None:
        """Notes a target that the figure may not fall short of."""
        self.targets.append(Target(what, f">= {bound:g}{unit}", measured, measured >= bound))


def pin(cpu: int) -> None:
    """Binds this process to one core, where there is more than one."""
    if (os.cpu_count() or 1) > cpu:
        os.sched_setaffinity(0, {cpu})


def interleaved_us(
    cases: Iterable[tuple[str, Callable[[int], None]]],
    *,
    loops: int,
    rounds: int,
    pick: Callable[[list[float]], float] = statistics.median,
) -> dict[str, float]:
    """Microseconds a call for each case; the cases take turns, so drift hits all alike.

    Args:
        cases: name, and a function that makes so many calls.
        loops: calls a turn.
        rounds: turns.
        pick: what is told of the turns; the lowest hides what else the machine does.
    """
    cases = list(cases)
    taken: dict[str, list[float]] = {name: [] for name, _ in cases}
    for _name, run in cases:
        run(max(1, loops // 10))
    for _ in range(rounds):
        for name, run in cases:
            gc.collect()
            begun = time.perf_counter_ns()
            run(loops)
            taken[name].append((time.perf_counter_ns() - begun) / loops / 1000)
    return {name: pick(values) for name, values in taken.items()}
