"""Rules that all kinds of limits keep."""

from hypothesis import example, given
from hypothesis import strategies as st

from lukhas.policy.rate_limiting.counting import counting_of
from lukhas.policy.rate_limiting.limits import Kind, Limit
from lukhas.units import DAY_NS, SECOND_NS
from tests.property.rate_limiting.exact_log import NOW_NS
from tests.property.rate_limiting.kinds import Used, kinds, limit_sets, probes, steps, used_limits

later = st.one_of(steps, st.integers(0, 70 * DAY_NS))


@given(used_limits(), st.integers(1, 10))
def test_taking_is_asking_and_charging(used: Used, cost: int) -> None:
    """In one step or in two: the same answer, the same state; asked again, the same answer."""
    one, two = used.state.copy(), used.state.copy()
    taken = used.counting.take(one, used.now_ns, cost)
    fits = used.counting.fits(two, used.now_ns, cost)
    assert used.counting.fits(two, used.now_ns, cost) == fits == (taken is not None)
    assert (not used.counting.violated(two, used.now_ns, cost)) == fits
    if fits:
        used.counting.charge(two, used.now_ns, cost)
    assert one == two
    if taken is not None:
        now_ns = used.now_ns
        assert used.counting.figures(taken, now_ns) == used.counting.figures(one, now_ns)


@given(used_limits(), st.integers(1, 10))
def test_what_is_used_and_what_is_left_make_the_limit(used: Used, cost: int) -> None:
    """Whatever was taken; and a charge shows in both."""
    counting, now_ns = used.counting, used.now_ns
    counting.fits(used.state, now_ns, 1)
    before = counting.used(used.state, now_ns)
    for limit, counted, left in zip(
        counting.limits, before, counting.figures(used.state, now_ns)[::2], strict=True
    ):
        assert counted >= 0
        assert left == limit.most - counted
    if used.arrive(0, cost):
        assert counting.used(used.state, now_ns) == tuple(count + cost for count in before)


@given(used_limits(), st.integers(1, 10))
def test_what_is_refused_fits_when_it_is_told_to(used: Used, cost: int) -> None:
    """By every limit it broke, and not before; who can never fit is told so."""
    counting, now_ns = used.counting, used.now_ns
    counting.fits(used.state, now_ns, cost)
    for index in counting.violated(used.state, now_ns, cost):
        at_ns = counting.fits_at_ns(used.state, now_ns, index, cost)
        if cost > counting.limits[index].most:
            assert at_ns is None
            continue
        assert at_ns is not None
        assert at_ns > now_ns
        if counting.kind is Kind.CONCURRENCY:
            assert at_ns == now_ns + SECOND_NS
            continue
        state = used.state.copy()
        counting.fits(state, at_ns - 1000, cost)
        assert index in counting.violated(state, at_ns - 1000, cost)
        counting.fits(state, at_ns, cost)
        assert index not in counting.violated(state, at_ns, cost)


@given(used_limits())
def test_the_time_to_wait_is_just_enough(used: Used) -> None:
    """After `t` seconds more is left than now; nothing is waited for where all is left."""
    counting, now_ns = used.counting, used.now_ns
    counting.fits(used.state, now_ns, 1)
    figures = counting.figures(used.state, now_ns)
    for index, limit in enumerate(counting.limits):
        left, wait_s = figures[2 * index : 2 * index + 2]
        assert wait_s >= 0
        if counting.kind in {Kind.CONCURRENCY, Kind.QUOTA}:
            continue
        assert (wait_s == 0) == (left == limit.most) or counting.kind is Kind.GCRA
        if left < limit.most:
            state = used.state.copy()
            at_ns = now_ns + wait_s * SECOND_NS
            counting.fits(state, at_ns, 1)
            assert counting.figures(state, at_ns)[2 * index] > left
            if wait_s > 1:
                state = used.state.copy()
                at_ns -= SECOND_NS
                counting.fits(state, at_ns, 1)
                assert counting.figures(state, at_ns)[2 * index] == left


@given(used_limits(), later, probes)
def test_an_idle_state_decides_like_a_new_one(
    used: Used, later_ns: int, moments: list[int]
) -> None:
    """So forgetting it changes nothing; and every state is idle from the time it says."""
    counting = used.counting
    expires_ns = counting.expires_ns(used.state)
    at_ns = max(used.now_ns + later_ns, expires_ns if later_ns % 2 else 0)
    assert counting.is_idle(used.state, at_ns) == (at_ns >= expires_ns)
    if not counting.is_idle(used.state, at_ns):
        return
    new = Used(counting, counting.new_state(at_ns), at_ns)
    for step_ns in moments:
        at_ns += step_ns
        assert used.room(at_ns) == new.room(at_ns)
        used.now_ns = new.now_ns = at_ns
        assert used.arrive(0, 2) == new.arrive(0, 2)


@given(used_limits(), st.integers(1, 8), probes)
def test_a_charge_given_back_at_once_was_never_made(
    used: Used, cost: int, moments: list[int]
) -> None:
    """Exactly what was charged is given back, whatever else is counted."""
    used.counting.fits(used.state, used.now_ns, 1)
    before = used.copy()
    if not used.arrive(0, cost):
        return
    now_ns = used.now_ns
    used.counting.settle(used.state, at_ns=now_ns, now_ns=now_ns, change=-cost)
    for step_ns in (0, *moments):
        now_ns += step_ns
        assert used.room(now_ns) == before.room(now_ns)


@given(
    used_limits(),
    st.integers(1, 6),
    st.lists(st.tuples(steps, st.integers(1, 3)), max_size=8),
    st.integers(1, 99),
    probes,
)
def test_a_refund_never_leaves_more_room_than_no_charge(
    used: Used, cost: int, between: list[tuple[int, int]], back: int, moments: list[int]
) -> None:
    """However late it is given back, whatever came in between, and however much it is."""
    without = used.copy()
    if not used.arrive(0, cost):
        return
    at_ns = used.now_ns
    for step_ns, more in between:
        if used.arrive(step_ns, more):
            without.now_ns = used.now_ns
            assert without.arrive(0, more)
    now_ns = used.now_ns
    change = -min(back, cost)
    used.counting.settle(used.state, at_ns=at_ns, now_ns=now_ns, change=change)
    assert all(count >= 0 for count in used.counting.used(used.state, now_ns))
    for step_ns in (0, *moments):
        now_ns += step_ns
        assert used.room(now_ns) <= without.room(now_ns)


@given(used_limits(), st.integers(1, 10**9), later, probes)
def test_nothing_is_ever_below_zero(
    used: Used, back: int, later_ns: int, moments: list[int]
) -> None:
    """Giving back more than was charged leaves at most a new state."""
    at_ns, now_ns = used.now_ns, used.now_ns + later_ns
    used.counting.settle(used.state, at_ns=at_ns, now_ns=now_ns, change=-back)
    assert all(count >= 0 for count in used.counting.used(used.state, now_ns))
    new = Used(used.counting, used.counting.new_state(now_ns), now_ns)
    for step_ns in (0, *moments):
        now_ns += step_ns
        assert used.room(now_ns) <= new.room(now_ns)


@given(used_limits(), st.one_of(st.integers(1, 12), st.just(10**9)), later, probes)
@example(
    Used(
        counting := counting_of(Kind.GCRA, [Limit("l", 1, 366 * DAY_NS, Kind.GCRA, 1)]),
        counting.new_state(NOW_NS),
        NOW_NS,
    ),
    10**9,
    0,
    [0],
)
def test_what_cost_more_leaves_less_room(
    used: Used, more: int, later_ns: int, moments: list[int]
) -> None:
    """By as much as it was more; beyond the limit nothing fits."""
    if used.counting.kind is Kind.CONCURRENCY:
        return
    before = used.copy()
    at_ns, now_ns = used.now_ns, used.now_ns + later_ns
    used.counting.settle(used.state, at_ns=at_ns, now_ns=now_ns, change=more)
    for step_ns in (0, *moments):
        now_ns += step_ns
        assert used.room(now_ns) <= before.room(now_ns)
    now_ns = at_ns + later_ns
    is_other_period = used.counting.kind is Kind.QUOTA and later_ns
    # A log tells whole microseconds, so that at the very end of a window it may be one off.
    is_between = used.counting.kind is Kind.EXACT and (at_ns % 1000 or now_ns % 1000)
    if not (is_other_period or is_between):
        assert used.room(now_ns) == max(0, before.room(now_ns) - more)


@given(used_limits(), st.integers(1, 6))
def test_time_that_goes_back_gives_nobody_a_fresh_quota(used: Used, cost: int) -> None:
    """Room at an earlier time is no more than it is now."""
    room = used.room(used.now_ns)
    for back_ns in (1, SECOND_NS, DAY_NS, 40 * DAY_NS):
        assert used.room(used.now_ns - back_ns) <= room
    if used.counting.kind not in {Kind.STRICT, Kind.QUOTA}:
        return
    # These believe in the latest time that they have seen.
    early = used.copy()
    if early.counting.take(early.state, used.now_ns - DAY_NS, cost) is not None:
        assert early.room(used.now_ns) <= room - cost


@given(used_limits(), probes)
def test_adopting_ones_own_state_changes_nothing(used: Used, moments: list[int]) -> None:
    """It is known as one's own, and goes on the same."""
    assert used.counting.owns(used.state)
    assert used.counting.owns(bytes(used.state))
    before = bytes(used.state)
    adopted = Used(used.counting, used.counting.adopt(bytes(used.state), used.now_ns), used.now_ns)
    assert used.state == before
    now_ns = used.now_ns
    for step_ns in (0, *moments):
        now_ns += step_ns
        assert adopted.room(now_ns) == used.room(now_ns)


@given(used_limits(), kinds.flatmap(lambda kind: st.tuples(st.just(kind), limit_sets(kind))))
def test_states_of_another_kind_are_made_anew(
    used: Used, other: tuple[Kind, tuple[Limit, ...]]
) -> None:
    """Nobody owns them, and what they count says nothing here."""
    counting = counting_of(*other)
    if counting.kind is used.counting.kind:
        return
    assert not counting.owns(used.state)
    assert counting.adopt(used.state, used.now_ns) == counting.new_state(used.now_ns)


@given(
    kinds.flatmap(lambda kind: st.tuples(st.just(kind), limit_sets(kind))),
    st.one_of(
        st.binary(max_size=120),
        st.builds(
            lambda kind, rest: bytes((kind, 0, 0, 0)) + rest,
            st.integers(0, 6),
            st.binary(max_size=120),
        ),
        st.builds(lambda cut, used: bytes(used.state)[:cut], st.integers(0, 300), used_limits()),
        st.builds(
            lambda at, value, used: (
                bytes(used.state)[:at] + bytes((value,)) + bytes(used.state)[at + 1 :]
            ),
            st.integers(0, 200),
            st.integers(0, 255),
            used_limits(),
        ),
    ),
)
def test_garbage_is_never_an_error(other: tuple[Kind, tuple[Limit, ...]], garbage: bytes) -> None:
    """A damaged state is made anew, or read as one that could be."""
    counting = counting_of(*other)
    counting.owns(garbage)
    adopted = counting.adopt(garbage, NOW_NS)
    assert counting.owns(adopted)
    counting.take(adopted, NOW_NS, 1)
    counting.figures(adopted, NOW_NS)
