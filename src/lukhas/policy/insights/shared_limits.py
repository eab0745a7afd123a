"""Limits that all requests of a route share, as a rate."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ("Ceiling", "SharedLimit", "lowest_ceiling")


@dataclass(frozen=True, slots=True)
class SharedLimit:
    """A limit that is counted for all consumers together.

    Attributes:
        name: of its policy.
        per_s: what it lets pass each second, in the long run.
        routes: the templates of the routes that it is for; empty for all.
        is_by_route: whether each route is counted apart.
    """

    name: str
    per_s: float
    routes: frozenset[str]
    is_by_route: bool


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What a series can reach.

    Attributes:
        per_s: requests a second.
        source: what says so.
    """

    per_s: float
    source: str


def lowest_ceiling(
    route: str | None, limits: Sequence[SharedLimit], others: Sequence[Ceiling] = ()
) -> Ceiling | None:
    """The lowest that applies to a route, or to all requests together where it is None.

    Args:
        route: the template.
        limits: those of the settings.
        others: further ceilings of the same series.
    """
    found = list(others)
    for limit in limits:
        if route is None:
            applies = not limit.routes and not limit.is_by_route
        else:
            applies = limit.is_by_route and (not limit.routes or route in limit.routes)
        if applies:
            found.append(Ceiling(limit.per_s, f"limit {limit.name}"))
    return min(found, key=lambda each: each.per_s, default=None)
