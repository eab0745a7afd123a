"""What will be asked for, from the rows of the history."""

import math

import pytest

from lukhas.analytics.insights.capacity import (
    LONGEST_HORIZON_S,
    CapacitySeries,
    PastSeries,
    foreseen,
    past_series,
)
from lukhas.policy.insights.shared_limits import Ceiling
from tests.unit.analytics.insights.kit import BEGIN_S, Filled, request

HOUR_S = 3600
DAY_S = 86_400


def growing(days: int) -> PastSeries:
    """Hours of 3600 requests in the middle of the first day, and 5 % of them more each day."""
    requests = tuple(
        round(3600 * (1 + 0.05 * (hour / 24)) * (1 + 0.5 * math.sin(hour % 24 / 24 * 6.28)))
        for hour in range(days * 24)
    )
    return PastSeries(None, BEGIN_S, HOUR_S, requests, 2.0)


async def one(past: PastSeries, per_s: float | None, *, horizon_s: int = DAY_S) -> CapacitySeries:
    ceilings = {} if per_s is None else {past.route: Ceiling(per_s, "given")}
    (found,) = await foreseen([past], ceilings, horizon_s=horizon_s)
    return found


async def test_days_until_a_limit_are_counted_by_the_busiest_minute() -> None:
    """Twice the average: a limit of 2 x is reached when the average reaches x."""
    past = growing(28)
    later = await one(past, 12.0)
    assert later.forecast is not None
    assert later.days_until_limit is not None
    at = round(later.days_until_limit * 24)
    # Beyond what was asked for it is looked at, and not shown.
    assert later.ahead == 24 < at
    assert later.forecast.expected[at] >= 6.0 > max(later.forecast.expected[:at])
    assert later.days_until_limit_early is not None
    assert later.days_until_limit_early <= later.days_until_limit
    assert (await one(past, 9.0)).days_until_limit == pytest.approx(
        min(step for step, value in enumerate(later.forecast.expected) if value >= 4.5) / 24
    )


async def test_a_limit_far_away_is_not_reached() -> None:
    """Within 90 days; nor is one that nobody knows."""
    far, none = await one(growing(28), 1e6), await one(growing(28), None)
    assert (far.days_until_limit, far.days_until_limit_early) == (None, None)
    assert (none.ceiling, none.days_until_limit) == (None, None)


async def test_a_horizon_is_bounded_and_the_past_that_is_shown_as_well() -> None:
    """30 days ahead, 14 back; of a short history 7 days ahead."""
    found = await one(growing(28), None, horizon_s=400 * DAY_S)
    assert (found.ahead, found.shown_from) == (LONGEST_HORIZON_S // HOUR_S, 14 * 24)
    short = PastSeries("/a", BEGIN_S, 300, (30,) * 20, 1.0)
    found = await one(short, None, horizon_s=400 * DAY_S)
    assert (found.ahead, found.shown_from) == (7 * 288, 0)
    assert found.forecast is not None
    assert found.forecast.expected[0] == 0.1


async def test_too_little_is_no_forecast() -> None:
    """Two steps."""
    found = await one(PastSeries(None, BEGIN_S, 300, (1, 2), 1.0), 5.0)
    assert (found.forecast, found.days_until_limit) == (None, None)


async def test_a_young_history_is_read_in_steps_of_five_minutes(store: Filled) -> None:
    """By route and together, the busiest first; the step that is not over is left out."""
    for minute in range(22):
        asked = [request("/a")] * 2 + [request("/b")] * (3 if minute < 10 else 0)
        await store.write(BEGIN_S + minute * 60, asked)
    both, first, second = await past_series(store.history, None)
    assert (both.route, both.from_s, both.step_s) == (None, BEGIN_S, 300)
    assert both.requests == (25, 25, 10, 10)
    assert (first.route, first.requests) == ("/a", (10, 10, 10, 10))
    assert (second.route, second.requests) == ("/b", (15, 15, 0, 0))
    assert await past_series(store.history, "/b") == [second]
    assert await past_series(store.history, "/nowhere") == []


async def test_an_older_history_is_read_in_hours(store: Filled) -> None:
    """From three days on; the busiest minute of busy hours tells how uneven they are."""
    for hour in range(0, 72, 12):
        await store.write(BEGIN_S + hour * HOUR_S, [request("/a")] * 10)
    for minute in range(30):
        asked = [request("/a")] * (60 if minute == 20 else 10)
        await store.write(BEGIN_S + 72 * HOUR_S + minute * 60, asked)
    await store.write(BEGIN_S + 73 * HOUR_S + 60, [request("/a")])
    (both, route) = await past_series(store.history, None)
    assert (both.step_s, len(both.requests), both.requests[:3]) == (HOUR_S, 73, (10, 0, 0))
    assert route.requests == both.requests
    # 60 in the busiest minute of an hour of 29 * 10 + 60 requests.
    assert both.peak_factor == pytest.approx(60 * 60 / 350)


async def test_nothing_is_no_series(store: Filled) -> None:
    """An empty history."""
    assert await past_series(store.history, None) == []
