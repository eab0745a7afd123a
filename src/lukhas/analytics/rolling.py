"""Roll-ups: many rows of one level made into few of the next."""

from collections.abc import Iterable, Sequence
from typing import Any

from lukhas.analytics.figures import Figures
from lukhas.analytics.packing import add_packed, pack
from lukhas.analytics.series_book import EVERYTHING, SeriesBook
from lukhas.telemetry.series import SeriesFigures, SeriesLabels

__all__ = ("point_rows", "rolled_points", "route_rows")

Row = dict[str, Any]


def rolled_points(rows: Iterable[Sequence[Any]]) -> dict[int, SeriesFigures]:
    """The sums by series.

    Args:
        rows: number of the series, bytes and packed durations.
    """
    sums: dict[int, SeriesFigures] = {}
    for number, bytes_out, latency in rows:
        figures = sums.get(number)
        if figures is None:
            figures = sums[number] = SeriesFigures()
        figures.bytes_out += bytes_out
        add_packed(figures.latency, latency)
    return sums


def point_rows(level: int, start_s: int, sums: dict[int, SeriesFigures]) -> list[Row]:
    """The rows of one stretch of time for the table of points."""
    return [
        {
            "level": level,
            "start_s": start_s,
            "series_id": number,
            "requests": figures.latency.count,
            "bytes_out": figures.bytes_out,
            "latency": pack(figures.latency),
        }
        for number, figures in sums.items()
    ]


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
            "latency": pack(figures.latency),
        }
        for route, figures in by_route.items()
    ]
