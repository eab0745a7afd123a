"""Each kind against a model that is plainly right."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lukhas.policy.rate_limiting.calendar_quota import CalendarQuota
from lukhas.policy.rate_limiting.concurrency import Concurrency
from lukhas.policy.rate_limiting.exact_log import ExactLog
from lukhas.policy.rate_limiting.gcra import Gcra
from lukhas.policy.rate_limiting.limits import Kind, Limit
from lukhas.policy.rate_limiting.periods import Period, span_at
from lukhas.units import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS
from tests.property.rate_limiting.exact_log import NOW_NS, worst_window
from tests.property.rate_limiting.kinds import PERIODS, ZONES, arrivals, limit_sets

US_NS = 1000


@dataclass
class LogModel:
    """All that was admitted and has not left for good, by its time in microseconds."""

    limits: tuple[Limit, ...]
    admitted: list[tuple[int, int]] = field(default_factory=list)

    def used(self, limit: Limit, now_us: int) -> int:
        now_us = max([now_us, *(at_us for at_us, _cost in self.admitted)])
        since_us = now_us - limit.window_ns // US_NS
        return sum(cost for at_us, cost in self.admitted if at_us > since_us)

    def arrive(self, now_ns: int, cost: int) -> bool:
        now_us = now_ns // US_NS
        longest_us = max(limit.window_ns for limit in self.limits) // US_NS
        self.admitted = [one for one in self.admitted if one[0] > now_us - longest_us]
        if any(self.used(limit, now_us) + cost > limit.quota for limit in self.limits):
            return False
        last_us = max([at_us for at_us, _cost in self.admitted], default=0)
        self.admitted.append((max(-(-now_ns // US_NS), last_us), cost))
        return True


back_and_forth = st.lists(
    st.tuples(
        st.one_of(
            st.integers(0, 70 * SECOND_NS),
            st.sampled_from((0, 1, 999, 1000, SECOND_NS, 20 * SECOND_NS, 60 * SECOND_NS)),
            st.sampled_from((-1, -SECOND_NS, -HOUR_NS)),
        ),
        st.integers(1, 4),
    ),
    max_size=40,
)


@given(limit_sets(Kind.EXACT, most=6), back_and_forth)
def test_an_exact_log_is_exactly_the_model(
    limits: tuple[Limit, ...], arrivals: list[tuple[int, int]]
) -> None:
    """Decision by decision, count by count; and no window ever holds more than its quota."""
    log, model, now_ns = ExactLog(limits), LogModel(limits), NOW_NS
    state = log.new_state(now_ns)
    admitted = []
    for step_ns, cost in arrivals:
        now_ns += step_ns
        passed = log.take(state, now_ns, cost) is not None
        assert passed == model.arrive(now_ns, cost)
        if passed:
            admitted.append((model.admitted[-1][0] * US_NS, cost))
        assert log.used(state, now_ns) == tuple(
            [model.used(limit, now_ns // US_NS) for limit in limits]
        )
    if any(step_ns < 0 for step_ns, _cost in arrivals):
        return
    for limit in limits:
        # A window is half open: what came just one window ago counts no more.
        assert worst_window(admitted, limit.window_ns - 1) <= limit.quota


@given(limit_sets(Kind.EXACT, most=6), back_and_forth)
def test_a_log_is_never_longer_than_what_counts(
    limits: tuple[Limit, ...], arrivals: list[tuple[int, int]]
) -> None:
    """8 bytes for each unit that counts, and no more than the largest quota of them."""
    log, now_ns = ExactLog(limits), NOW_NS
    state = log.new_state(now_ns)
    for step_ns, cost in arrivals:
        # Whole microseconds, which is how a log tells time.
        now_ns += step_ns // US_NS * US_NS
        log.take(state, now_ns, cost)
        longest = max(range(len(limits)), key=lambda index: limits[index].window_ns)
        assert len(state) == 4 + 8 * log.used(state, now_ns)[longest]


@given(limit_sets(Kind.GCRA), arrivals)
def test_what_is_smoothed_keeps_to_burst_and_rate(
    limits: tuple[Limit, ...], arrivals: list[tuple[int, int]]
) -> None:
    """In any stretch of time T no more than burst + T * rate passes, by exact arithmetic."""
    gcra, now_ns = Gcra(limits), NOW_NS
    state = gcra.new_state(now_ns)
    admitted = []
    for step_ns, cost in arrivals:
        now_ns += step_ns
        if gcra.take(state, now_ns, cost) is not None:
            admitted.append((now_ns // US_NS * US_NS, cost))
    for limit in limits:
        rate = Fraction(limit.quota, limit.window_ns)
        for first, (from_ns, _cost) in enumerate(admitted):
            passed = 0
            for to_ns, cost in admitted[first:]:
                passed += cost
                assert passed <= limit.burst + (to_ns - from_ns) * rate


@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.lists(st.tuples(st.integers(0, 40 * MINUTE_NS // US_NS), st.integers(1, 4)), max_size=40),
)
def test_smoothing_admits_all_that_burst_and_rate_allow(
    quota: int, burst: int, arrivals: list[tuple[int, int]]
) -> None:
    """A bucket of the burst that leaks at the rate, in exact arithmetic, decides the same."""
    # 2520 s can be shared by any of these quotas without a rest.
    limit = Limit("l", quota, 2520 * SECOND_NS, Kind.GCRA, burst)
    gcra, now_ns = Gcra([limit]), NOW_NS
    state = gcra.new_state(now_ns)
    level, rate = Fraction(0), Fraction(quota, limit.window_ns)
    for step_us, cost in arrivals:
        now_ns += step_us * US_NS
        level = max(Fraction(0), level - step_us * US_NS * rate)
        fits = level + cost <= burst
        assert (gcra.take(state, now_ns, cost) is not None) == fits
        if fits:
            level += cost
        assert gcra.figures(state, now_ns)[0] == (burst - level) // 1


@given(st.integers(1, 100_000), st.integers(1, 3600), st.integers(1, 50))
def test_rounding_never_raises_the_rate(per_second: int, window_s: int, burst: int) -> None:
    """Over a long time of greed no more passes than the rate allows."""
    limit = Limit("l", per_second * window_s, window_s * SECOND_NS, Kind.GCRA, burst)
    gcra = Gcra([limit])
    state = gcra.new_state(NOW_NS)
    passed = 0
    for millisecond in range(60):
        now_ns = NOW_NS + millisecond * 1_000_000
        while gcra.take(state, now_ns, 1) is not None:
            passed += 1
            assert passed <= burst + millisecond * per_second / 1000 + 1e-9


def period_of(now_ns: int, period: Period, zone: tzinfo) -> tuple[int, ...]:
    """The calendar's own name of the period."""
    day = datetime.fromtimestamp(now_ns // SECOND_NS, UTC).astimezone(zone).date()
    match period:
        case Period.WEEK:
            return day.isocalendar()[:2]
        case Period.MONTH:
            return day.year, day.month
        case _:
            return day.year, day.month, day.day


calendar_steps = st.lists(
    st.tuples(
        st.one_of(
            st.integers(0, 3 * HOUR_NS),
            st.integers(0, 20 * DAY_NS),
            st.sampled_from((0, HOUR_NS, DAY_NS, 7 * DAY_NS)),
        ),
        st.integers(1, 3),
    ),
    max_size=30,
)


@given(limit_sets(Kind.QUOTA), st.integers(0, 3000 * DAY_NS), calendar_steps)
def test_a_quota_counts_by_the_calendar(
    limits: tuple[Limit, ...], start_ns: int, arrivals: list[tuple[int, int]]
) -> None:
    """In each day, week and month of its zone, as the calendar names them, and never above."""
    quota, now_ns = CalendarQuota(limits), NOW_NS - 1500 * DAY_NS + start_ns
    state = quota.new_state(now_ns)
    used: dict[tuple[str, tuple[int, ...]], int] = {}
    for step_ns, cost in arrivals:
        now_ns += step_ns
        keys = [(limit.name, period_of(now_ns, limit.period, limit.zone)) for limit in limits]
        fits = all(
            used.get(key, 0) + cost <= limit.quota for key, limit in zip(keys, limits, strict=True)
        )
        assert (quota.take(state, now_ns, cost) is not None) == fits
        for key in keys:
            used[key] = used.get(key, 0) + cost * fits
        assert quota.used(state, now_ns) == tuple([used[key] for key in keys])


@given(
    st.sampled_from((*ZONES, "America/St_Johns", "Pacific/Apia", "Africa/Cairo", "Asia/Gaza")),
    st.sampled_from(list(PERIODS)),
    st.integers(0, 60 * 365 * DAY_NS // US_NS),
)
def test_periods_follow_upon_each_other(zone: str, period: Period, at_us: int) -> None:
    """Every time lies in its period, and where one ends the next one begins."""
    span = span_at(at_us, period, ZoneInfo(zone))
    assert span.start_us <= at_us < span.end_us
    after = span_at(span.end_us, period, ZoneInfo(zone))
    assert after.start_us == span.end_us
    assert span_at(span.start_us, period, ZoneInfo(zone)) == span
    assert span_at(span.end_us - 1, period, ZoneInfo(zone)) == span


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize(
    ("zone", "year", "month"),
    [
        ("Europe/Berlin", 2026, 3),
        ("Europe/Berlin", 2026, 10),
        ("America/Sao_Paulo", 2018, 11),
        ("America/Sao_Paulo", 2019, 2),
        ("America/Havana", 2025, 11),
        ("America/St_Johns", 2010, 11),
        ("America/St_Johns", 2010, 3),
        ("Africa/Cairo", 2025, 4),
        ("Pacific/Apia", 2011, 12),
        ("America/Toronto", 1919, 3),
    ],
)
def test_clock_changes_leave_no_hole(period: Period, zone: str, year: int, month: int) -> None:
    """Through a month with a clock change: no time is in two periods or in none."""
    first = datetime(year, month, 1, tzinfo=UTC).timestamp()
    last_end = 0
    for quarter in range(-8, 33 * 96):
        at_us = int(first + quarter * 900 + 7) * 1_000_000
        span = span_at(at_us, period, ZoneInfo(zone))
        assert span.start_us <= at_us < span.end_us
        assert span.end_us >= last_end or not last_end
        last_end = span.end_us


@given(
    st.integers(1, 6),
    st.lists(
        st.tuples(
            st.one_of(st.integers(0, 30 * SECOND_NS), st.integers(0, 6 * MINUTE_NS)),
            st.integers(1, 3),
            st.one_of(st.none(), st.integers(0, 40)),
        ),
        max_size=40,
    ),
)
def test_never_more_in_flight_than_the_limit(
    most: int, happenings: list[tuple[int, int, int | None]]
) -> None:
    """Who came and has not left, nor passed its deadline, is in flight; nobody else is."""
    limit = Limit("l", most, 5 * MINUTE_NS, Kind.CONCURRENCY)
    counting, now_ns = Concurrency([limit]), NOW_NS
    state = counting.new_state(now_ns)
    flying: list[tuple[int, int]] = []
    for step_ns, cost, leaves in happenings:
        now_ns += step_ns
        flying = [
            (at_ns, count)
            for at_ns, count in flying
            if at_ns // US_NS * US_NS + 5 * MINUTE_NS > now_ns // US_NS * US_NS
        ]
        if leaves is not None and flying:
            at_ns, count = flying.pop(leaves % len(flying))
            counting.settle(state, at_ns=at_ns, now_ns=now_ns, change=-count)
        fits = sum(count for _at, count in flying) + cost <= most
        assert (counting.take(state, now_ns, cost) is not None) == fits
        if fits:
            flying.append((now_ns, cost))
        in_flight = sum(count for _at, count in flying)
        assert in_flight <= most
        assert counting.used(state, now_ns) == (in_flight,)
        assert counting.figures(state, now_ns) == (most - in_flight, 0)
