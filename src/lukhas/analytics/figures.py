"""The figures of some requests, and how labels tell what counts."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from lukhas.telemetry.histograms import LatencySketch
from lukhas.telemetry.recorder import LIMITED
from lukhas.telemetry.series import SeriesFigures, SeriesLabels
from lukhas.units import MILLISECOND_NS

__all__ = ("Figures",)

# Answered by the cache, whether or not the origin was asked if that is still right.
_HITS = frozenset(("hit", "stale", "revalidated"))


@dataclass(slots=True)
class Figures:
    """The figures of some requests.

    Attributes:
        requests: how many there were.
        errors: of these, answered with 5xx.
        limited: of these, refused by a limit.
        hits: of these, answered by the cache.
        misses: of these, that the cache could have answered and did not.
        bytes_out: bytes of response bodies.
        latency: their durations; empty where they are not known.
    """

    requests: int = 0
    errors: int = 0
    limited: int = 0
    hits: int = 0
    misses: int = 0
    bytes_out: int = 0
    latency: LatencySketch = field(default_factory=LatencySketch)

    def count(self, labels: SeriesLabels, requests: int, bytes_out: int) -> None:
        """Counts requests of a series, without their durations."""
        self.requests += requests
        self.bytes_out += bytes_out
        if labels.status == "5xx":
            self.errors += requests
        if labels.verdict == LIMITED:
            self.limited += requests
        if labels.cache in _HITS:
            self.hits += requests
        elif labels.cache == "miss":
            self.misses += requests

    def add_series(self, labels: SeriesLabels, figures: SeriesFigures) -> None:
        """Adds requests of a series."""
        self.count(labels, figures.latency.count, figures.bytes_out)
        self.latency.merge(figures.latency)

    def merge(self, other: "Figures") -> None:
        """Adds other requests; exact, in any order."""
        self.requests += other.requests
        self.errors += other.errors
        self.limited += other.limited
        self.hits += other.hits
        self.misses += other.misses
        self.bytes_out += other.bytes_out
        self.latency.merge(other.latency)

    @property
    def hit_ratio(self) -> float | None:
        """Hits among the requests that the cache may answer; None if there were none."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else None

    def quantile_ms(self, q: float) -> float | None:
        """A quantile of the duration; None if there is none."""
        (quantile_ms,) = self.quantiles_ms((q,))
        return quantile_ms

    def quantiles_ms(self, qs: Sequence[float]) -> list[float | None]:
        """Quantiles of the duration; None where there is none."""
        quantiles_ns = self.latency.quantiles_ns(qs)
        return [None if value is None else value / MILLISECOND_NS for value in quantiles_ns]
