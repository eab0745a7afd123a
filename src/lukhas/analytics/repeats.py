"""By route and hour: requests that a lifetime would have let the cache answer, and at what cost."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from lukhas.analytics.levels import HOUR_S, floored
from lukhas.analytics.tables import REPEATS
from lukhas.telemetry.repeats import RouteTally
from lukhas.telemetry.uniques import Uniques

__all__ = ("LIFETIMES_S", "RepeatBook", "RepeatSums")

LIFETIMES_S = (60, 300, 3600)
"""The lifetimes that are looked at. Each divides an hour."""

_ROUTE_CHARS = 500


@dataclass(slots=True)
class RepeatSums:
    """Such requests of one route.

    Attributes:
        requests: how many.
        fetches: for each lifetime, how many fetches they would take at most: the different
            addresses in each stretch of that length, added up.
    """

    requests: int = 0
    fetches: dict[int, int] = field(default_factory=lambda: dict.fromkeys(LIFETIMES_S, 0))

    def add(self, requests: int, fetches: Mapping[int, int]) -> None:
        """Adds those of another time."""
        self.requests += requests
        for ttl_s, number in fetches.items():
            self.fetches[ttl_s] += number


@dataclass(slots=True)
class _Window:
    """The addresses of a stretch that is not over."""

    start_s: int
    addresses: Uniques = field(default_factory=Uniques)
    unseen: int = 0

    def count(self) -> int:
        return self.addresses.count() + self.unseen


class _Route:
    """One route in the present hour."""

    def __init__(self) -> None:
        self.done = RepeatSums()
        self.windows: dict[int, _Window] = {}

    def take(self, tally: RouteTally, time_s: int) -> None:
        self.done.requests += tally.requests
        for ttl_s in LIFETIMES_S:
            start_s = floored(time_s, ttl_s)
            window = self.windows.get(ttl_s)
            if window is None or window.start_s != start_s:
                if window is not None:
                    self.done.fetches[ttl_s] += window.count()
                window = self.windows[ttl_s] = _Window(start_s)
            window.addresses.merge(Uniques(set(tally.addresses)))
            window.unseen += tally.unseen

    def sums(self) -> RepeatSums:
        sums = RepeatSums()
        sums.add(self.done.requests, self.done.fetches)
        sums.add(0, {ttl_s: window.count() for ttl_s, window in self.windows.items()})
        return sums


class RepeatBook:
    """Counts for each route of the present hour, and writes that down with the next second.

    After a restart within an hour its addresses are counted anew, so the fetches of that hour are
    too many and never too few.
    """

    def __init__(self) -> None:
        self._hour_s = 0
        self._routes: dict[str, _Route] = {}
        self._changed: set[str] = set()
        self._unsaved: tuple[int, Mapping[str, RouteTally]] = (0, {})

    async def load(self, connection: AsyncConnection, now_s: int) -> None:
        """Goes on with what was written of the present hour, and what is to be written yet."""
        time_s, tallies = self._unsaved
        self._hour_s = floored(time_s or now_s, HOUR_S)
        self._routes = {}
        rows = await connection.execute(sa.select(REPEATS).where(REPEATS.c.start_s == self._hour_s))
        for row in map(dict, rows.mappings()):
            route = self._routes.setdefault(row["route"], _Route())
            route.done.add(row["requests"], _fetches(row))
        self._take(tallies, time_s)

    async def save(self, connection: AsyncConnection, time_s: int, *, keep_s: int) -> None:
        """Writes what has changed, in the transaction that is under way, and forgets what is old.

        Args:
            connection: the transaction.
            time_s: the present second; what comes in it is written with the next.
            keep_s: for how long hours are kept.
        """
        if self._changed:
            names = sorted(self._changed)
            here = (REPEATS.c.start_s == self._hour_s) & REPEATS.c.route.in_(names)
            await connection.execute(sa.delete(REPEATS).where(here))
            await connection.execute(sa.insert(REPEATS), self._rows(names))
        if floored(time_s, HOUR_S) != self._hour_s:
            old = REPEATS.c.start_s < time_s - keep_s
            await connection.execute(sa.delete(REPEATS).where(old))

    def saved(self, tallies: Mapping[str, RouteTally], time_s: int) -> None:
        """The transaction is through: takes in what came in this second."""
        self._changed = set()
        hour_s = floored(time_s, HOUR_S)
        if hour_s != self._hour_s:
            self._routes = {}
            self._hour_s = hour_s
        self._unsaved = (time_s, tallies) if tallies else (0, {})
        self._take(tallies, time_s)

    def _take(self, tallies: Mapping[str, RouteTally], time_s: int) -> None:
        for name, tally in tallies.items():
            route = name[:_ROUTE_CHARS]
            self._routes.setdefault(route, _Route()).take(tally, time_s)
            self._changed.add(route)

    def present(self) -> dict[str, RepeatSums]:
        """The present hour, as far as it has come, by route."""
        return {name: route.sums() for name, route in self._routes.items()}

    async def read(
        self, connection: AsyncConnection, from_s: int, to_s: int
    ) -> dict[str, RepeatSums]:
        """The sums of whole hours, the present one as far as it has come."""
        within = (REPEATS.c.start_s >= floored(from_s, HOUR_S)) & (REPEATS.c.start_s < to_s)
        written = await connection.execute(sa.select(REPEATS).where(within))
        # What is in memory is newer than what was written of the same hour.
        hours = {
            (row["start_s"], row["route"]): row
            for row in (*map(dict, written.mappings()), *self._rows(self._routes))
            if floored(from_s, HOUR_S) <= row["start_s"] < to_s
        }
        found: dict[str, RepeatSums] = {}
        for (_, route), row in hours.items():
            found.setdefault(route, RepeatSums()).add(row["requests"], _fetches(row))
        return found

    def _rows(self, names: Iterable[str]) -> list[dict[str, Any]]:
        return [
            {
                "start_s": self._hour_s,
                "route": name,
                "requests": sums.requests,
                **{f"fetches_{ttl_s}": number for ttl_s, number in sums.fetches.items()},
            }
            for name, sums in ((name, self._routes[name].sums()) for name in names)
        ]


def _fetches(row: Mapping[str, Any]) -> dict[int, int]:
    return {ttl_s: row[f"fetches_{ttl_s}"] for ttl_s in LIFETIMES_S}
