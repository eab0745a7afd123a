"""Roll-ups: many rows of one level made into few of the next."""

from collections.abc import Iterable
from typing import Any

from lukhas.analytics.dense_counts import pack_dense
from lukhas.analytics.figures import Figures
from lukhas.analytics.levels import MINUTE_S
from lukhas.analytics.packing import add_packed, pack, points_of
from lukhas.analytics.series_book import EVERYTHING, SeriesBook
from lukhas.telemetry.series import SeriesFigures, SeriesLabels

__all__ = ("rolled_blocks", "route_rows")

Row = dict[str, Any]


def rolled_blocks(blocks: Iterable[bytes]) -> dict[int, SeriesFigures]:
    """The sums by series.

    Args:
        blocks: rows of the finer level.
    """
    sums: dict[int, SeriesFigures] = {}
    for content in blocks:
        for number, _, bytes_out, latency in points_of(content):
            figures = sums.get(number)
            if figures is None:
                figures = sums[number] = SeriesFigures()
            figures.bytes_out += bytes_out
            add_packed(figures.latency, latency)
    return sums


def route_rows(
    level: int, start_s: int, sums: dict[int, SeriesFigures], book: SeriesBook
) -> list[Row]:
    """The rows of the same stretch for the table of routes."""
    by_route: dict[int, Figures] = {EVERYTHING: Figures()}
    for number, figures in sums.items():
        labels: SeriesLabels = book.labels(number)
        route = book.route_number(labels.route) or EVERYTHING
        by_route.setdefault(route, Figures()).add_series(labels, figures)
    for route, figures_of_route in by_route.items():
        if route != EVERYTHING:
            by_route[EVERYTHING].merge(figures_of_route)
    return [
        {
            "level": level,
            "start_s": start_s,
            "route_id": route,
            "requests": figures.requests,
            "errors": figures.errors,
            "limited": figures.limited,
            "hits": figures.hits,
            "misses": figures.misses,
            "bytes_out": figures.bytes_out,
            "latency": _packed(level, figures),
        }
        for route, figures in by_route.items()
    ]


def _packed(level: int, figures: Figures) -> bytes:
    # Minutes are many and read a few at a time, so they are kept small; longer stretches are
    # read by the hundred, so they are kept quick to add up.
    dense = pack_dense(figures.latency) if level > MINUTE_S else None
    return dense or pack(figures.latency)
