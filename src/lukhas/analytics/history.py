"""The history of a node: takes the figures in, rolls them up, and forgets what is old."""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from lukhas.analytics.crowds import Crowd, packed_crowd, unpacked_crowd
from lukhas.analytics.levels import (
    CROWD_LEVELS,
    HOUR_S,
    LEVELS,
    MINUTE_S,
    Retention,
    floored,
)
from lukhas.analytics.packing import pack_block
from lukhas.analytics.repeats import RepeatBook
from lukhas.analytics.rolling import rolled_blocks, route_rows
from lukhas.analytics.series_book import SeriesBook
from lukhas.analytics.tables import BLOCKS, LEADERS, ROUTES, WRITER
from lukhas.clock import Clock
from lukhas.errors import StoreError
from lukhas.storage.sql import Database
from lukhas.telemetry.health import PartHealth
from lukhas.telemetry.series import HistoryDelta, SeriesFigures
from lukhas.units import SECOND_NS

__all__ = ("LEADER_MINUTES_S", "History", "among", "crowds")

LEADER_MINUTES_S = 6 * HOUR_S
"""For how long the busiest are kept minute by minute; after that by the hour."""

_NAMED_ROUTES = 500
_ROLLED_AT_ONCE = 4
"""How many rows of a level are made with one second; what is left goes with the next ones."""

_log = logging.getLogger("lukhas.history")


class History:
    """Writes the history; meant to be the only writer of its database.

    What reports bring waits in memory until the next second is written, in one transaction. Rows
    of a second are the source: minutes are made of them, hours of minutes, days of hours, each
    when it is over. So a process that ended at any moment goes on where the database is. Where
    another process has written meanwhile (one that is ending, while this one has begun), this one
    goes on where the database is as well: nothing is written twice, nothing is lost.

    A request counts for the second in which its report was written, one or two after it ended.

    Args:
        database: where it is kept.
        clock: the time.
        retention: for how long.
        most_series: how many series are told apart.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        retention: Retention | None = None,
        most_series: int = 20_000,
    ) -> None:
        self.database = database
        self.clock = clock
        self.retention = retention or Retention()
        self.book = SeriesBook(most=most_series)
        self.repeats = RepeatBook()
        self.done_s: dict[int, int] = {}
        self.overflowed = 0
        self.latest: tuple[int, HistoryDelta] = (0, HistoryDelta())
        self._most_series = most_series
        self._name = uuid.uuid4().hex
        self._waiting = HistoryDelta()
        self._crowd = Crowd()
        self._last_s = 0
        self._failure = ""
        self._turn = asyncio.Lock()

    def keep(self, delta: HistoryDelta, _now_ns: int = 0) -> None:
        """Takes in what a report brought; it waits in memory for the next second."""
        self._waiting.merge(delta)

    def part(self) -> PartHealth:
        """Whether it can be written."""
        if self._failure:
            return PartHealth(
                "history", "degraded", f"not written, kept in memory: {self._failure}"
            )
        return PartHealth("history", "ok")

    @asynccontextmanager
    async def running(self) -> AsyncIterator["History"]:
        """Writes once a second inside the block, and once more at its end."""
        await self.load()
        writing = asyncio.create_task(self._run())
        try:
            yield self
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            await self.flush()
            # Once more: repeats of the last second are written with the one after it.
            await self.flush()

    async def load(self) -> None:
        """Goes on where the database is.

        Raises:
            StoreError: it cannot be read.
        """
        async with self.database.reading() as connection:
            await self._load(connection)

    async def _load(self, connection: AsyncConnection) -> None:
        book = SeriesBook(most=self._most_series)
        await book.load(connection)
        last_s = await _newest(connection, 1) or 0
        done_s: dict[int, int] = {}
        for finer, level in pairwise(LEVELS):
            newest = await _newest(connection, level)
            if newest is None:
                oldest = await _oldest(connection, finer, 0)
                done_s[level] = floored(oldest or 0, level)
            else:
                done_s[level] = newest + level
        last_s = max(last_s, max(done_s.values()) - 1)
        self._crowd = await _crowd_at(connection, floored(last_s, MINUTE_S))
        await self.repeats.load(connection, self.clock.now_ns() // SECOND_NS)
        self.book, self.done_s, self._last_s = book, done_s, last_s

    async def _take_turn(self, connection: AsyncConnection) -> bool:
        """Locks the history for this transaction; whether somebody else wrote since the last."""
        last = await connection.execute(sa.select(WRITER.c.writer).with_for_update())
        if last.scalar() == self._name:
            return False
        await self._load(connection)
        await connection.execute(sa.update(WRITER).values(writer=self._name))
        return True

    async def flush(self) -> bool:
        """Writes what waits as the present second; a failure is logged and tried again.

        Returns:
            Whether it is written.
        """
        async with self._turn:
            delta, self._waiting = self._waiting, HistoryDelta()
            time_s = max(self.clock.now_ns() // SECOND_NS, self._last_s + 1)
            try:
                time_s = await self._write(time_s, delta)
            except StoreError as error:
                delta.merge(self._waiting)
                self._waiting = delta
                if not self._failure:
                    _log.warning("the history cannot be written, it is kept in memory: %s", error)
                self._failure = str(error)
                return False
        self._failure = ""
        self.latest = (time_s, delta)
        return True

    async def write(self, time_s: int, delta: HistoryDelta) -> None:
        """Writes a second, later than all before it. For data that is brought in from elsewhere.

        Raises:
            StoreError: it cannot be written; nothing is.
        """
        async with self._turn:
            await self._write(time_s, delta)

    async def _run(self) -> None:
        while True:
            # To the next whole second, so that no second is left out by drifting.
            await asyncio.sleep(1 - self.clock.now_ns() % SECOND_NS / SECOND_NS)
            try:
                await self.flush()
            except Exception:  # noqa: BLE001 - the next second must be written all the same
                _log.exception("a second of the history is lost")

    async def _write(self, time_s: int, delta: HistoryDelta) -> int:
        """Writes a second, or a later one where others have written; gives which."""
        async with self.database.writing() as connection:
            is_shared = await self._take_turn(connection)
            if is_shared:
                time_s = max(time_s, self._last_s, *self.done_s.values())
            sums, overflowed = self._sums(delta)
            done_s = dict(self.done_s)
            minute_s = floored(time_s, MINUTE_S)
            crowd = self._crowd if minute_s == floored(self._last_s, MINUTE_S) else Crowd()
            await self.book.save(connection)
            for index in range(1, len(LEVELS)):
                await self._roll_up(connection, index, time_s, done_s)
            if sums:
                await _put_second(connection, time_s, sums, is_shared=is_shared)
                crowd = _joined(crowd, delta)
                await _put_crowd(connection, MINUTE_S, minute_s, crowd)
            await self.repeats.save(connection, time_s, keep_s=self.retention.hours_s)
        self.book.saved()
        self.repeats.saved(delta.repeats, time_s)
        self.overflowed += overflowed
        self.done_s, self._crowd, self._last_s = done_s, crowd, time_s
        return time_s

    def _sums(self, delta: HistoryDelta) -> tuple[dict[int, SeriesFigures], int]:
        """What was recorded, by number of the series, and how many requests lost theirs."""
        sums: dict[int, SeriesFigures] = {}
        overflowed = delta.overflowed
        for labels, figures in delta.series.items():
            kept = self.book.bounded(labels)
            if kept is not labels:
                overflowed += figures.latency.count
            sums.setdefault(self.book.number(kept), SeriesFigures()).merge(figures)
        return sums, overflowed

    async def _roll_up(
        self, connection: AsyncConnection, index: int, time_s: int, done_s: dict[int, int]
    ) -> None:
        """Makes rows of a level for each stretch that is over."""
        level, finer = LEVELS[index], LEVELS[index - 1]
        # Of minutes that are not made yet, nothing can be made.
        end_s = floored(min(time_s, done_s.get(finer, time_s)), level)
        if done_s[level] >= end_s:
            return
        for _ in range(_ROLLED_AT_ONCE):
            oldest = await _oldest(connection, finer, done_s[level])
            if oldest is None or floored(oldest, level) >= end_s:
                break
            start_s = floored(oldest, level)
            await self._roll_one(connection, level, finer, start_s)
            done_s[level] = start_s + level
        else:
            return
        done_s[level] = end_s
        await self._forget(connection, finer, time_s)
        if level in CROWD_LEVELS[1:]:
            await self._forget_crowds(connection, _finer_crowd(level), time_s)
        if level == LEVELS[-1]:
            await self._forget(connection, level, time_s)
            await self._forget_crowds(connection, level, time_s)

    async def _roll_one(
        self, connection: AsyncConnection, level: int, finer: int, start_s: int
    ) -> None:
        within = (
            (BLOCKS.c.level == finer)
            & (BLOCKS.c.start_s >= start_s)
            & (BLOCKS.c.start_s < start_s + level)
        )
        blocks = (await connection.execute(sa.select(BLOCKS.c.content).where(within))).scalars()
        # Off the loop: an hour of many series takes a moment.
        sums = await asyncio.to_thread(rolled_blocks, blocks.all())
        content = await asyncio.to_thread(pack_block, sums)
        await connection.execute(sa.insert(BLOCKS), [_block(level, start_s, content)])
        routes = await asyncio.to_thread(route_rows, level, start_s, sums, self.book)
        await connection.execute(sa.insert(ROUTES), routes)
        if level in CROWD_LEVELS[1:]:
            crowd = Crowd()
            for part in await crowds(connection, _finer_crowd(level), start_s, start_s + level):
                crowd.merge(part)
            await _put_crowd(connection, level, start_s, crowd)

    async def _forget(self, connection: AsyncConnection, level: int, time_s: int) -> None:
        before_s = time_s - self.retention.kept_s(level)
        old = (BLOCKS.c.level == level) & (BLOCKS.c.start_s < before_s)
        await connection.execute(sa.delete(BLOCKS).where(old))
        old = (ROUTES.c.level == level) & (ROUTES.c.start_s < before_s)
        await connection.execute(sa.delete(ROUTES).where(old & among(self.book.every_route())))

    async def _forget_crowds(self, connection: AsyncConnection, level: int, time_s: int) -> None:
        kept_s = LEADER_MINUTES_S if level == MINUTE_S else self.retention.kept_s(level)
        old = (LEADERS.c.level == level) & (LEADERS.c.start_s < time_s - kept_s)
        await connection.execute(sa.delete(LEADERS).where(old))


def _finer_crowd(level: int) -> int:
    return CROWD_LEVELS[CROWD_LEVELS.index(level) - 1]


def _joined(crowd: Crowd, delta: HistoryDelta) -> Crowd:
    # A copy: the transaction may fail, and then it is joined again.
    joined = Crowd()
    joined.merge(crowd)
    joined.merge(delta)
    return joined


async def _newest(connection: AsyncConnection, level: int) -> int | None:
    newest = sa.select(sa.func.max(BLOCKS.c.start_s)).where(BLOCKS.c.level == level)
    found: int | None = (await connection.execute(newest)).scalar()
    return found


async def _oldest(connection: AsyncConnection, level: int, from_s: int) -> int | None:
    oldest = sa.select(sa.func.min(BLOCKS.c.start_s)).where(
        (BLOCKS.c.level == level) & (BLOCKS.c.start_s >= from_s)
    )
    found: int | None = (await connection.execute(oldest)).scalar()
    return found


async def crowds(connection: AsyncConnection, level: int, from_s: int, to_s: int) -> list[Crowd]:
    """Who called, by stretch of one level."""
    within = (LEADERS.c.level == level) & (LEADERS.c.start_s >= from_s) & (LEADERS.c.start_s < to_s)
    rows = await connection.execute(sa.select(LEADERS.c.content).where(within))
    return [unpacked_crowd(content) for (content,) in rows]


async def _crowd_at(connection: AsyncConnection, start_s: int) -> Crowd:
    found = await crowds(connection, MINUTE_S, start_s, start_s + 1)
    return found[0] if found else Crowd()


def among(routes: Sequence[int]) -> sa.ColumnElement[bool]:
    """Rows of some routes. The key goes by route, so each is found at once; too many are not."""
    return ROUTES.c.route_id.in_(routes) if len(routes) <= _NAMED_ROUTES else sa.true()


def _block(level: int, start_s: int, content: bytes) -> dict[str, object]:
    return {"level": level, "start_s": start_s, "content": content}


async def _put_second(
    connection: AsyncConnection,
    time_s: int,
    sums: dict[int, SeriesFigures],
    *,
    is_shared: bool,
) -> None:
    """Writes what came in a second, together with what another process has written of it."""
    if is_shared:
        here = (BLOCKS.c.level == 1) & (BLOCKS.c.start_s == time_s)
        found = (await connection.execute(sa.select(BLOCKS.c.content).where(here))).scalars().all()
        if found:
            for number, figures in rolled_blocks(found).items():
                sums.setdefault(number, SeriesFigures()).merge(figures)
            await connection.execute(sa.delete(BLOCKS).where(here))
    await connection.execute(sa.insert(BLOCKS), [_block(1, time_s, pack_block(sums))])


async def _put_crowd(connection: AsyncConnection, level: int, start_s: int, crowd: Crowd) -> None:
    here = (LEADERS.c.level == level) & (LEADERS.c.start_s == start_s)
    await connection.execute(sa.delete(LEADERS).where(here))
    row = {"level": level, "start_s": start_s, "content": packed_crowd(crowd)}
    await connection.execute(sa.insert(LEADERS), [row])
