"""The history over the admin API: series and the busiest.

`GET /api/v1/history/series`, `/top` and `/callers`; see also `history_live` (`GET /api/live`) and
`history_export`. The shapes are the classes in
`lukhas.admin.history_figures`; windows are Unix seconds, `to` not included.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, HTTPException, Query

from lukhas.admin.history_access import HistoryAccess
from lukhas.admin.history_figures import (
    CallersAnswer,
    SeriesAnswer,
    TopAnswer,
    ranked_groups,
    ranked_leaders,
    series_answer,
)
from lukhas.analytics.questions import LABELS, Question, ReadsHistory
from lukhas.errors import StoreError
from lukhas.units import SECOND_NS

__all__ = ("Filters", "LabelName", "Window", "history_router", "opened_history", "unavailable")

_MOST_STEPS = 1500
_STEPS_S = (1, 5, 10, 30, 60, 300, 900, 3600, 6 * 3600, 86_400)

LabelName = Literal["route", "method", "status", "tier", "tenant", "upstream", "cache", "verdict"]
Values = Annotated[list[str] | None, Query(max_length=100)]
Seconds = Annotated[int | None, Query(ge=0, le=1 << 40)]


@dataclass(frozen=True, slots=True)
class Filters:
    """Only requests that have one of these values count; a filter may be given several times."""

    route: Values = None
    method: Values = None
    status: Values = None
    tier: Values = None
    tenant: Values = None
    upstream: Values = None
    cache: Values = None
    verdict: Values = None

    def only(self) -> dict[str, frozenset[str]]:
        """The filters that were given."""
        given = {name: getattr(self, name) for name in LABELS}
        return {name: frozenset(values) for name, values in given.items() if values}


class Window:
    """A window of time, `from` included and `to` not; by default the last hour.

    Args:
        from_s: Unix time.
        to_s: Unix time; now if None.
    """

    def __init__(
        self,
        from_s: Annotated[
            int | None, Query(alias="from", ge=0, le=1 << 40, description="Unix time, in seconds.")
        ] = None,
        to_s: Annotated[
            int | None, Query(alias="to", ge=0, le=1 << 40, description="Unix time; now if absent.")
        ] = None,
    ) -> None:
        self.from_s = from_s
        self.to_s = to_s

    def at(self, now_ns: int) -> tuple[int, int]:
        """Its two ends.

        Raises:
            HTTPException: it is empty.
        """
        to_s = self.to_s if self.to_s is not None else now_ns // SECOND_NS + 1
        from_s = self.from_s if self.from_s is not None else max(0, to_s - 3600)
        if from_s >= to_s:
            raise HTTPException(422, f"the window is empty: from {from_s} is not before to {to_s}")
        return from_s, to_s


def history_router(access: HistoryAccess) -> APIRouter:
    """The history."""
    router = APIRouter(tags=["history"])
    _add_series(router, access)
    _add_busiest(router, access)
    return router


def _add_series(router: APIRouter, access: HistoryAccess) -> None:
    Asked = Annotated[ReadsHistory, Depends(opened_history(access))]  # noqa: N806 - a type

    @router.get("/api/v1/history/series")
    async def series(  # noqa: PLR0917 - parameters of the address
        reader: Asked,
        window: Annotated[Window, Depends()],
        filters: Annotated[Filters, Depends()],
        step: Annotated[
            int | None, Query(ge=1, le=1 << 40, description="Seconds; fitting if absent.")
        ] = None,
        group: Annotated[list[LabelName] | None, Query(description="Labels to group by.")] = None,
        most: Annotated[int, Query(ge=1, le=1000, description="How many groups.")] = 50,
    ) -> SeriesAnswer:
        """Requests, errors, hit ratio, limited and quantiles over time."""
        from_s, to_s = window.at(access.clock.now_ns())
        question = Question(
            from_s=from_s,
            to_s=to_s,
            step_s=_step(to_s - from_s, step),
            group_by=tuple(dict.fromkeys(group or ())),
            only=filters.only(),
        )
        with unavailable():
            answer = await reader.ask(question)
        return await asyncio.to_thread(series_answer, answer, question.group_by, most)


def _add_busiest(router: APIRouter, access: HistoryAccess) -> None:
    Asked = Annotated[ReadsHistory, Depends(opened_history(access))]  # noqa: N806 - a type

    @router.get("/api/v1/history/top")
    async def top(
        reader: Asked,
        window: Annotated[Window, Depends()],
        filters: Annotated[Filters, Depends()],
        by: Annotated[Literal["consumer", "agent"] | LabelName, Query()] = "route",
        limit: Annotated[int, Query(ge=1, le=1000)] = 20,
    ) -> TopAnswer:
        """The busiest consumers, user agents, or values of a label. Filters are for labels."""
        from_s, to_s = window.at(access.clock.now_ns())
        only = filters.only()
        if by in {"consumer", "agent"}:
            if only:
                raise HTTPException(422, f"{by}s are not kept by {', '.join(only)}: leave it out")
            with unavailable():
                from_s, to_s, crowd = await reader.crowd(from_s, to_s)
            leaders = crowd.consumers if by == "consumer" else crowd.agents
            return ranked_leaders(leaders, by, window=(from_s, to_s), limit=limit)
        question = Question(from_s=from_s, to_s=to_s, group_by=(by,), only=only)
        with unavailable():
            return ranked_groups(await reader.ask(question), by, limit=limit)

    @router.get("/api/v1/history/callers")
    async def callers(reader: Asked, window: Annotated[Window, Depends()]) -> CallersAnswer:
        """How many different consumers called; a window of whole minutes."""
        with unavailable():
            from_s, to_s, crowd = await reader.crowd(*window.at(access.clock.now_ns()))
        unique = crowd.unique_consumers
        return CallersAnswer(
            from_s=from_s, to_s=to_s, unique=unique.count(), exact=not unique.registers
        )


def opened_history(access: HistoryAccess) -> Callable[[], ReadsHistory]:
    """Gives what reads the history, or answers 503 with the reason why there is none."""

    def opened() -> ReadsHistory:
        if access.reader is None:
            raise HTTPException(503, f"the history is not open: {access.failure}")
        return access.reader

    return opened


@contextlib.contextmanager
def unavailable() -> Iterator[None]:
    """Answers 503 with what is wrong with the database."""
    try:
        yield
    except StoreError as error:
        raise HTTPException(503, str(error)) from None


def _step(window_s: int, step_s: int | None) -> int:
    if step_s is None:
        fitting = (each for each in _STEPS_S if window_s / each <= 300)
        return next(fitting, _STEPS_S[-1])
    if window_s / step_s > _MOST_STEPS:
        least = -(-window_s // _MOST_STEPS)
        raise HTTPException(
            422,
            f"a step of {step_s} s makes too many values: use {least} s or more, or a shorter"
            " window",
        )
    return step_s
