"""Keeps the number of route labels of a node within its bound, whoever has chosen them."""

from collections.abc import Collection

from lukhas.telemetry.deltas import Delta
from lukhas.telemetry.histograms import LatencySketch

__all__ = ("MAX_ROUTES", "OTHER_ROUTE", "bounded")

MAX_ROUTES = 500
"""How many routes get a label of their own; the rest share `OTHER_ROUTE`."""

OTHER_ROUTE = "other"


def bounded(delta: Delta, known: Collection[str], *, most: int = MAX_ROUTES) -> Delta:
    """A delta whose routes, together with those that are known, are not more than so many.

    Each worker keeps the bound for itself; but workers need not have chosen the same routes, and
    after a reload routes may have other names.

    Args:
        delta: what a worker has counted.
        known: the routes that have a label already; these keep it.
        most: the bound; `OTHER_ROUTE` comes on top of it.

    Returns:
        The delta itself where it fits; else another one, in which requests of further routes count
        under `OTHER_ROUTE`, and in `overflowed`.
    """
    fresh = [route for route in delta.latencies if route not in known and route != OTHER_ROUTE]
    room = max(0, most - sum(route != OTHER_ROUTE for route in known))
    if len(fresh) <= room:
        return delta
    dropped = frozenset(fresh[room:])
    latencies: dict[str, LatencySketch] = {}
    requests: dict[tuple[str, str, str, str, str], int] = {}
    found = Delta()
    found.merge(delta)
    for route, sketch in delta.latencies.items():
        name = OTHER_ROUTE if route in dropped else route
        if route in dropped:
            found.overflowed += sketch.count
        latencies.setdefault(name, LatencySketch()).merge(sketch)
    for (route, method, status, tier, cache), number in delta.requests.items():
        labels = (OTHER_ROUTE if route in dropped else route, method, status, tier, cache)
        requests[labels] = requests.get(labels, 0) + number
    found.latencies, found.requests = latencies, requests
    return found
