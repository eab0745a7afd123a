"""The sums over all workers of a node, since the start and over the last minute."""

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from lukhas.telemetry.deltas import Delta
from lukhas.telemetry.health import PartHealth, worst_of_each
from lukhas.telemetry.label_bound import bounded
from lukhas.telemetry.series import HistoryDelta
from lukhas.telemetry.targets import TargetReport
from lukhas.units import SECOND_NS

__all__ = (
    "ALIVE_NS",
    "Frame",
    "Recent",
    "Totals",
    "TotalsByWorker",
    "TotalsState",
    "WorkerSummary",
)

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
        generation: the set of workers that it belongs to. Workers of one name may run beside each
            other in two generations; in one, the later takes the place of the earlier.
        is_last: whether it ends now, so that its gauges and its health no longer count.
        history: what it recorded for the history since the report before.
        records: the decision records since then; see `RecentRecords.drain`.
        key_uses: when API keys were used last (Unix time), by key id: those used since then.
        targets: the servers of the upstreams as it sees them.
    """

    worker: str
    started_ns: int
    sequence: int
    delta: Delta
    gauges: dict[str, float]
    parts: list[PartHealth]
    generation: int = 1
    is_last: bool = False
    history: HistoryDelta = msgspec.field(default_factory=HistoryDelta)
    records: list[bytes] = msgspec.field(default_factory=list)
    key_uses: dict[str, int] = msgspec.field(default_factory=dict)
    targets: list[TargetReport] = msgspec.field(default_factory=list)


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
        started_ns: when it started.
    """

    name: str
    last_seen_ns: int
    requests: int
    in_flight: int
    started_ns: int


class _Worker(msgspec.Struct):
    sequence: int = 0
    last_seen_ns: int = 0
    requests: int = 0
    generation: int = 1
    has_ended: bool = False
    gauges: dict[str, float] = msgspec.field(default_factory=dict)
    parts: list[PartHealth] = msgspec.field(default_factory=list)
    targets: list[TargetReport] = msgspec.field(default_factory=list)


class TotalsState(msgspec.Struct, frozen=True):
    """Everything that the totals know, for the next process to go on with.

    Attributes:
        counts: the sums.
        workers: name, start and state of each worker, the one heard last at the end.
        seconds: what came in each of the last seconds.
        first_s: the second of the first report.
    """

    counts: Delta
    workers: list[tuple[str, int, _Worker]]
    seconds: list[tuple[int, Delta]]
    first_s: int | None


class TotalsByWorker:
    """Takes the reports of the workers in and answers for all of them.

    A report is counted once, however often it arrives. A worker that goes silent leaves health and
    gauges, and its counts stay.

    Args:
        state: what another process knew, to go on with.
    """

    def __init__(self, state: TotalsState | None = None) -> None:
        state = state or TotalsState(Delta(), [], [], None)
        self._counts = state.counts
        self._workers: OrderedDict[tuple[str, int], _Worker] = OrderedDict(
            ((name, started_ns), worker) for name, started_ns, worker in state.workers
        )
        self._seconds: deque[tuple[int, Delta]] = deque(state.seconds)
        self._first_s: int | None = state.first_s

    def state(self) -> TotalsState:
        """What there is to hand over: live objects, to be written out at once."""
        workers = [(*identity, worker) for identity, worker in self._workers.items()]
        return TotalsState(self._counts, workers, list(self._seconds), self._first_s)

    def receive(self, frame: Frame, now_ns: int) -> bool:
        """Takes a report in.

        Returns:
            Whether it was new; one that was counted before changes nothing but the last-seen time.
        """
        identity = (frame.worker, frame.started_ns)
        worker = self._workers.get(identity)
        if worker is None:
            worker = self._workers[identity] = _Worker(generation=frame.generation)
            self._retire_predecessors(frame)
        self._workers.move_to_end(identity)
        worker.last_seen_ns = now_ns
        if frame.sequence <= worker.sequence:
            return False
        worker.sequence = frame.sequence
        worker.requests += frame.delta.request_count
        worker.gauges = frame.gauges
        worker.parts = frame.parts
        worker.targets = frame.targets
        worker.has_ended = worker.has_ended or frame.is_last
        delta = bounded(frame.delta, self._counts.latencies)
        self._counts.merge(delta)
        self._second(now_ns // SECOND_NS).merge(delta)
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

    def targets(self, now_ns: int) -> list[list[TargetReport]]:
        """The servers as each worker of the newest generation sees them.

        Workers of an older one are ending, and may know servers that are none any more.
        """
        alive = list(self._alive(now_ns))
        newest = max((worker.generation for worker in alive), default=0)
        return [worker.targets for worker in alive if worker.generation == newest]

    def workers(self, now_ns: int) -> list[WorkerSummary]:
        """The workers that are alive, by name."""
        return sorted(
            (
                WorkerSummary(
                    name,
                    worker.last_seen_ns,
                    worker.requests,
                    int(worker.gauges.get("requests_in_flight", 0)),
                    started_ns,
                )
                for (name, started_ns), worker in self._workers.items()
                if _is_alive(worker, now_ns)
            ),
            key=lambda summary: summary.name,
        )

    def ready(self, now_ns: int) -> bool:
        """Whether at least one worker is alive."""
        return any(True for _ in self._alive(now_ns))

    def _alive(self, now_ns: int) -> Iterator[_Worker]:
        for worker in self._workers.values():
            if _is_alive(worker, now_ns):
                yield worker

    def _retire_predecessors(self, frame: Frame) -> None:
        """A worker that was started again is not two workers."""
        for (name, started_ns), worker in self._workers.items():
            if (name, worker.generation) == (frame.worker, frame.generation):
                worker.has_ended = worker.has_ended or started_ns < frame.started_ns

    def _second(self, second: int) -> Delta:
        if self._first_s is None:
            self._first_s = second
        seconds = self._seconds
        if not seconds or seconds[-1][0] < second:
            seconds.append((second, Delta()))
            while seconds[0][0] <= second - _KEPT_SECONDS:
                seconds.popleft()
        return seconds[-1][1]


def _is_alive(worker: _Worker, now_ns: int) -> bool:
    return not worker.has_ended and now_ns - worker.last_seen_ns <= ALIVE_NS
