"""What will be asked for: each series with a band, and how long until a limit is reached."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from lukhas.analytics.history import History, among
from lukhas.analytics.levels import DAY_S, HOUR_S, MINUTE_S, floored
from lukhas.analytics.series_book import EVERYTHING
from lukhas.analytics.tables import ROUTES
from lukhas.policy.forecasting.cycles import Cycle
from lukhas.policy.forecasting.empty_steps import told_apart
from lukhas.policy.forecasting.forecasts import Forecast, forecast, reached
from lukhas.policy.insights.shared_limits import Ceiling
from lukhas.units import SECOND_NS

__all__ = ("LONGEST_HORIZON_S", "CapacitySeries", "PastSeries", "foreseen", "past_series")

LONGEST_HORIZON_S = 30 * DAY_S
"""How far ahead may be asked for."""

_LEARNT_S = 56 * DAY_S
_LOOKED_AHEAD_S = 90 * DAY_S
_SHOWN_STEPS = 14 * 24
_FINE_S = 300
_FINE_LEARNT_S = 2 * DAY_S
_FINE_AHEAD_S = 7 * DAY_S
# From so many days on an hour is a step; before that five minutes are.
_COARSE_FROM_S = 3 * DAY_S
_MOST_ROUTES = 10
_BUSY_HOURS = 6


@dataclass(frozen=True, slots=True)
class PastSeries:
    """Requests by step.

    Attributes:
        route: the template; None for all together.
        from_s: the first second of the first step.
        step_s: the length of a step.
        requests: in each.
        peak_factor: how many times as much as on average the busiest minute of a busy hour has.
    """

    route: str | None
    from_s: int
    step_s: int
    requests: tuple[int, ...]
    peak_factor: float


@dataclass(frozen=True, slots=True)
class CapacitySeries:
    """One series as it was and as it will be, in requests a second.

    Attributes:
        past: what is known of it.
        ceiling: the limit; None where there is none.
        forecast: None where too little is known.
        days_until_limit: until the busiest minute is expected to reach the limit; None if not
            within 90 days.
        days_until_limit_early: the same by the upper end of the band.
        shown_from: the first step of the past that is worth showing.
        ahead: how many steps were asked for.
    """

    past: PastSeries
    ceiling: Ceiling | None
    forecast: Forecast | None
    days_until_limit: float | None
    days_until_limit_early: float | None
    shown_from: int
    ahead: int


async def past_series(history: History, route: str | None) -> list[PastSeries]:
    """The requests of a route, or of everything and the ten busiest routes.

    Raises:
        StoreError: the database does not answer.
    """
    now_s = history.clock.now_ns() // SECOND_NS
    hours_to_s = min(history.done_s[HOUR_S], floored(now_s, HOUR_S))
    minutes_to_s = floored(min(history.done_s[MINUTE_S], now_s), _FINE_S)
    hours = await _counts(history, HOUR_S, hours_to_s - _LEARNT_S, hours_to_s)
    minutes = await _counts(history, MINUTE_S, minutes_to_s - _FINE_LEARNT_S, minutes_to_s)
    return await asyncio.to_thread(
        _chosen, history, hours, minutes, route=route, ends_s=(hours_to_s, minutes_to_s)
    )


_Counts = dict[int, dict[int, int]]


async def _counts(history: History, level: int, from_s: int, to_s: int) -> _Counts:
    """Requests by number of the route and begin of the row; without their durations."""
    columns = sa.select(ROUTES.c.start_s, ROUTES.c.route_id, ROUTES.c.requests)
    within = (ROUTES.c.level == level) & (ROUTES.c.start_s >= from_s) & (ROUTES.c.start_s < to_s)
    within &= among(history.book.every_route())
    found: _Counts = {}
    async with history.database.reading() as connection:
        for start_s, route_id, requests in await connection.execute(columns.where(within)):
            found.setdefault(route_id, {})[start_s] = requests
    return found


def _chosen(
    history: History,
    hours: _Counts,
    minutes: _Counts,
    *,
    route: str | None,
    ends_s: tuple[int, int],
) -> list[PastSeries]:
    known = hours.get(EVERYTHING, {})
    is_coarse = bool(known) and ends_s[0] - min(known) >= _COARSE_FROM_S
    rows, end_s, step_s = (hours, ends_s[0], HOUR_S) if is_coarse else (minutes, ends_s[1], _FINE_S)
    everything = rows.get(EVERYTHING)
    if not everything:
        return []
    from_s = floored(min(everything), step_s)
    if route is None:
        busiest = sorted(
            (number for number in rows if number != EVERYTHING),
            key=lambda number: (-sum(rows[number].values()), number),
        )
        numbers = [EVERYTHING, *busiest[:_MOST_ROUTES]]
    else:
        found = history.book.route_number(route)
        numbers = [] if found is None or found not in rows else [found]
    return [
        PastSeries(
            None if number == EVERYTHING else history.book.labels(number).route,
            from_s,
            step_s,
            _stepped(rows[number], from_s, end_s, step_s),
            _peak_factor(minutes.get(number, {})),
        )
        for number in numbers
    ]


def _stepped(rows: Mapping[int, int], from_s: int, to_s: int, step_s: int) -> tuple[int, ...]:
    requests = [0] * max(0, (to_s - from_s) // step_s)
    for start_s, number in rows.items():
        requests[(start_s - from_s) // step_s] += number
    return tuple(requests)


def _peak_factor(minutes: Mapping[int, int]) -> float:
    """The busiest minute over the mean minute, on average of the busiest hours there are."""
    by_hour: dict[int, list[int]] = {}
    for start_s, number in minutes.items():
        by_hour.setdefault(floored(start_s, HOUR_S), []).append(number)
    busiest = sorted(by_hour.values(), key=sum, reverse=True)[:_BUSY_HOURS]
    factors = [max(hour) * 60 / sum(hour) for hour in busiest if len(hour) >= 30]
    return sum(factors) / len(factors) if factors else 1.0


async def foreseen(
    past: Sequence[PastSeries], ceilings: Mapping[str | None, Ceiling], *, horizon_s: int
) -> list[CapacitySeries]:
    """Forecasts every series, in a thread.

    Args:
        past: see `past_series`.
        ceilings: by route; None for all together.
        horizon_s: how far ahead; at most 30 days, and 7 while there are fewer than three days of
            history.
    """
    return await asyncio.to_thread(
        lambda: [_foreseen(each, ceilings.get(each.route), horizon_s) for each in past]
    )


def _foreseen(past: PastSeries, ceiling: Ceiling | None, horizon_s: int) -> CapacitySeries:
    is_coarse = past.step_s == HOUR_S
    longest_s = LONGEST_HORIZON_S if is_coarse else _FINE_AHEAD_S
    ahead = max(1, min(horizon_s, longest_s) // past.step_s)
    looked = max(ahead, (_LOOKED_AHEAD_S if is_coarse else _FINE_AHEAD_S) // past.step_s)
    cycle = Cycle(DAY_S // past.step_s)
    values = [
        None if number is None else number / past.step_s
        for number in told_apart(past.requests, cycle.day)
    ]
    # The choice of a model is about what is asked for, and the limit may lie far beyond that.
    found = forecast(values, cycle, looked, tried_steps=ahead)
    early = expected = None
    if found is not None and ceiling is not None:
        limit = ceiling.per_s / past.peak_factor
        expected, early = reached(found.expected, limit), reached(found.high, limit)
    a_step = past.step_s / DAY_S
    return CapacitySeries(
        past,
        ceiling,
        found,
        None if expected is None else expected * a_step,
        None if early is None else early * a_step,
        max(0, len(past.requests) - _SHOWN_STEPS),
        ahead,
    )
