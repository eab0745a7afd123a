"""The numbers of series and routes."""

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from lukhas.analytics.tables import SERIES
from lukhas.telemetry.recorder import OTHER
from lukhas.telemetry.series import SeriesLabels

__all__ = ("EVERYTHING", "SeriesBook")

EVERYTHING = 0
"""The number that stands for all routes together."""


class SeriesBook:
    """Which number each series has in the database; numbers are never given again.

    A route has the number of the first of its series.

    Args:
        most: how many series may have numbers; further ones share series that are `other`.
    """

    def __init__(self, *, most: int = 20_000) -> None:
        self._most = most
        self._numbers: dict[SeriesLabels, int] = {}
        self._labels: dict[int, SeriesLabels] = {}
        self._routes: dict[str, int] = {}
        self._new: list[SeriesLabels] = []

    async def load(self, connection: AsyncConnection) -> None:
        """Takes in what the database knows."""
        rows = await connection.execute(sa.select(SERIES).order_by(SERIES.c.series_id))
        for number, *labels in rows:
            self._note(number, SeriesLabels(*labels))
        self._new = []

    def bounded(self, labels: SeriesLabels) -> SeriesLabels:
        """The series under which requests are kept: their own, or an `other` one."""
        if labels in self._numbers or len(self._numbers) < self._most:
            return labels
        return labels._replace(route=OTHER, method=OTHER, tenant=OTHER, upstream=OTHER)

    def number(self, labels: SeriesLabels) -> int:
        """The number of a series, a new one if it has none."""
        number = self._numbers.get(labels)
        if number is None:
            number = len(self._numbers) + 1
            self._note(number, labels)
        return number

    def labels(self, number: int) -> SeriesLabels:
        """What a number stands for."""
        return self._labels[number]

    def knows(self, number: int) -> bool:
        """Whether a number stands for anything here; another process may have given it just now."""
        return number in self._labels

    def route_number(self, route: str) -> int | None:
        """The number of a route; None if nothing was ever recorded for it."""
        return self._routes.get(route)

    def every_route(self) -> list[int]:
        """The number of each route, and of all together."""
        return [EVERYTHING, *self._routes.values()]

    def numbers(self) -> Iterable[tuple[SeriesLabels, int]]:
        """Every series with its number."""
        return self._numbers.items()

    async def save(self, connection: AsyncConnection) -> None:
        """Writes the new numbers down, in the transaction that uses them."""
        if self._new:
            rows = [{"series_id": self._numbers[each], **each._asdict()} for each in self._new]
            await connection.execute(sa.insert(SERIES), rows)

    def saved(self) -> None:
        """The transaction is through."""
        self._new = []

    def _note(self, number: int, labels: SeriesLabels) -> None:
        self._numbers[labels] = number
        self._labels[number] = labels
        self._routes.setdefault(labels.route, number)
        self._new.append(labels)
