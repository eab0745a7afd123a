"""What is handed over for the history: figures by series, the busiest, and how many there were."""

from typing import NamedTuple

import msgspec

from lukhas.telemetry.histograms import LatencySketch
from lukhas.telemetry.leaders import Leaders
from lukhas.telemetry.repeats import RouteTally
from lukhas.telemetry.uniques import Uniques

__all__ = ("HistoryDelta", "SeriesFigures", "SeriesLabels")


class SeriesLabels(NamedTuple):
    """What tells one series from another.

    Attributes:
        route: the route template, `unmatched` or `other`.
        method: a known method or `other`.
        status: the status class, e.g. `2xx`.
        tier: the tier or `none`.
        tenant: the tenant or `none`.
        upstream: the upstream that the request belongs to, asked or not.
        cache: the cache result or `none`.
        verdict: `passed`, `limited`, `shed`, `refused`, or `shadow` (a limit in shadow mode).
    """

    route: str
    method: str
    status: str
    tier: str
    tenant: str
    upstream: str
    cache: str
    verdict: str


class SeriesFigures(msgspec.Struct, array_like=True):
    """The requests of one series over some stretch of time.

    Attributes:
        latency: their durations, and so their number.
        bytes_out: bytes of response bodies.
    """

    latency: LatencySketch = msgspec.field(default_factory=LatencySketch)
    bytes_out: int = 0

    def merge(self, other: "SeriesFigures") -> None:
        """Adds other requests; exact, in any order."""
        self.latency.merge(other.latency)
        self.bytes_out += other.bytes_out


class HistoryDelta(msgspec.Struct, array_like=True):
    """What was recorded for the history since some moment.

    Attributes:
        series: figures by labels.
        consumers: the busiest consumers.
        agents: the busiest user agents.
        unique_consumers: all consumers.
        overflowed: requests in series `other`, because there were too many series.
        repeats: requests that a lifetime would have let the cache answer, by route.
    """

    series: dict[SeriesLabels, SeriesFigures] = msgspec.field(default_factory=dict)
    consumers: Leaders = msgspec.field(default_factory=Leaders)
    agents: Leaders = msgspec.field(default_factory=Leaders)
    unique_consumers: Uniques = msgspec.field(default_factory=Uniques)
    overflowed: int = 0
    repeats: dict[str, RouteTally] = msgspec.field(default_factory=dict)

    def merge(self, other: "HistoryDelta") -> None:
        """Adds what another one has; series are exact, in any order."""
        for labels, figures in other.series.items():
            known = self.series.get(labels)
            if known is None:
                known = self.series[labels] = SeriesFigures()
            known.merge(figures)
        self.consumers.merge(other.consumers)
        self.agents.merge(other.agents)
        self.unique_consumers.merge(other.unique_consumers)
        self.overflowed += other.overflowed
        for route, tally in other.repeats.items():
            self.repeats.setdefault(route, RouteTally()).merge(tally)

    @property
    def request_count(self) -> int:
        """The number of finished requests."""
        return sum(figures.latency.count for figures in self.series.values())
