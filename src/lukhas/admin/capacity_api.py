"""Forecasts over the admin API: `GET /api/v1/capacity`."""

import math
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from lukhas.admin.history_api import unavailable
from lukhas.admin.insight_terms import shared_limits, worker_ceiling
from lukhas.admin.insights_api import InsightAccess
from lukhas.admin.kept_answers import KeptAnswers
from lukhas.admin.spans import asked_span_s
from lukhas.admin.state import AdminState
from lukhas.config.spans import SPAN_PATTERN
from lukhas.policy.insights.shared_limits import Ceiling, lowest_ceiling

if TYPE_CHECKING:
    from lukhas.analytics.insights.capacity import CapacitySeries

__all__ = ("CapacityAnswer", "ComingValue", "ForecastSeries", "PastValue", "capacity_router")

_HOUR_S = 3600
_LONGEST_S = 30 * 86_400
_FRESH_S = 300.0


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PastValue(_Shape):
    """What was asked for in one step."""

    at_s: int = Field(description="Unix time of its begin.")
    value: float = Field(description="Requests a second, on average.")


class ComingValue(_Shape):
    """What will be asked for in one step, in requests a second."""

    at_s: int
    low: float
    expected: float
    high: float = Field(description="Between low and this are four of five, by the back-test.")


class ForecastSeries(_Shape):
    """One series as it was and as it will be."""

    route: str = Field(description="The template; empty for all requests together.")
    model: str = Field(
        description="What the back-test chose; `none` while too little is known to forecast."
    )
    error_against_naive: float | None = Field(
        description="Its error in the back-test over that of 'as a day ago': never above 1. Null "
        "while there is too little to try it on."
    )
    limit: float | None = Field(description="Requests a second; null where none is known.")
    limit_source: str
    peak_factor: float = Field(
        description="How many times the average the busiest minute of a busy hour has."
    )
    days_until_limit: float | None = Field(
        description="Until that minute is expected to reach the limit; null: not within 90 days."
    )
    days_until_limit_early: float | None = Field(description="The same by `high`.")
    step_s: int
    history: list[PastValue]
    forecast: list[ComingValue]


class CapacityAnswer(_Shape):
    """All requests together first, then the busiest routes."""

    series: list[ForecastSeries]


def capacity_router(access: InsightAccess) -> APIRouter:
    """Forecasts."""
    router = APIRouter(prefix="/api/v1", tags=["insights"])
    kept: KeptAnswers[CapacityAnswer] = KeptAnswers(access.access.clock)

    @router.get("/capacity")
    async def capacity(
        request: Request,
        route: Annotated[
            str | None,
            Query(max_length=500, description="A template; all and the ten busiest if absent."),
        ] = None,
        horizon: Annotated[
            str, Query(pattern=SPAN_PATTERN, description="How far ahead: 1h to 30d, or seconds.")
        ] = "7d",
        limit: Annotated[
            float | None,
            Query(
                gt=0,
                le=1e9,
                allow_inf_nan=False,
                description="What can be served at most, in "
                "requests a second; by default what limits and workers allow.",
            ),
        ] = None,
    ) -> CapacityAnswer:
        """Requests to come, and days until a limit is reached. Kept for 5 minutes."""
        horizon_s = asked_span_s(horizon, what="horizon", least_s=_HOUR_S, most_s=_LONGEST_S)
        state: AdminState = request.app.state.admin
        return await kept.get(
            (route, horizon_s, limit),
            lambda: _foreseen(access, state, route, horizon_s, limit),
            fresh_s=_FRESH_S,
        )

    return router


async def _foreseen(
    access: InsightAccess, state: AdminState, route: str | None, horizon_s: int, limit: float | None
) -> CapacityAnswer:
    # Here and not above: it loads SQLAlchemy, which the first answer need not wait for.
    from lukhas.analytics.insights.capacity import foreseen, past_series

    with unavailable():
        past = await past_series(access.history(), route)
    # A limit that was given is one of what was asked for, and not of each route beside it.
    ceilings = {
        each.route: _ceiling(access, state, each.route, limit if each.route == route else None)
        for each in past
    }
    known = {route: found for route, found in ceilings.items() if found is not None}
    found = await foreseen(past, known, horizon_s=horizon_s)
    return CapacityAnswer(series=[_series(each) for each in found])


def _ceiling(
    access: InsightAccess, state: AdminState, route: str | None, limit: float | None
) -> Ceiling | None:
    if limit is not None:
        return Ceiling(limit, "given")
    workers = worker_ceiling(state, access.parent) if route is None else None
    others = (workers,) if workers is not None else ()
    return lowest_ceiling(route, shared_limits(access.settings), others)


def _series(found: "CapacitySeries") -> ForecastSeries:
    past, forecast = found.past, found.forecast
    end_s = past.from_s + len(past.requests) * past.step_s
    shown = enumerate(past.requests[found.shown_from :], found.shown_from)
    return ForecastSeries(
        route=past.route or "",
        model="none" if forecast is None else forecast.model,
        error_against_naive=None if forecast is None else forecast.error_against_naive(),
        limit=None if found.ceiling is None else found.ceiling.per_s,
        limit_source="" if found.ceiling is None else found.ceiling.source,
        peak_factor=past.peak_factor,
        days_until_limit=found.days_until_limit,
        days_until_limit_early=found.days_until_limit_early,
        step_s=past.step_s,
        history=[
            PastValue(at_s=past.from_s + at * past.step_s, value=_rounded(number / past.step_s))
            for at, number in shown
        ],
        forecast=[]
        if forecast is None
        else [
            ComingValue(
                at_s=end_s + step * past.step_s,
                low=_rounded(forecast.low[step]),
                expected=_rounded(forecast.expected[step]),
                high=_rounded(forecast.high[step]),
            )
            for step in range(found.ahead)
        ],
    )


def _rounded(value: float) -> float:
    """To five digits: what more there is only makes answers long."""
    return 0.0 if value == 0 else round(value, 4 - math.floor(math.log10(abs(value))))
