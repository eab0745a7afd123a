"""Records what happens in one process, at the price of a list append a request."""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from lukhas.telemetry.deltas import Delta
from lukhas.telemetry.histograms import LatencySketch

__all__ = ("OTHER", "Recorder", "Sample")

Sample = tuple[str, str, int, str, str, int, int]
"""Route template, method, status, tier, cache result, body bytes, duration in nanoseconds.

An empty text means that the request ended before that was known.
"""

OTHER = "other"
"""The label that stands for everything beyond the bound on the number of labels."""

_FOLD_AT = 1024
# Clients choose the method, so only these become labels (RFC 9110 section 9, RFC 5789).
_METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
)
_Labels = TypeVar("_Labels", bound=Hashable)


class Recorder:
    """Counters and latency sketches of one process; for one thread, that of its event loop.

    A sample is only appended to a list. When 1024 are in, they are folded into the counters in one
    go, so that a request pays its share of a loop that runs in C.

    Args:
        max_routes: how many route templates get a label of their own; the rest share `other`, and
            how many requests that were is counted too.

    Attributes:
        in_flight: requests that have begun and not ended; kept by the observe stage.
    """

    __slots__ = (
        "_current",
        "_earlier",
        "_gauges",
        "_max_routes",
        "_routes",
        "_samples",
        "in_flight",
    )

    def __init__(self, *, max_routes: int = 500) -> None:
        self._samples: list[Sample] = []
        self._current = Delta()
        self._earlier = Delta()
        self._max_routes = max_routes
        self._routes: set[str] = set()
        self._gauges: dict[str, Callable[[], float]] = {}
        self.in_flight = 0

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
        """What was recorded since the last drain."""
        self._fold()
        drained = self._current
        self._current = Delta()
        self._earlier.merge(drained)
        return drained

    def snapshot(self) -> Delta:
        """What was recorded since the start, drained or not."""
        self._fold()
        everything = Delta()
        everything.merge(self._earlier)
        everything.merge(self._current)
        return everything

    def _fold(self) -> None:
        samples = self._samples
        if not samples:
            return
        self._samples = []
        # Columns instead of rows, so that what follows runs in C.
        routes, methods, statuses, tiers, caches, sizes, durations = zip(*samples, strict=True)
        current = self._current
        current.bytes_out += sum(sizes)
        requests = current.requests
        counts = Counter(zip(routes, methods, statuses, tiers, caches, strict=True))
        for (route, method, status, tier, cache), number in counts.items():
            label = self._route_label(route)
            if label is OTHER:
                current.overflowed += number
            labels = (
                label,
                method if method in _METHODS else OTHER,
                f"{status // 100}xx",
                tier or "none",
                cache or "none",
            )
            requests[labels] = requests.get(labels, 0) + number
        self._fold_durations(routes, durations)

    def _fold_durations(self, routes: tuple[str, ...], durations: tuple[int, ...]) -> None:
        by_route: dict[str, Sequence[int]] = {}
        if routes.count(routes[0]) == len(routes):
            by_route[routes[0]] = durations
        else:
            grouped: defaultdict[str, list[int]] = defaultdict(list)
            for route, took_ns in zip(routes, durations, strict=True):
                grouped[route].append(took_ns)
            by_route.update(grouped)
        latencies = self._current.latencies
        for route, taken_ns in by_route.items():
            label = self._route_label(route)
            sketch = latencies.get(label)
            if sketch is None:
                sketch = latencies[label] = LatencySketch()
            sketch.add_many(taken_ns)

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
