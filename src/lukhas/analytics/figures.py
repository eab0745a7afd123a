"""The figures of some requests, and how labels tell what counts."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import zstandard

from lukhas.analytics.dense_counts import DENSE_MARK, DenseCounts, summed
from lukhas.analytics.packing import add_packed
from lukhas.telemetry.histograms import LatencySketch
from lukhas.telemetry.recorder import LIMITED
from lukhas.telemetry.series import SeriesFigures, SeriesLabels
from lukhas.units import MILLISECOND_NS

__all__ = ("Figures",)

# Answered by the cache, whether or not the origin was asked if that is still right.
_HITS = frozenset(("hit", "stale", "revalidated"))

# From so many on, a place for every bucket is worth it.
_MANY = 4


@dataclass(slots=True, eq=False)
class Figures:
    """The figures of some requests.

    Attributes:
        requests: how many there were.
        errors: of these, answered with 5xx.
        limited: of these, refused by a limit.
        hits: of these, answered by the cache.
        misses: of these, that the cache could have answered and did not.
        bytes_out: bytes of response bodies.
    """

    requests: int = 0
    errors: int = 0
    limited: int = 0
    hits: int = 0
    misses: int = 0
    bytes_out: int = 0
    _sparse: LatencySketch = field(default_factory=LatencySketch)
    _dense: DenseCounts | None = None

    @property
    def latency(self) -> LatencySketch:
        """Their durations; empty where they are not known. Changing it changes these figures."""
        if self._dense is not None:
            self._sparse.merge(self._dense.sketch())
            self._dense = None
        return self._sparse

    def add_packed(
        self, packed: bytes, decompressor: zstandard.ZstdDecompressor | None = None
    ) -> None:
        """Adds durations as `pack` or `pack_dense` made them, and nothing else; exact.

        Args:
            packed: the durations.
            decompressor: one that no other thread uses; making one takes as long as using it.
        """
        if packed[0] == DENSE_MARK:
            decompressor = decompressor or zstandard.ZstdDecompressor()
            self._add_dense(DenseCounts(packed, decompressor))
        else:
            add_packed(self._sparse, packed)

    def add_all_packed(self, packed: Sequence[bytes]) -> None:
        """Adds durations of many series as `pack` made them; exact."""
        together = summed(packed) if len(packed) >= _MANY else None
        if together is not None:
            self._add_dense(together)
            return
        for each in packed:
            add_packed(self._sparse, each)

    def _add_dense(self, dense: DenseCounts) -> None:
        if self._dense is None:
            self._dense = dense
        elif self._dense.has_room_for(dense):
            self._dense.merge(dense)
        else:
            self._sparse.merge(dense.sketch())

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
        self._sparse.merge(figures.latency)

    def merge(self, other: "Figures") -> None:
        """Adds other requests; exact, in any order."""
        self.requests += other.requests
        self.errors += other.errors
        self.limited += other.limited
        self.hits += other.hits
        self.misses += other.misses
        self.bytes_out += other.bytes_out
        self._sparse.merge(other._sparse)
        dense = other._dense
        if dense is not None:
            # What is added stays as it is; what is taken over will grow.
            self._add_dense(dense.copy() if self._dense is None else dense)

    @property
    def hit_ratio(self) -> float | None:
        """Hits among the requests that the cache may answer; None if there were none."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else None

    @property
    def mean_ms(self) -> float | None:
        """The mean of the durations; None if there are none."""
        parts = (self._sparse,) if self._dense is None else (self._sparse, self._dense)
        count = sum(part.count for part in parts)
        return sum(part.total_ns for part in parts) / count / MILLISECOND_NS if count else None

    def quantile_ms(self, q: float) -> float | None:
        """A quantile of the duration; None if there is none."""
        (quantile_ms,) = self.quantiles_ms((q,))
        return quantile_ms

    def quantiles_ms(self, qs: Sequence[float]) -> list[float | None]:
        """Quantiles of the duration; None where there is none."""
        # Where all of it is dense it stays so: making a sketch of it costs more than the answer.
        dense = self._dense if not self._sparse.count else None
        quantiles_ns = (dense or self.latency).quantiles_ns(qs)
        return [None if value is None else value / MILLISECOND_NS for value in quantiles_ns]
