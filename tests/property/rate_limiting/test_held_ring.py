"""A state that is held is charged as the ring charges it, whoever else charges it too."""

from hypothesis import example, given
from hypothesis import strategies as st

from lukhas.policy.rate_limiting.held_ring import HeldRing
from lukhas.policy.rate_limiting.limits import Limit
from lukhas.policy.rate_limiting.strict_ring import StrictRing
from lukhas.units import SECOND_NS
from tests.property.rate_limiting.exact_log import NOW_NS
from tests.property.rate_limiting.test_strict_ring import costs, limit_sets, steps

_THREE = (
    Limit("a", 5, 60 * SECOND_NS),
    Limit("b", 20, 3600 * SECOND_NS),
    Limit("c", 40, 86_400 * SECOND_NS),
)
# Who charges: one of two that hold the state, or somebody who knows nothing of them.
_HOLDERS = (0, 0, 0, 1, 2)


def _limits() -> st.SearchStrategy[tuple[Limit, ...]]:
    three = st.builds(
        lambda a, b, c: (
            Limit("a", a, 60 * SECOND_NS),
            Limit("b", b, 3600 * SECOND_NS),
            Limit("c", c, 86_400 * SECOND_NS),
        ),
        *[st.integers(1, 60)] * 3,
    )
    return st.one_of(three, three, limit_sets())


@given(data=st.data())
def test_it_is_charged_as_the_ring_does(data: st.DataObject) -> None:
    """What fits, the figures, the bytes left, and whether a limit is near are the same."""
    limits = data.draw(_limits())
    ring = StrictRing(limits)
    now_ns = NOW_NS
    plain, state = ring.new_state(now_ns), ring.new_state(now_ns)
    holders = [HeldRing(ring, state), HeldRing(StrictRing(limits), state)]
    near = [limit.near for limit in limits]
    for _ in range(data.draw(st.integers(1, 30))):
        now_ns = max(0, now_ns + data.draw(steps(limits)))
        cost = data.draw(costs)
        who = data.draw(st.sampled_from(_HOLDERS))
        left = ring.take(plain, now_ns, cost)
        if who == len(holders):
            assert ring.take(state, now_ns, cost) == left
        else:
            taken = holders[who].charge(now_ns, cost)
            assert (taken is None) == (left is None)
            if taken is not None and left is not None:
                told, pending, figures, is_near = taken
                assert holders[who].left(told, pending) == left
                assert figures == ring.figures(left, now_ns)
                remaining = figures[::2]
                assert is_near == any(map(int.__lt__, remaining, near))
        assert state == plain


@given(gap_ns=st.integers(0, 3 * SECOND_NS))
@example(gap_ns=0)
def test_what_was_left_is_told_later_too(gap_ns: int) -> None:
    """The state after a charge is known when others have charged since, or time has gone on."""
    ring = StrictRing(_THREE)
    state = ring.new_state(NOW_NS)
    held = HeldRing(ring, state)
    held.charge(NOW_NS, 1)
    second = held.charge(NOW_NS + 1, 1)
    copy = bytes(state)
    ring.take(state, NOW_NS + 2 + gap_ns, 1)
    assert second is not None
    told, pending, figures, _is_near = second
    left = held.left(told, pending)
    assert copy.startswith(left)
    assert ring.figures(left, NOW_NS + 1) == figures
    assert figures[::2] == (3, 18, 38)


def test_a_state_that_was_let_go_is_not_charged() -> None:
    """Whoever lets a state go empties it."""
    ring = StrictRing(_THREE)
    state = ring.new_state(NOW_NS)
    held = HeldRing(ring, state)
    assert held.charge(NOW_NS, 1) is not None
    state.clear()
    assert held.charge(NOW_NS, 1) is None
    assert not state


def test_what_does_not_fit_charges_nothing() -> None:
    """As often as it is asked, and what fits still fits."""
    ring = StrictRing(_THREE)
    state = ring.new_state(NOW_NS)
    held = HeldRing(ring, state)
    assert [held.charge(NOW_NS, 2) is None for _ in range(3)] == [False, False, True]
    before = bytes(state)
    assert held.charge(NOW_NS, 2) is None
    assert bytes(state) == before
    assert held.charge(NOW_NS, 1) is not None


def test_time_that_goes_back_behind_anothers_charge() -> None:
    """Somebody has moved the state on: what the old moment knew does not count."""
    ring = StrictRing(_THREE)
    plain, state = ring.new_state(NOW_NS), ring.new_state(NOW_NS)
    held = HeldRing(ring, state)
    for now_ns in (NOW_NS, NOW_NS + 5 * SECOND_NS):
        ring.take(plain, now_ns, 1)
    held.charge(NOW_NS, 1)
    ring.take(state, NOW_NS + 5 * SECOND_NS, 1)
    left = ring.take(plain, NOW_NS + 1, 1)
    taken = held.charge(NOW_NS + 1, 1)
    assert taken is not None
    assert left is not None
    assert taken[2] == ring.figures(left, NOW_NS + 1)
    assert state == plain


def test_buckets_that_end_within_a_second() -> None:
    """The figures are rounded up from where a bucket really ends."""
    ring = StrictRing((Limit("s", 9, 3 * SECOND_NS), *_THREE[:2]))
    state = ring.new_state(NOW_NS)
    held = HeldRing(ring, state)
    start_ns = NOW_NS - NOW_NS % (3 * SECOND_NS) + 3 * SECOND_NS + 160_000_000
    for now_ns in (start_ns, start_ns + 1, start_ns + 2):
        taken = held.charge(now_ns, 1)
        assert taken is not None
        assert taken[2] == ring.figures(held.left(taken[0], taken[1]), now_ns)
