"""Values out of what the workers have reported, as far back as the admin process remembers."""

import shutil
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lukhas.analytics.alerts.delta_metrics import Gauges, collapsed, metric_value
from lukhas.analytics.alerts.delta_split import split_by_label
from lukhas.policy.alerting.conditions import Ask, Filters, Series
from lukhas.telemetry.deltas import Delta
from lukhas.telemetry.health import PartHealth
from lukhas.telemetry.totals import TotalsByWorker
from lukhas.units import SECOND_NS

__all__ = ("FINE_S", "LiveSeries", "NodeView")

FINE_S = 10
"""How fine what is remembered is."""

_FINE_SLOTS = 90
_COARSE_S = 60
_COARSE_SLOTS = 1440
# How far back the totals know single seconds.
_KNOWN_S = 60


@dataclass(frozen=True, slots=True)
class NodeView:
    """What can be seen of a node.

    Attributes:
        totals: gives what the workers have reported.
        workers_wanted: gives how many workers are to serve.
        parts: gives the health of all parts.
        state_dir: the folder whose disk is looked at; None for none.
    """

    totals: Callable[[], TotalsByWorker]
    workers_wanted: Callable[[], int]
    parts: Callable[[], Iterable[PartHealth]]
    state_dir: Path | None = None


@dataclass(frozen=True, slots=True)
class _Slot:
    end_s: int
    length_s: int
    counts: Delta
    gauges: Gauges


class LiveSeries:
    """Remembers a quarter of an hour with all labels, and a day without, in memory.

    A window that begins before what is remembered is answered by what there is of it.

    Args:
        node: what it looks at.
    """

    def __init__(self, node: NodeView) -> None:
        self._node = node
        self._fine: deque[_Slot] = deque(maxlen=_FINE_SLOTS)
        self._coarse: deque[_Slot] = deque(maxlen=_COARSE_SLOTS)
        self._collected_s: int | None = None

    def collect(self, now_ns: int) -> None:
        """Takes in what was reported since the last call; to be called about once a second."""
        end_s = now_ns // SECOND_NS // FINE_S * FINE_S
        if self._collected_s is None:
            self._collected_s = end_s
            return
        begin_s = max(self._collected_s, end_s - _KNOWN_S)
        for slot_end_s in range(begin_s + FINE_S, end_s + 1, FINE_S):
            self._take(slot_end_s, now_ns)
        self._collected_s = max(end_s, self._collected_s)

    def reaches(self, ask: Ask, *, by_label: bool = False) -> bool:
        """Whether all of a window is remembered.

        Args:
            ask: what is asked for.
            by_label: whether by the values of a label.
        """
        slots = self._fine if by_label else self._slots(ask.filters, ask.start_ns)
        first = next(iter(slots), None)
        return first is not None and (first.end_s - first.length_s) * SECOND_NS <= ask.start_ns

    async def values(self, ask: Ask) -> Series:
        """The values; a slot belongs to the step in which it ends."""
        return [
            metric_value(ask.metric, ask.filters, [slot.counts for slot in found], found[-1].gauges)
            if found
            else None
            for found in self._steps(ask, self._slots(ask.filters, ask.start_ns))
        ]

    async def values_by(self, ask: Ask, label: str) -> Mapping[str, Series]:
        """The same for each value of a label, as far back as labels are remembered."""
        steps = self._steps(ask, self._fine)
        if label == "part":
            parts = {name for found in steps if found for name in found[-1].gauges.parts}
            split = [dict.fromkeys(sorted(parts), Delta()) for _ in steps]
        else:
            split = [split_by_label((slot.counts for slot in found), label) for found in steps]
        return {
            value: [
                metric_value(
                    ask.metric,
                    (*ask.filters, (label, value)),
                    [parts.get(value, Delta())],
                    found[-1].gauges,
                )
                if found
                else None
                for found, parts in zip(steps, split, strict=True)
            ]
            for value in dict.fromkeys(value for parts in split for value in parts)
        }

    def _steps(self, ask: Ask, slots: Iterable[_Slot]) -> list[list[_Slot]]:
        steps = (ask.end_ns - ask.start_ns) // (ask.step_s * SECOND_NS)
        inside: list[list[_Slot]] = [[] for _ in range(steps)]
        for slot in slots:
            # A slot that ends with the step is in it, and one that begins with it is not.
            position = (slot.end_s * SECOND_NS - ask.start_ns - 1) // (ask.step_s * SECOND_NS)
            if 0 <= position < steps:
                inside[position].append(slot)
        return inside

    def _slots(self, filters: Filters, start_ns: int) -> Iterable[_Slot]:
        fine = self._fine
        if filters or not self._coarse or not fine:
            return fine
        if start_ns >= (fine[0].end_s - FINE_S) * SECOND_NS:
            return fine
        # Minutes as far as they go, and then what has come since.
        known_s = self._coarse[-1].end_s
        return [*self._coarse, *(slot for slot in fine if slot.end_s > known_s)]

    def _take(self, end_s: int, now_ns: int) -> None:
        counts = self._node.totals().recent(end_s * SECOND_NS, FINE_S).counts
        self._fine.append(_Slot(end_s, FINE_S, counts, self._gauges(now_ns)))
        if end_s % _COARSE_S:
            return
        minute = [slot for slot in self._fine if slot.end_s > end_s - _COARSE_S]
        together = Delta()
        for slot in minute:
            together.merge(slot.counts)
        self._coarse.append(_Slot(end_s, _COARSE_S, collapsed(together), minute[-1].gauges))

    def _gauges(self, now_ns: int) -> Gauges:
        node = self._node
        totals = node.totals().totals(now_ns)
        missing = max(0, node.workers_wanted() - totals.workers)
        return Gauges(
            values={
                "targets_left_out": totals.gauges.get("upstream_targets_left_out", 0.0),
                "in_flight": totals.gauges.get("requests_in_flight", 0.0),
                "workers_missing": float(missing),
                "disk_free_ratio": _disk_free(node.state_dir),
            },
            parts={part.name: part.state for part in node.parts()},
        )


def _disk_free(folder: Path | None) -> float | None:
    if folder is None:
        return None
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None
    return usage.free / usage.total if usage.total else None
