"""Limits that change: what was counted under the old ones counts under the new."""

from hypothesis import given
from hypothesis import strategies as st

from lukhas.policy.rate_limiting.counting import counting_of
from lukhas.policy.rate_limiting.limits import Kind, Limit
from lukhas.policy.rate_limiting.strict_ring import BUCKETS, StrictRing
from lukhas.units import SECOND_NS
from tests.property.rate_limiting.exact_log import NOW_NS, RingModel
from tests.property.rate_limiting.kinds import arrivals, limit_sets, steps

WINDOWS_S = (1, 7, 20, 60, 3600, 86_400)


@st.composite
def ring_limits(draw: st.DrawFn) -> tuple[Limit, ...]:
    windows = draw(st.lists(st.sampled_from(WINDOWS_S), min_size=1, max_size=4, unique=True))
    quotas = st.one_of(st.integers(1, 8), st.sampled_from((65_535, 65_536, 200_000)))
    return tuple(Limit(f"l{window}", draw(quotas), window * SECOND_NS) for window in windows)


ring_arrivals = st.lists(
    st.tuples(steps, st.one_of(st.integers(1, 4), st.sampled_from((30_000, 65_535, 65_536)))),
    max_size=25,
)


@given(ring_limits(), ring_limits(), ring_arrivals, steps, ring_arrivals)
def test_a_ring_never_gives_more_than_an_honest_recount(
    old: tuple[Limit, ...],
    new: tuple[Limit, ...],
    before: list[tuple[int, int]],
    pause_ns: int,
    after: list[tuple[int, int]],
) -> None:
    """By a log of all that was admitted, for every window that the old limits knew of.

    A window longer than all old ones begins with what the longest old one counts.
    """
    ring, now_ns = StrictRing(old), NOW_NS
    state = ring.new_state(now_ns)
    log: list[tuple[int, int]] = []
    for step_ns, cost in before:
        now_ns += step_ns
        if ring.take(state, now_ns, cost) is not None:
            log.append((now_ns, cost))
    now_ns += pause_ns
    ring = StrictRing(new)
    longest_ns = max(limit.window_ns for limit in old)
    state = ring.adopt(state, now_ns)
    assert ring.owns(state)
    forgotten_ns = now_ns - longest_ns
    for step_ns, cost in [(0, 1), *after]:
        now_ns += step_ns
        if ring.take(state, now_ns, cost) is None:
            continue
        log.append((now_ns, cost))
        for limit in new:
            since_ns = max(now_ns - limit.window_ns, forgotten_ns)
            assert sum(cost for at_ns, cost in log if at_ns >= since_ns) <= limit.quota


@given(ring_limits(), ring_arrivals, steps, st.integers(-7, 200_000), ring_arrivals)
def test_windows_that_both_have_count_on_the_same(
    old: tuple[Limit, ...],
    before: list[tuple[int, int]],
    pause_ns: int,
    more: int,
    after: list[tuple[int, int]],
) -> None:
    """With other quotas, in another order, with cells of another size: bucket for bucket."""
    new = tuple(
        Limit(limit.name, max(limit.quota, limit.quota + more), limit.window_ns)
        for limit in reversed(old)
    )
    ring, model, now_ns = StrictRing(old), RingModel(old), NOW_NS
    state = ring.new_state(now_ns)
    for step_ns, cost in before:
        now_ns += step_ns
        model.move_on(now_ns)
        if ring.take(state, now_ns, cost) is not None:
            model.charge(cost)
    now_ns += pause_ns
    ring = StrictRing(new)
    state = ring.adopt(state, now_ns)
    model.limits = new
    for step_ns, cost in [(0, 1), *after]:
        now_ns += step_ns
        model.move_on(now_ns)
        fits = model.fits(cost)
        assert (ring.take(state, now_ns, cost) is not None) == fits
        if fits:
            model.charge(cost)
        assert ring.used(state, now_ns) == tuple(map(model.used, new))


@given(limit_sets(Kind.EXACT), limit_sets(Kind.EXACT), arrivals, arrivals)
def test_a_log_goes_on_under_other_limits(
    old: tuple[Limit, ...],
    new: tuple[Limit, ...],
    before: list[tuple[int, int]],
    after: list[tuple[int, int]],
) -> None:
    """Times are times: every window that the old ones held counts all of them."""
    counting, now_ns = counting_of(Kind.EXACT, old), NOW_NS
    state = counting.new_state(now_ns)
    log: list[tuple[int, int]] = []
    for step_ns, cost in before:
        now_ns += step_ns
        if counting.take(state, now_ns, cost) is not None:
            log.append((now_ns, cost))
    forgotten_ns = now_ns - max(limit.window_ns for limit in old)
    counting = counting_of(Kind.EXACT, new)
    state = counting.adopt(state, now_ns)
    for step_ns, cost in after:
        now_ns += step_ns
        if counting.take(state, now_ns, cost) is None:
            continue
        log.append((now_ns, cost))
        for limit in new:
            since_ns = max(now_ns - limit.window_ns, forgotten_ns) + 1000
            assert sum(cost for at_ns, cost in log if at_ns >= since_ns) <= limit.quota


@given(limit_sets(Kind.GCRA), limit_sets(Kind.GCRA), arrivals)
def test_a_debt_stays_as_long_as_it_was(
    old: tuple[Limit, ...], new: tuple[Limit, ...], before: list[tuple[int, int]]
) -> None:
    """At whatever rate it is paid off now: nothing is forgiven by a change."""
    counting, now_ns = counting_of(Kind.GCRA, old), NOW_NS
    state = counting.new_state(now_ns)
    for step_ns, cost in before:
        now_ns += step_ns
        counting.take(state, now_ns, cost)
    changed = counting_of(Kind.GCRA, new)
    adopted = changed.adopt(state, now_ns)
    for index, limit in enumerate(new):
        same = [each for each in old if each.window_ns == limit.window_ns]
        used = changed.used(adopted, now_ns)[index]
        if not same:
            assert used == 0
            continue
        counted = counting.used(state, now_ns)[old.index(same[0])]
        if limit.quota == same[0].quota:
            assert used == min(counted, limit.burst)
        elif limit.quota > same[0].quota:
            assert used >= min(counted, limit.burst)


@given(limit_sets(Kind.QUOTA), st.integers(1, 9), arrivals)
def test_a_period_that_goes_on_keeps_its_count(
    old: tuple[Limit, ...], quota: int, before: list[tuple[int, int]]
) -> None:
    """With the quota raised or lowered, and with periods added and taken away."""
    counting, now_ns = counting_of(Kind.QUOTA, old), NOW_NS
    state = counting.new_state(now_ns)
    for step_ns, cost in before:
        now_ns += step_ns
        counting.take(state, now_ns, cost)
    counting.fits(state, now_ns, 1)
    used = counting.used(state, now_ns)
    for kept in range(len(old)):
        limit = old[kept]
        raised = Limit("l", quota, limit.window_ns, limit.kind, 0, limit.period, limit.zone)
        changed = counting_of(Kind.QUOTA, [raised])
        adopted = changed.adopt(state, now_ns)
        assert changed.used(adopted, now_ns) == (used[kept],)
        assert changed.fits(adopted, now_ns, 1) == (used[kept] < quota)


@given(limit_sets(Kind.CONCURRENCY), st.integers(1, 9), arrivals)
def test_who_is_in_flight_stays_so(
    old: tuple[Limit, ...], quota: int, before: list[tuple[int, int]]
) -> None:
    """And leaves as before."""
    counting, now_ns = counting_of(Kind.CONCURRENCY, old), NOW_NS
    state = counting.new_state(now_ns)
    for step_ns, cost in before:
        now_ns += step_ns
        counting.take(state, now_ns, cost)
    counting.fits(state, now_ns, 1)
    changed = counting_of(Kind.CONCURRENCY, [Limit("l", quota, old[0].window_ns, Kind.CONCURRENCY)])
    adopted = changed.adopt(state, now_ns)
    assert changed.used(adopted, now_ns) == counting.used(state, now_ns)


def test_a_new_short_window_begins_with_what_the_long_one_says() -> None:
    """By its buckets: what was used just now is used, what was used long ago is not."""
    hour = StrictRing([Limit("h", 1000, 3600 * SECOND_NS)])
    state = hour.new_state(NOW_NS)
    width_ns = 3600 * SECOND_NS // BUCKETS
    start_ns = NOW_NS // width_ns * width_ns
    for bucket, cost in ((0, 100), (5, 10), (6, 1)):
        assert hour.take(state, start_ns + bucket * width_ns, cost) is not None
    minute = StrictRing([Limit("m", 1000, 60 * SECOND_NS)])
    adopted = minute.adopt(state, start_ns + 6 * width_ns)
    assert minute.used(adopted, start_ns + 6 * width_ns) == (11,)
