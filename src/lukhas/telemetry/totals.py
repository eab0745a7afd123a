"""The sums over all workers of a node, since the start and over the last minute."""

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from lukhas.telemetry.deltas import Delta
from lukhas.telemetry.health import PartHealth, worst_of_each
from lukhas.units import SECOND_NS

__all__ = ("ALIVE_NS", "Frame", "Recent", "Totals", "TotalsByWorker", "WorkerSummary")

ALIVE_NS = 3 * SECOND_NS
"""A worker that has not reported for this long no longer counts as alive."""

_KEPT_SECONDS = 61
# Bounds the memory for workers of the past; what they have counted is kept in the sums.
_REMEMBERED_WORKERS = 1024


class Frame(msgspec.Struct, array_like=True, frozen=True):
    """One report of a worker.

    Attributes:
        worker: its name, unique among the workers that run at the same time.
        started_ns: when it started; with the name it tells a worker from its successors.
        sequence: 1, 2, 3 ...; a report that is sent again keeps its number.
        delta: what it recorded since the report before.
        gauges: present values.
        parts: the health of its parts.
    """

    worker: str
    started_ns: int
    sequence: int
    delta: Delta
    gauges: dict[str, float]
    parts: list[PartHealth]


@dataclass(frozen=True, slots=True)
class Totals:
    """Everything there is to say about a node at one moment.

    Attributes:
        counts: sums over all workers, those of the past included.
        gauges: sums over the workers that are alive.
        workers: how many are alive.
    """

    counts: Delta
    gauges: dict[str, float]
    workers: int


@dataclass(frozen=True, slots=True)
class Recent:
    """What was reported over the last seconds.

    Attributes:
        counts: the sums.
        seconds: over how many seconds, at least 1: fewer than asked for soon after the start.
        requests_by_second: the number of requests in each of them, oldest first.
    """

    counts: Delta
    seconds: int
    requests_by_second: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WorkerSummary:
    """One worker.

    Attributes:
        name: its name.
        last_seen_ns: when it last reported.
        requests: how many requests it has reported.
        in_flight: how many requests it had in work then.
    """

    name: str
    last_seen_ns: int
    requests: int
    in_flight: int


@dataclass(slots=True)
class _Worker:
    sequence: int = 0
    last_seen_ns: int = 0
    requests: int = 0
    gauges: dict[str, float] = field(default_factory=dict)
    parts: list[PartHealth] = field(default_factory=list)


class TotalsByWorker:
    """Takes the reports of the workers in and answers for all of them.

    A report is counted once, however often it arrives. A worker that goes silent leaves health and
    gauges, and its counts stay.
    """

    def __init__(self) -> None:
        self._counts = Delta()
        self._workers: OrderedDict[tuple[str, int], _Worker] = OrderedDict()
        self._seconds: deque[tuple[int, Delta]] = deque()
        self._first_s: int | None = None

    def receive(self, frame: Frame, now_ns: int) -> bool:
        """Takes a report in.

        Returns:
            Whether it was new; one that was counted before changes nothing but the last-seen time.
        """
        identity = (frame.worker, frame.started_ns)
        worker = self._workers.setdefault(identity, _Worker())
        self._workers.move_to_end(identity)
        worker.last_seen_ns = now_ns
        if frame.sequence <= worker.sequence:
            return False
        worker.sequence = frame.sequence
        worker.requests += frame.delta.request_count
        worker.gauges = frame.gauges
        worker.parts = frame.parts
        self._counts.merge(frame.delta)
        self._second(now_ns // SECOND_NS).merge(frame.delta)
        while len(self._workers) > _REMEMBERED_WORKERS:
            self._workers.popitem(last=False)
        return True

    def totals(self, now_ns: int) -> Totals:
        """The sums at this moment. `counts` is the live object: read it at once, keep no hold."""
        gauges: dict[str, float] = {}
        alive = 0
        for worker in self._alive(now_ns):
            alive += 1
            for name, value in worker.gauges.items():
                gauges[name] = gauges.get(name, 0.0) + value
        return Totals(self._counts, gauges, alive)

    def recent(self, now_ns: int, window_s: int) -> Recent:
        """What was reported in the last whole seconds.

        Args:
            now_ns: Unix time; the second it lies in is not over and does not count.
            window_s: how many seconds, at most 60.
        """
        now_s = now_ns // SECOND_NS
        first_s = now_s - window_s
        if self._first_s is not None:
            first_s = max(first_s, self._first_s)
        seconds = max(1, now_s - first_s) if self._first_s is not None else 1
        counts = Delta()
        by_second = [0] * seconds
        for second, delta in self._seconds:
            if first_s <= second < now_s:
                counts.merge(delta)
                by_second[second - first_s] += delta.request_count
        return Recent(counts, seconds, tuple(by_second))

    def parts(self, now_ns: int) -> list[PartHealth]:
        """The health of the parts of all workers that are alive: the worst of each name."""
        return worst_of_each(part for worker in self._alive(now_ns) for part in worker.parts)

    def workers(self, now_ns: int) -> list[WorkerSummary]:
        """The workers that are alive, by name."""
        return sorted(
            (
                WorkerSummary(
                    name,
                    worker.last_seen_ns,
                    worker.requests,
                    int(worker.gauges.get("requests_in_flight", 0)),
                )
                for (name, _), worker in self._workers.items()
                if now_ns - worker.last_seen_ns <= ALIVE_NS
            ),
            key=lambda summary: summary.name,
        )

    def ready(self, now_ns: int) -> bool:
        """Whether at least one worker is alive."""
        return any(True for _ in self._alive(now_ns))

    def _alive(self, now_ns: int) -> Iterator[_Worker]:
        for worker in self._workers.values():
            if now_ns - worker.last_seen_ns <= ALIVE_NS:
                yield worker

    def _second(self, second: int) -> Delta:
        if self._first_s is None:
            self._first_s = second
        seconds = self._seconds
        if not seconds or seconds[-1][0] < second:
            seconds.append((second, Delta()))
            while seconds[0][0] <= second - _KEPT_SECONDS:
                seconds.popleft()
        return seconds[-1][1]
