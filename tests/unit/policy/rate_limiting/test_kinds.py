"""The kinds of limits beside the ring, step by step; their rules at large are property tests."""

from zoneinfo import ZoneInfo

import pytest

from lukhas.policy.rate_limiting.calendar_quota import CalendarQuota
from lukhas.policy.rate_limiting.concurrency import Concurrency
from lukhas.policy.rate_limiting.counting import counting_of
from lukhas.policy.rate_limiting.exact_log import ExactLog
from lukhas.policy.rate_limiting.gcra import Gcra
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.limits import Kind
from lukhas.policy.rate_limiting.strict_ring import StrictRing
from lukhas.units import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS

S = SECOND_NS
T0 = 20_250 * DAY_NS  # Wednesday, the 11th of June 2025, 00:00 UTC


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("5/minute", StrictRing),
        ("5/minute exact", ExactLog),
        ("5/minute burst 2", Gcra),
        ("5/month", CalendarQuota),
        ("5 concurrent", Concurrency),
    ],
)
def test_each_kind_has_its_counting(text: str, kind: type) -> None:
    """Over the limits as given, in their order."""
    limits = parse_limits(text, policy="p")
    counting = counting_of(limits[0].kind, limits)
    assert type(counting) is kind
    assert counting.limits == limits
    assert counting.kind is limits[0].kind


def test_an_exact_log_gives_back_one_by_one() -> None:
    """To the microsecond: what came a window ago has left."""
    log = ExactLog(parse_limits("2/10s exact; 3/minute exact", policy="p"))
    state = log.new_state(T0)
    assert log.expires_ns(state) == 0
    assert log.take(state, T0, 1) is not None
    assert log.take(state, T0 + 4 * S, 1) is not None
    assert log.figures(state, T0 + 4 * S) == (0, 6, 1, 56)
    assert log.take(state, T0 + 10 * S - 1, 1) is None
    assert log.violated(state, T0 + 10 * S - 1, 1) == (0,)
    assert log.fits_at_ns(state, T0 + 9 * S, 0, 1) == T0 + 10 * S
    assert log.fits_at_ns(state, T0 + 9 * S, 0, 2) == T0 + 14 * S
    assert log.fits_at_ns(state, T0 + 9 * S, 0, 3) is None
    assert log.fits_at_ns(state, T0 + 9 * S, 1, 1) == T0 + 9 * S
    assert log.take(state, T0 + 10 * S, 1) is not None
    assert log.violated(state, T0 + 15 * S, 1) == (1,)
    assert log.expires_ns(state) == T0 + 70 * S
    assert not log.is_idle(state, T0 + 70 * S - 1)
    assert log.is_idle(state, T0 + 70 * S)


def test_an_exact_log_rounds_up() -> None:
    """Within a microsecond a charge counts rather too long than too short."""
    log = ExactLog(parse_limits("1/s exact", policy="p"))
    state = log.new_state(T0)
    assert log.take(state, T0 + 1, 1) is not None
    assert log.take(state, T0 + S + 999, 1) is None
    assert log.take(state, T0 + S + 1000, 1) is not None


def test_what_left_the_log_makes_room_for_what_is_settled() -> None:
    """A correction counts in full where the log is full of what counts no more."""
    log = ExactLog(parse_limits("3/10s exact", policy="p"))
    state = log.new_state(T0)
    assert log.take(state, T0, 3) is not None
    log.settle(state, at_ns=T0, now_ns=T0 + 15 * S, change=2)
    assert log.used(state, T0 + 15 * S) == (2,)


def test_smoothing_lets_one_pass_after_the_other() -> None:
    """A burst, then one whenever the rate has paid one off."""
    gcra = Gcra(parse_limits("6/minute burst 3", policy="p"))
    state = gcra.new_state(T0)
    assert [gcra.take(state, T0, 1) is not None for _ in range(4)] == [True] * 3 + [False]
    assert gcra.figures(state, T0) == (0, 10)
    assert gcra.fits_at_ns(state, T0, 0, 1) == T0 + 10 * S
    assert gcra.fits_at_ns(state, T0, 0, 3) == T0 + 30 * S
    assert gcra.fits_at_ns(state, T0, 0, 4) is None
    assert gcra.take(state, T0 + 10 * S - 1000, 1) is None
    assert gcra.take(state, T0 + 10 * S, 1) is not None
    assert gcra.used(state, T0 + 10 * S) == (3,)
    assert gcra.expires_ns(state) == T0 + 40 * S
    assert not gcra.is_idle(state, T0 + 40 * S - 1)
    assert gcra.is_idle(state, T0 + 40 * S)
    assert gcra.figures(state, T0 + 40 * S) == (3, 0)


def test_what_was_paid_off_is_not_given_back() -> None:
    """Else waiting and a refund would together be worth more than either."""
    gcra = Gcra(parse_limits("6/minute burst 3", policy="p"))
    state = gcra.new_state(T0)
    assert gcra.take(state, T0, 3) is not None
    assert gcra.take(state, T0 + 20 * S, 2) is not None
    gcra.settle(state, at_ns=T0, now_ns=T0 + 20 * S, change=-3)
    assert gcra.used(state, T0 + 20 * S) == (2,)
    gcra.settle(state, at_ns=T0 + 20 * S, now_ns=T0 + 20 * S, change=-1)
    assert gcra.used(state, T0 + 20 * S) == (1,)


def test_a_quota_is_there_again_with_the_next_period() -> None:
    """By the calendar of its zone."""
    limits = parse_limits("2/calendar day; 5/month", policy="p", zone=ZoneInfo("Asia/Kathmandu"))
    quota = CalendarQuota(limits)
    midnight_ns = T0 + 18 * HOUR_NS + 15 * MINUTE_NS
    state = quota.new_state(T0)
    assert [quota.take(state, T0, 1) is not None for _ in range(3)] == [True, True, False]
    assert quota.figures(state, T0) == (0, 65_700, 3, 65_700 + 19 * 86_400)
    assert quota.violated(state, T0, 1) == (0,)
    assert quota.fits_at_ns(state, T0, 0, 2) == midnight_ns
    assert quota.fits_at_ns(state, T0, 0, 3) is None
    assert quota.take(state, midnight_ns - 1, 1) is None
    assert quota.take(state, midnight_ns, 2) is not None
    assert quota.used(state, midnight_ns) == (2, 4)
    assert quota.expires_ns(state) == midnight_ns + 19 * DAY_NS
    assert not quota.is_idle(state, midnight_ns + 19 * DAY_NS - 1)
    assert quota.is_idle(state, midnight_ns + 19 * DAY_NS)


def test_what_belongs_to_a_period_that_is_over_is_not_corrected() -> None:
    """The month still runs, the day does not."""
    quota = CalendarQuota(parse_limits("5/calendar day; 9/month", policy="p"))
    state = quota.new_state(T0)
    assert quota.take(state, T0, 3) is not None
    quota.settle(state, at_ns=T0, now_ns=T0 + DAY_NS, change=-2)
    assert quota.used(state, T0 + DAY_NS) == (0, 1)
    quota.settle(state, at_ns=T0 + DAY_NS, now_ns=T0 + DAY_NS, change=4)
    assert quota.used(state, T0 + DAY_NS) == (4, 5)
    quota.settle(state, at_ns=T0 + DAY_NS, now_ns=T0 + DAY_NS, change=2**60)
    assert quota.used(state, T0 + DAY_NS) == (2**53, 2**53)
    assert quota.figures(state, T0 + DAY_NS)[::2] == (0, 0)


def test_the_spans_of_a_moment() -> None:
    """For each limit its code, the period and the one after it."""
    quota = CalendarQuota(parse_limits("5/calendar day; 9/calendar week", policy="p"))
    day_us = DAY_NS // 1000
    (day_code, day, next_day), (week_code, week, next_week) = quota.spans(T0 // 1000 + 7)
    assert (day_code, week_code) == (1, 2)
    assert (day.start_us, day.end_us, next_day.start_us, next_day.end_us) == tuple(
        T0 // 1000 + number * day_us for number in (0, 1, 1, 2)
    )
    assert (week.start_us, week.end_us, next_week.start_us, next_week.end_us) == tuple(
        T0 // 1000 + number * day_us for number in (-2, 5, 5, 12)
    )


def test_who_does_not_say_goodbye_leaves_at_its_deadline() -> None:
    """The worker that held it may have died."""
    held = Concurrency(parse_limits("2 concurrent", policy="p"))
    state = held.new_state(T0)
    assert held.is_idle(state, T0)
    assert held.take(state, T0, 1) is not None
    assert held.take(state, T0 + S, 1) is not None
    assert held.take(state, T0 + 2 * S, 1) is None
    assert held.fits_at_ns(state, T0, 0, 1) == T0 + S
    assert held.fits_at_ns(state, T0, 0, 3) is None
    assert held.take(state, T0 + 300 * S, 1) is not None
    assert held.used(state, T0 + 300 * S) == (2,)
    assert not held.is_idle(state, T0 + 600 * S - 1)
    assert held.is_idle(state, T0 + 600 * S)


def test_more_is_never_added_to_what_is_in_flight() -> None:
    """A request is there or it is not."""
    held = Concurrency(parse_limits("2 concurrent", policy="p"))
    state = held.new_state(T0)
    held.take(state, T0, 1)
    held.settle(state, at_ns=T0, now_ns=T0, change=5)
    assert held.used(state, T0) == (1,)
    held.settle(state, at_ns=T0 + S, now_ns=T0 + S, change=-1)
    assert held.used(state, T0) == (1,)
    held.settle(state, at_ns=T0, now_ns=T0 + S, change=-1)
    assert held.used(state, T0) == (0,)


def test_a_ring_gives_back_into_the_bucket_it_was_charged_in() -> None:
    """As far as it is still there; the newest one too, in windows of any length."""
    ring = StrictRing(parse_limits("9/20s; 20/60s", policy="p"))
    state = ring.new_state(T0)
    ring.take(state, T0, 4)
    ring.take(state, T0 + S, 3)
    ring.fits(state, T0 + 2 * S, 1)
    # One bucket of the long window holds both: it is its newest still.
    ring.settle(state, at_ns=T0, now_ns=T0 + 2 * S, change=-3)
    assert ring.used(state, T0 + 2 * S) == (4, 4)
    ring.settle(state, at_ns=T0, now_ns=T0 + 2 * S, change=-3)
    assert ring.used(state, T0 + 2 * S) == (3, 1)
    assert ring.fits(state, T0 + 2 * S, 6)
    assert not ring.fits(state, T0 + 2 * S, 7)
    ring.settle(state, at_ns=T0, now_ns=T0 + 21 * S, change=-9)
    assert ring.used(state, T0 + 21 * S) == (3, 0)
    ring.settle(state, at_ns=T0 + S, now_ns=T0 + 80 * S, change=-9)
    assert ring.used(state, T0 + 80 * S) == (0, 0)


@pytest.mark.parametrize("cell_bytes", [2, 4])
def test_what_is_settled_never_overflows_a_ring(cell_bytes: int) -> None:
    """However much it is, and however often; it leaves again with its bucket."""
    quota = 5 if cell_bytes == 2 else 70_000
    ring = StrictRing(parse_limits(f"{quota}/20s", policy="p"))
    state = ring.new_state(T0)
    for second in range(30):
        ring.settle(state, at_ns=T0, now_ns=T0 + second * S, change=10**9)
    assert ring.used(state, T0)[0] > quota
    assert not ring.fits(state, T0 + 29 * S, 1)
    assert ring.figures(state, T0 + 29 * S)[0] == 0
    assert ring.take(state, T0 + 60 * S, quota) is not None


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\x01\x02",
        b"\x01\x02\x01\x00",
        b"\x01\x02\x00\x00",
        b"\x01\x02\x01\x00" + bytes(100),
        b"\x01\x02\x01\x00\x14\0\0\0\x05\0\0\0" + b"\xff" * 68,
        b"\x01\x02\x01\x00\x14\0\0\0\x05\0\0\0" + bytes(8) + b"\xff" * 60,
    ],
)
def test_a_ring_makes_garbage_anew(garbage: bytes) -> None:
    """Signatures that lie, and figures that no ring ever wrote."""
    ring = StrictRing(parse_limits("7/20s", policy="p"))
    assert ring.adopt(garbage, T0) == ring.new_state(T0)


@pytest.mark.parametrize("passed_s", [0, 1, 5, 20])
def test_a_ring_adopts_what_no_bucket_held_yet(passed_s: int) -> None:
    """Charges of the last moment are pending until their bucket ends; they count all the same."""
    ring = StrictRing(parse_limits("3/20s", policy="p"))
    state = ring.new_state(T0)
    assert ring.take(state, T0, 2) is not None
    raised = StrictRing(parse_limits("5/20s", policy="p"))
    now_ns = T0 + passed_s * S
    adopted = raised.adopt(state, now_ns)
    assert raised.used(adopted, now_ns) == (2,)
    raised.fits(adopted, T0 + 21 * S, 1)
    assert raised.used(adopted, T0 + 21 * S) == (0,)


def test_kinds_are_cheap_keys() -> None:
    """Members are singletons, and tables are kept by them."""
    assert {Kind.STRICT: 1}[Kind("strict")] == 1
