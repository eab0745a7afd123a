"""Answers from the history."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import sqlalchemy as sa
import zstandard
from sqlalchemy.ext.asyncio import AsyncConnection

from lukhas.analytics.block_sums import BlockSums, Grouping
from lukhas.analytics.crowds import Crowd
from lukhas.analytics.figures import Figures
from lukhas.analytics.history import LEADER_MINUTES_S, History, among, crowds
from lukhas.analytics.levels import (
    CROWD_LEVELS,
    HOUR_S,
    LEVELS,
    MINUTE_S,
    Piece,
    ceiled,
    cover,
    floored,
)
from lukhas.analytics.questions import Answer, AnswerGroup, Question
from lukhas.analytics.series_book import EVERYTHING, SeriesBook
from lukhas.analytics.tables import BLOCKS, ROUTES
from lukhas.units import SECOND_NS

__all__ = ("HistoryReader",)

_Sums = dict[tuple[str, ...], dict[int, Figures]]


class HistoryReader:
    """Answers questions, from the coarsest rows that fit.

    Args:
        history: what is asked.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._blocks = BlockSums()

    async def ask(self, question: Question) -> Answer:
        """The figures of a window.

        Where seconds or minutes of it are no longer kept, it is widened to whole minutes or hours,
        and so are the steps.

        Raises:
            StoreError: the database does not answer.
        """
        history = self._history
        now_s = history.clock.now_ns() // SECOND_NS
        from_s, to_s, step_s = self._window(question, now_s)
        levels = tuple(
            level
            for level in reversed(LEVELS)
            if (question.step_s is None or step_s % level == 0)
            and level >= history.retention.grain(from_s, now_s)
        )
        # The tail is not rolled up yet, so rows of seconds are always among them.
        levels = levels if 1 in levels else (*levels, *_finer(levels[-1]))
        pieces = list(cover(from_s, to_s, done_s=dict(history.done_s), levels=levels))
        by_route = set(question.group_by) | set(question.only) <= {"route"}
        sums: _Sums = {}
        async with history.database.reading() as connection:
            for piece in pieces:
                read = _route_rows if by_route and piece.level > 1 else _block_rows
                rows = await read(connection, history.book, question, piece)
                add = _add_routes if by_route and piece.level > 1 else self._add_blocks
                await asyncio.to_thread(
                    add, sums, rows, history.book, question, _stepped(from_s, step_s)
                )
        return Answer(from_s, to_s, step_s, _groups(sums))

    async def crowd(self, from_s: int, to_s: int) -> tuple[int, int, Crowd]:
        """Who called in a window, widened to whole minutes, or hours where it is long ago.

        Returns:
            The window, and who called.

        Raises:
            StoreError: the database does not answer.
        """
        now_s = self._history.clock.now_ns() // SECOND_NS
        grain = MINUTE_S if from_s >= now_s - LEADER_MINUTES_S else HOUR_S
        grain = max(grain, self._history.retention.grain(from_s, now_s))
        from_s, to_s = floored(from_s, grain), ceiled(to_s, MINUTE_S)
        together = Crowd()
        levels = tuple(reversed(CROWD_LEVELS))
        done_s = dict(self._history.done_s)
        async with self._history.database.reading() as connection:
            for piece in cover(from_s, to_s, done_s=done_s, levels=levels):
                for part in await crowds(connection, piece.level, piece.from_s, piece.to_s):
                    together.merge(part)
        return from_s, to_s, together

    def _add_blocks(
        self,
        sums: _Sums,
        rows: Iterable[Any],
        book: SeriesBook,
        question: Question,
        stepped: Callable[[int], int],
    ) -> None:
        grouping = Grouping(book, question)
        for level, start_s, content in rows:
            step_s = stepped(start_s)
            for group, figures in self._blocks.of(level, start_s, content, grouping).items():
                _figures(sums, group, step_s).merge(figures)

    def _window(self, question: Question, now_s: int) -> tuple[int, int, int]:
        grain = self._history.retention.grain(question.from_s, now_s)
        if question.step_s is None:
            from_s, to_s = floored(question.from_s, grain), ceiled(question.to_s, grain)
            return from_s, to_s, max(to_s - from_s, 1)
        step_s = ceiled(question.step_s, grain)
        return floored(question.from_s, step_s), ceiled(question.to_s, step_s), step_s


def _finer(level: int) -> tuple[int, ...]:
    return tuple(each for each in reversed(LEVELS) if each < level)


def _stepped(from_s: int, step_s: int) -> Callable[[int], int]:
    return lambda start_s: from_s + (start_s - from_s) // step_s * step_s


async def _block_rows(
    connection: AsyncConnection, _book: SeriesBook, _question: Question, piece: Piece
) -> Sequence[Any]:
    columns = sa.select(BLOCKS.c.level, BLOCKS.c.start_s, BLOCKS.c.content)
    return (await connection.execute(columns.where(_within(BLOCKS, piece)))).all()


async def _route_rows(
    connection: AsyncConnection, book: SeriesBook, question: Question, piece: Piece
) -> Sequence[Any]:
    wanted = _wanted_routes(book, question)
    within = _within(ROUTES, piece) & among(wanted)
    if question.group_by:
        within &= ROUTES.c.route_id != EVERYTHING
    columns = sa.select(
        ROUTES.c.start_s, ROUTES.c.route_id, ROUTES.c.requests, ROUTES.c.errors, ROUTES.c.limited,
        ROUTES.c.hits, ROUTES.c.misses, ROUTES.c.bytes_out, ROUTES.c.latency,
    )  # fmt: skip
    return (await connection.execute(columns.where(within))).all()


def _within(table: sa.Table, piece: Piece) -> sa.ColumnElement[bool]:
    start_s = table.c.start_s
    return sa.and_(table.c.level == piece.level, start_s >= piece.from_s, start_s < piece.to_s)


def _wanted_routes(book: SeriesBook, question: Question) -> list[int]:
    """Numbers of routes to read."""
    if "route" in question.only:
        numbers = (book.route_number(route) for route in question.only["route"])
        return [number for number in numbers if number is not None]
    return book.every_route() if question.group_by else [EVERYTHING]


def _add_routes(
    sums: _Sums,
    rows: Iterable[Any],
    book: SeriesBook,
    question: Question,
    stepped: Callable[[int], int],
) -> None:
    decompressor = zstandard.ZstdDecompressor()
    for start_s, number, requests, errors, limited, hits, misses, bytes_out, latency in rows:
        if number != EVERYTHING and not book.knows(number):
            continue
        group = (book.labels(number).route,) if question.group_by else ()
        figures = _figures(sums, group, stepped(start_s))
        figures.requests += requests
        figures.errors += errors
        figures.limited += limited
        figures.hits += hits
        figures.misses += misses
        figures.bytes_out += bytes_out
        figures.add_packed(latency, decompressor)


def _figures(sums: _Sums, group: tuple[str, ...], start_s: int) -> Figures:
    steps = sums.setdefault(group, {})
    figures = steps.get(start_s)
    if figures is None:
        figures = steps[start_s] = Figures()
    return figures


def _groups(sums: _Sums) -> list[AnswerGroup]:
    groups = []
    for labels, steps in sums.items():
        if len(steps) == 1:
            (total,) = steps.values()
        else:
            total = Figures()
            for figures in steps.values():
                total.merge(figures)
        groups.append(AnswerGroup(labels, total, dict(sorted(steps.items()))))
    groups.sort(key=lambda group: (-group.total.requests, group.labels))
    return groups
