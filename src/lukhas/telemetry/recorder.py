"""Records what happens in one process, at the price of a list append a request."""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable
from itertools import islice
from operator import itemgetter
from typing import TypeVar

from lukhas.telemetry.deltas import Delta
from lukhas.telemetry.histograms import DurationCounts, LatencySketch
from lukhas.telemetry.leaders import LEADERS
from lukhas.telemetry.repeats import RepeatLog
from lukhas.telemetry.series import HistoryDelta, SeriesFigures, SeriesLabels

__all__ = ("LIMITED", "OTHER", "Recorder", "Sample", "SampleLabels")

SampleLabels = tuple[str, str, int, str, str, str, str, str]
"""Route template, method, status, tier, tenant, upstream, cache result, policy verdict.

An empty text means that the request ended before that was known.
"""

Sample = tuple[SampleLabels, int, int, str, bytes]
"""Labels, body bytes, duration in nanoseconds, consumer, user agent."""

OTHER = "other"
"""The label that stands for everything beyond the bound on the number of labels."""

LIMITED = "limited"
"""The verdict of a request that a limit refused."""

_FOLD_AT = 1024
# So that making sketches is paid for by many requests, and yet never takes long.
_SETTLE_AT = 4 * _FOLD_AT
_SETTLED_AT_ONCE = 16
_AGENT_BYTES = 200
_labels_of = itemgetter(0)
_size_of = itemgetter(1)
_duration_of = itemgetter(2)
_consumer_of = itemgetter(3)
_agent_of = itemgetter(4)
# Clients choose the method, so only these become labels (RFC 9110 section 9, RFC 5789).
_METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
)
_Labels = TypeVar("_Labels", bound=Hashable)


class _Collected:
    """The requests of one series since sketches were made last."""

    __slots__ = ("bytes_out", "durations")

    def __init__(self) -> None:
        self.durations = DurationCounts()
        self.bytes_out = 0


class Recorder:
    """Counters and latency sketches of one process; for one thread, that of its event loop.

    A sample is only appended to a list. When 1024 are in, they are grouped by series in one go, and
    a few groups are counted, so that a request pays its share of loops that run in C. Sketches are
    made of the counts when they are asked for.

    Args:
        max_routes: how many route templates get a label of their own; the rest share `other`, and
            how many requests that were is counted too.
        max_series: how many series one report for the history may have; requests of more of them
            share series whose route, method, tenant and upstream are `other`, and are counted too.

    Attributes:
        in_flight: requests that have begun and not ended; kept by the observe stage.
        repeats: requests that a lifetime would have let the cache answer; kept by the cache.
    """

    __slots__ = (
        "_agents",
        "_callers",
        "_collected",
        "_current",
        "_failed",
        "_gauges",
        "_history",
        "_limited",
        "_max_routes",
        "_max_series",
        "_names",
        "_pending",
        "_routes",
        "_samples",
        "_waiting",
        "in_flight",
        "repeats",
    )

    def __init__(self, *, max_routes: int = 500, max_series: int = 2000) -> None:
        self._samples: list[Sample] = []
        self._current = Delta()
        self._collected: dict[SeriesLabels, _Collected] = {}
        self._max_routes = max_routes
        self._max_series = max_series
        self._pending: defaultdict[SampleLabels, list[Sample]] = defaultdict(list)
        self._names: dict[SampleLabels, SeriesLabels] = {}
        self._waiting = 0
        self._history = HistoryDelta()
        self._callers: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._limited: Counter[str] = Counter()
        self._agents: Counter[bytes] = Counter()
        self._routes: set[str] = set()
        self._gauges: dict[str, Callable[[], float]] = {}
        self.in_flight = 0
        self.repeats = RepeatLog()

    def record(self, sample: Sample) -> None:
        """Takes the sample of one finished request."""
        samples = self._samples
        samples.append(sample)
        if len(samples) >= _FOLD_AT:
            self._fold()

    def limited(self, policy: str, tier: str, mode: str) -> None:
        """Counts a request over a limit; the mode is `enforce` or `shadow`."""
        _count(self._current.limited, (policy, tier, mode))

    def shed(self, tier: str, mode: str) -> None:
        """Counts a request that was one too many for its upstream; mode as of `limited`."""
        _count(self._current.shed, (tier, mode))

    def near_limit(self, policy: str, tier: str) -> None:
        """Counts a request that passed and left less than a fifth of a limit."""
        _count(self._current.near, (policy, tier))

    def refused(self, stage: str) -> None:
        """Counts a request that a stage refused."""
        _count(self._current.refusals, stage)

    def contained(self, stage: str) -> None:
        """Counts a failure of a stage that was contained."""
        _count(self._current.contained, stage)

    def upstream_failed(self, upstream: str, kind: str) -> None:
        """Counts a failure of an upstream; kind: `connect`, `timeout`, `protocol` or `other`."""
        _count(self._current.upstream_errors, (upstream, kind))

    def aborted(self) -> None:
        """Counts a response that was cut off before its end."""
        self._current.aborted += 1

    def watch(self, name: str, read: Callable[[], float]) -> None:
        """Adds a gauge, read whenever somebody asks, e.g. `connections_open` or `cache_bytes`.

        Args:
            name: in snake case, with its unit; it becomes the metric `lukhas_<name>`.
            read: gives the present value; it must not block.
        """
        self._gauges[name] = read

    def gauges(self) -> dict[str, float]:
        """The present value of every gauge."""
        values = {name: float(read()) for name, read in self._gauges.items()}
        values["requests_in_flight"] = float(self.in_flight)
        return values

    def drain(self) -> Delta:
        """What was recorded since the last drain, without what is for the history."""
        self._gather()
        drained, self._current = self._current, Delta()
        return drained

    def snapshot(self) -> Delta:
        """What the next drain will give, up to now."""
        self._gather()
        everything = Delta()
        everything.merge(self._current)
        return everything

    def drain_history(self) -> HistoryDelta:
        """What was recorded for the history since the last time."""
        self._gather()
        self._count_callers()
        drained, self._history = self._history, HistoryDelta()
        drained.repeats = self.repeats.drain()
        return drained

    def _fold(self) -> None:
        samples = self._samples
        if not samples:
            return
        self._samples = []
        pending = self._pending
        for sample in samples:
            pending[sample[0]].append(sample)
        self._waiting += len(samples)
        self._callers.update(map(_consumer_of, samples))
        self._agents.update(map(_agent_of, samples))
        if len(self._callers) > LEADERS or len(self._agents) > LEADERS:
            self._count_callers()
        if self._waiting >= _SETTLE_AT:
            # Only the oldest groups: counts of few values are dear, and no request should wait.
            for raw in list(islice(pending, _SETTLED_AT_ONCE)):
                self._settle(raw)

    def _gather(self) -> None:
        """Makes counters and sketches of everything that was recorded."""
        self._fold()
        for raw in list(self._pending):
            self._settle(raw)
        self._add_collected()

    def _count_callers(self) -> None:
        """Tells who called; errors and refusals together with the requests that they were."""
        for raw in [raw for raw in self._pending if raw[2] >= 500 or raw[7] == LIMITED]:
            self._settle(raw)
        callers, agents = self._callers, self._agents
        for counts in (callers, self._failed, self._limited):
            counts.pop("", None)
        agents.pop(b"", None)
        consumers = self._history.consumers
        consumers.add_counts(callers)
        for key, number in self._failed.items():
            consumers.tallies[key].errors += number
        for key, number in self._limited.items():
            consumers.tallies[key].limited += number
        consumers.prune()
        self._history.unique_consumers.add_keys(callers)
        self._history.agents.add_counts(_named_agents(agents))
        self._history.agents.prune()
        for counted in (callers, self._failed, self._limited, agents):
            counted.clear()

    def _settle(self, raw: SampleLabels) -> None:
        """Counts the samples of a group."""
        samples = self._pending.pop(raw)
        self._waiting -= len(samples)
        if raw[7] == LIMITED:
            self._limited.update(map(_consumer_of, samples))
        elif raw[2] >= 500:
            self._failed.update(map(_consumer_of, samples))
        labels = self._named(raw)
        if labels.route is OTHER:
            self._current.overflowed += len(samples)
        collected = self._collected.get(labels)
        if collected is None:
            if len(self._collected) >= self._max_series:
                self._add_collected()
            collected = self._collected[labels] = _Collected()
        collected.durations.add_many(list(map(_duration_of, samples)))
        collected.bytes_out += sum(map(_size_of, samples))

    def _named(self, raw: SampleLabels) -> SeriesLabels:
        labels = self._names.get(raw)
        if labels is not None:
            return labels
        route, method, status, tier, tenant, upstream, cache, verdict = raw
        labels = SeriesLabels(
            self._route_label(route),
            method if method in _METHODS else OTHER,
            f"{status // 100}xx",
            tier or "none",
            tenant or "none",
            upstream or "none",
            cache or "none",
            verdict or "none",
        )
        if len(self._names) >= 4 * self._max_series:
            self._names.clear()
        self._names[raw] = labels
        return labels

    def _add_collected(self) -> None:
        """Makes sketches of what was counted."""
        current = self._current
        for labels, collected in self._collected.items():
            sketch = collected.durations.sketch()
            current.bytes_out += collected.bytes_out
            route, method, status, tier, _, _, cache, _ = labels
            counted = (route, method, status, tier, cache)
            current.requests[counted] = current.requests.get(counted, 0) + sketch.count
            known = current.latencies.get(route)
            if known is None:
                current.latencies[route] = sketch.copy()
            else:
                known.merge(sketch)
            self._keep_series(labels, sketch, collected.bytes_out)
        self._collected.clear()

    def _keep_series(self, labels: SeriesLabels, sketch: LatencySketch, bytes_out: int) -> None:
        history = self._history
        figures = history.series.get(labels)
        if figures is None:
            if len(history.series) < self._max_series:
                history.series[labels] = SeriesFigures(sketch, bytes_out)
                return
            history.overflowed += sketch.count
            labels = labels._replace(route=OTHER, method=OTHER, tenant=OTHER, upstream=OTHER)
            figures = history.series.setdefault(labels, SeriesFigures())
        figures.latency.merge(sketch)
        figures.bytes_out += bytes_out

    def _route_label(self, route: str) -> str:
        if not route:
            return "unmatched"
        if route in self._routes:
            return route
        if len(self._routes) >= self._max_routes:
            return OTHER
        self._routes.add(route)
        return route


def _count(counts: dict[_Labels, int], labels: _Labels) -> None:
    counts[labels] = counts.get(labels, 0) + 1


def _named_agents(agents: Counter[bytes]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for agent, number in agents.items():
        counts[agent[:_AGENT_BYTES].decode("latin-1")] += number
    return counts
