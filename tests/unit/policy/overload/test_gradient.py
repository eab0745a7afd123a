"""The limit that follows latency."""

from dataclasses import replace

import pytest

from lukhas.policy.overload.gradient import (
    AdaptiveLimit,
    Gradient,
    GradientSettings,
    next_gradient,
    typical_ns,
)
from lukhas.units import MILLISECOND_NS, SECOND_NS

MS = MILLISECOND_NS
NOW_NS = 1_000 * SECOND_NS
SETTINGS = GradientSettings(
    min_limit=4, max_limit=100, initial_limit=20, slack_ns=0, window_samples=10
)
KNOWN = Gradient(20_000, 10 * MS, NOW_NS - SECOND_NS, 5, 10 * MS)


def after(
    latency_ms: float,
    *,
    peak: int,
    drops: int = 0,
    known: Gradient = KNOWN,
    settings: GradientSettings = SETTINGS,
) -> Gradient:
    return next_gradient(settings, known, ([round(latency_ms * MS)] * 10, drops, peak), NOW_NS)


def test_the_slowest_tenth_says_nothing_about_the_typical_latency() -> None:
    """One answer in ten may take for ever; a single one counts as it is."""
    assert typical_ns([5] * 9 + [10_000]) == 5
    assert typical_ns([7]) == 7
    assert typical_ns([0]) == 1


def test_the_limit_grows_while_latency_stays_at_the_baseline() -> None:
    """A used limit with no queue behind it is too low."""
    assert after(10, peak=20).limit_milli > KNOWN.limit_milli


def test_the_limit_does_not_grow_unless_it_is_used() -> None:
    """Less than half of it in flight says nothing about more."""
    assert after(10, peak=9).limit_milli == KNOWN.limit_milli
    assert after(30, peak=9).limit_milli == KNOWN.limit_milli


def test_the_limit_falls_when_answers_become_slow() -> None:
    """More than the tolerated latency is a queue, and the longer the more it falls."""
    slow, slower = after(40, peak=20), after(80, peak=20)
    assert slow.limit_milli < KNOWN.limit_milli
    assert slower.limit_milli <= slow.limit_milli
    assert slow.latency_ns == 40 * MS


def test_what_is_within_the_slack_is_no_overload() -> None:
    """A few milliseconds more are fine, however fast the upstream is without load."""
    settings = replace(SETTINGS, slack_ns=30 * MS)
    assert after(40, peak=20, settings=settings).limit_milli > KNOWN.limit_milli


def test_the_limit_keeps_its_bounds() -> None:
    """It ends at the bounds, from either side."""
    low = high = KNOWN
    for _ in range(200):
        low = replace(low, baseline_at_ns=NOW_NS, baseline_in_flight=0, floored=0)
        low = after(1000, peak=20, known=low)
        high = after(10, peak=100, known=high)
    assert low.limit_milli == 4_000
    assert high.limit_milli == 100_000


@pytest.mark.parametrize(("drops", "left_milli"), [(10, 15_000), (1, 19_090), (90, 11_000)])
def test_failures_shrink_the_limit_by_half_their_share(drops: int, left_milli: int) -> None:
    """All failing would halve it; latency has no say in such a window."""
    assert after(1, peak=20, drops=drops).limit_milli == left_milli
    assert after(1, peak=1, drops=drops).limit_milli == left_milli


def test_a_few_failures_are_no_overload() -> None:
    """An API may answer one request in twenty with 503 for reasons of its own."""
    fine = [10 * MS] * 38
    few = next_gradient(SETTINGS, KNOWN, (fine, 2, 20), NOW_NS)
    assert few.limit_milli > KNOWN.limit_milli
    many = next_gradient(SETTINGS, KNOWN, (fine, 3, 20), NOW_NS)
    assert many.limit_milli < KNOWN.limit_milli


def test_failures_do_not_shrink_the_limit_below_its_minimum() -> None:
    """The least limit holds for them too."""
    known = replace(KNOWN, limit_milli=4_100)
    assert after(1, peak=4, drops=90, known=known).limit_milli == 4_000


def test_a_quiet_upstream_that_became_slower_is_believed_slowly() -> None:
    """With a quarter of the limit in flight there is no queue: the work itself takes longer."""
    known = after(18, peak=5)
    assert known.baseline_ns == 11 * MS
    assert (known.baseline_at_ns, known.baseline_in_flight) == (NOW_NS, 5)
    assert after(18, peak=6).baseline_ns == 10 * MS


def test_a_lower_latency_is_a_new_baseline_at_any_load() -> None:
    """Nothing is faster than without a queue; half the way at once."""
    known = after(6, peak=20)
    assert (known.baseline_ns, known.baseline_at_ns) == (8 * MS, NOW_NS)
    assert known.baseline_in_flight == 5


@pytest.mark.parametrize(("peak", "probing"), [(10, False), (11, True)])
def test_a_first_baseline_under_load_is_measured_anew_at_once(peak: int, probing: bool) -> None:
    """It may contain a queue if it was measured with more than half the limit in flight."""
    first = after(10, peak=peak, known=Gradient(20_000))
    assert (first.baseline_ns, first.baseline_in_flight) == (10 * MS, peak)
    assert first.probing is probing


@pytest.mark.parametrize(("limit_milli", "probing"), [(10_000, False), (9_900, True)])
def test_a_limit_that_falls_far_casts_doubt_on_its_baseline(
    limit_milli: int, probing: bool
) -> None:
    """What was measured with five in flight is no latency without load if only nine may be."""
    known = replace(KNOWN, limit_milli=limit_milli)
    assert after(30, peak=10, known=known).probing is probing
    least = replace(known, baseline_in_flight=4)
    assert not after(30, peak=10, known=replace(least, limit_milli=5_000)).probing


def test_at_the_least_limit_what_it_takes_is_believed() -> None:
    """Work that became slower by itself must not keep the limit at its minimum for ever."""
    known = replace(KNOWN, limit_milli=4_000, baseline_in_flight=0)
    for number in range(1, 6):
        known = after(100, peak=4, known=known)
        assert (known.floored, known.baseline_ns) == (number, 10 * MS)
    known = after(100, peak=4, known=known)
    assert known == Gradient(4_000, 100 * MS, NOW_NS, 4, 100 * MS)
    assert after(100, peak=4, known=known).limit_milli > 4_000


def test_one_good_window_ends_the_count_at_the_least_limit() -> None:
    """Only windows in a row count; and without probes nothing is measured anew."""
    known = replace(KNOWN, limit_milli=4_000, floored=5)
    assert after(10, peak=4, known=known).floored == 0
    never = replace(SETTINGS, probe_interval_ns=0)
    found = after(100, peak=4, known=known, settings=never)
    assert (found.floored, found.baseline_ns, found.limit_milli) == (0, 10 * MS, 4_000)


def test_an_old_baseline_is_measured_anew() -> None:
    """With load all the time, the limit is lowered to a quarter for a moment, and comes back."""
    old = replace(KNOWN, baseline_at_ns=NOW_NS - SETTINGS.probe_interval_ns)
    probing = after(30, peak=20, known=old)
    assert probing.probing
    assert (probing.limit(SETTINGS), probing.limit_milli) == (5, 20_000)
    done = after(12, peak=5, known=probing)
    assert done == Gradient(20_000, 12 * MS, NOW_NS, 5, 12 * MS)
    assert done.limit(SETTINGS) == 20


def test_a_probe_without_answers_changes_nothing() -> None:
    """It is tried again an interval later."""
    probing = replace(KNOWN, probing=True)
    known = next_gradient(SETTINGS, probing, ([], 0, 5), NOW_NS)
    assert known == replace(KNOWN, baseline_at_ns=NOW_NS)


@pytest.mark.parametrize(
    ("settings", "limit_milli"),
    [(replace(SETTINGS, probe_interval_ns=0), 20_000), (SETTINGS, 4_000)],
)
def test_there_is_no_probe_without_need(settings: GradientSettings, limit_milli: int) -> None:
    """Not if it is switched off, and not where the limit cannot be lowered."""
    old = Gradient(limit_milli, 10 * MS, 0, 9, 10 * MS)
    assert not after(30, peak=20, known=old, settings=settings).probing


def fed(limit: AdaptiveLimit, latency_ms: int, *, now_ns: int, in_flight: int, count: int) -> int:
    """So many answers, 10 ms apart."""
    for _ in range(count):
        now_ns += 10 * MS
        limit.answered(now_ns - latency_ms * MS, now_ns, in_flight)
    return now_ns


def test_a_window_closes_when_it_is_long_and_full_enough() -> None:
    """Ten answers within 100 ms and no less; before that nothing moves."""
    limit = AdaptiveLimit(SETTINGS)
    now_ns = fed(limit, 10, now_ns=NOW_NS, in_flight=4, count=10)
    assert limit.known == Gradient(20_000)
    now_ns = fed(limit, 10, now_ns=now_ns, in_flight=4, count=1)
    assert limit.known.baseline_ns == 10 * MS
    assert limit.limit == 20
    for _ in range(9):
        limit.answered(now_ns + SECOND_NS - 10 * MS, now_ns + SECOND_NS, 20)
    assert limit.limit == 20
    limit.answered(now_ns + SECOND_NS - 10 * MS, now_ns + SECOND_NS, 12)
    assert limit.limit > 20


def test_failures_fill_a_window_too() -> None:
    """An upstream that answers nothing at all is found out."""
    limit = AdaptiveLimit(SETTINGS)
    for number in range(12):
        limit.dropped(NOW_NS + number * 20 * MS, 20)
    assert limit.limit == 10


def probing(settings: GradientSettings = SETTINGS) -> tuple[AdaptiveLimit, int]:
    """A limit that has just begun to measure its baseline anew."""
    limit = AdaptiveLimit(settings)
    now_ns = fed(limit, 30, now_ns=NOW_NS, in_flight=20, count=11)
    assert limit.known.probing
    assert limit.limit == 5
    return limit, now_ns


def test_a_probe_counts_only_what_began_after_the_queue_had_drained() -> None:
    """What waited in the queue before would spoil the measurement."""
    limit, now_ns = probing()
    now_ns = fed(limit, 30, now_ns=now_ns, in_flight=12, count=8)
    drained_ns = fed(limit, 30, now_ns=now_ns, in_flight=5, count=1)
    fed(limit, 50, now_ns=drained_ns, in_flight=5, count=4)
    assert limit.known.probing
    now_ns = fed(limit, 10, now_ns=drained_ns + SECOND_NS // 2, in_flight=5, count=4)
    assert limit.known.probing
    fed(limit, 10, now_ns=now_ns, in_flight=5, count=1)
    assert limit.known.baseline_ns == 10 * MS
    assert limit.limit == 20


def test_a_probe_that_cannot_drain_the_queue_is_given_up() -> None:
    """Downloads may hold slots for hours: the limit comes back, and nothing is learnt."""
    limit, now_ns = probing()
    baseline_ns = limit.known.baseline_ns
    now_ns = fed(limit, 30, now_ns=now_ns, in_flight=18, count=99)
    assert limit.limit == 5
    fed(limit, 30, now_ns=now_ns, in_flight=18, count=1)
    assert (limit.limit, limit.known.baseline_ns) == (20, baseline_ns)


def test_failures_do_not_end_a_probe_before_its_time() -> None:
    """They say nothing about latency."""
    limit, now_ns = probing()
    for _ in range(20):
        limit.dropped(now_ns + 10 * MS, 3)
    assert limit.known.probing
