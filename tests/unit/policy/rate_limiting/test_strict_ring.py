"""The strict ring, bucket by bucket: windows of 20 s have buckets of 1 s."""

import pytest

from lukhas.policy.rate_limiting.limits import Limit
from lukhas.policy.rate_limiting.strict_ring import BUCKETS, StrictRing
from lukhas.units import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS

S = SECOND_NS
T0 = 20_250 * DAY_NS  # a bucket begins here in every window below


def ring_of(*quota_and_window_s: tuple[int, int]) -> StrictRing:
    return StrictRing(
        [Limit(f"l{window}", quota, window * S) for quota, window in quota_and_window_s]
    )


def admit(ring: StrictRing, state: bytearray, now_ns: int, cost: int = 1) -> bool:
    if not ring.fits(state, now_ns, cost):
        return False
    ring.charge(state, now_ns, cost)
    return True


def used(ring: StrictRing, state: bytearray, now_ns: int) -> tuple[int, ...]:
    """What counts at a time, leaving the state as it is."""
    copied = state.copy()
    ring.fits(copied, now_ns, 1)
    return ring.used(copied, now_ns)


def next_ns(ring: StrictRing, state: bytearray) -> int:
    """The end of the bucket that ends next: the first word behind the signature."""
    at = 4 + 8 * len(ring.limits)
    return int.from_bytes(state[at : at + 8], "little") * 1000


def test_a_ring_knows_its_limits_and_the_longest_window() -> None:
    """Whatever order they are given in."""
    ring = ring_of((1, 60), (9, 20))
    assert [limit.quota for limit in ring.limits] == [1, 9]
    assert ring.longest_ns == MINUTE_NS
    assert ring_of((9, 20), (1, 60)).longest_ns == MINUTE_NS


def test_a_new_state_has_used_nothing() -> None:
    """All is left and nothing is waited for."""
    ring = ring_of((3, 20), (5, 60))
    state = ring.new_state(T0)
    assert ring.used(state, T0) == (0, 0)
    assert ring.figures(state, T0) == (3, 0, 5, 0)
    assert ring.violated(state, T0, 1) == ()


@pytest.mark.parametrize("now_ns", [T0, T0 + 1, T0 + S - 1, T0 + S, T0 + 7 * S + 3])
def test_a_state_moves_at_the_end_of_the_shortest_bucket(now_ns: int) -> None:
    """Up to that moment a check costs no moving on."""
    ring = ring_of((9, 60), (3, 20))
    assert next_ns(ring, ring.new_state(now_ns)) == (now_ns // S + 1) * S
    state = ring.new_state(T0)
    ring.fits(state, now_ns, 1)
    assert next_ns(ring, state) == (now_ns // S + 1) * S


def test_exactly_the_quota_fits() -> None:
    """The last one passes, one more does not; a cost above what is left does not either."""
    ring = ring_of((3, 20))
    state = ring.new_state(T0)
    assert [admit(ring, state, T0) for _ in range(4)] == [True, True, True, False]
    other = ring.new_state(T0)
    assert admit(ring, other, T0, 3)
    assert not admit(ring, ring.new_state(T0), T0, 4)
    assert ring.used(state, T0) == ring.used(other, T0) == (3,)


@pytest.mark.parametrize("at_ns", [T0, T0 + 1, T0 + S - 1])
def test_a_charge_leaves_a_bucket_after_its_window(at_ns: int) -> None:
    """Wherever in its bucket it fell, the bucket counts whole until it has wholly left."""
    ring = ring_of((1, 20))
    state = ring.new_state(at_ns)
    assert admit(ring, state, at_ns)
    assert not admit(ring, state.copy(), T0 + 21 * S - 1)
    assert used(ring, state, T0 + 20 * S) == (1,)
    assert admit(ring, state.copy(), T0 + 21 * S)


@pytest.mark.parametrize("first_bucket", range(BUCKETS + 2))
@pytest.mark.parametrize("moves", [(20, 1), (1, 20), (7, 7, 7), (1,) * 21, (21,), (30,)])
def test_leaving_does_not_depend_on_the_steps(first_bucket: int, moves: tuple[int, ...]) -> None:
    """However time moves there, from whichever cell, the charge counts up to its last bucket."""
    ring = ring_of((5, 20))
    start_ns = T0 + first_bucket * S
    state = ring.new_state(start_ns)
    assert admit(ring, state, start_ns, 2)
    now_ns = start_ns
    for move in moves:
        now_ns += move * S
        ring.fits(state, now_ns, 1)
        expected = 2 if now_ns < start_ns + 21 * S else 0
        assert ring.used(state, T0) == (expected,)
    assert ring.figures(state, now_ns) == (5, 0)


def test_buckets_leave_one_by_one() -> None:
    """Each gives back what was charged in it, oldest first."""
    ring = ring_of((10, 20))
    state = ring.new_state(T0)
    for second, cost in ((0, 1), (1, 2), (5, 4)):
        assert admit(ring, state, T0 + second * S, cost)
    for second, expected in ((20, 7), (21, 6), (22, 4), (25, 4), (26, 0)):
        assert used(ring, state, T0 + second * S) == (expected,)


@pytest.mark.parametrize("passed", [20, 21, 22, 42, 10_000])
def test_a_long_pause_empties_the_window(passed: int) -> None:
    """After 20 buckets the newest is the oldest and still counts; after 21 nothing does."""
    ring = ring_of((3, 20))
    state = ring.new_state(T0)
    assert admit(ring, state, T0)
    assert admit(ring, state, T0 + S)
    later_ns = T0 + (1 + passed) * S
    ring.fits(state, later_ns, 1)
    assert ring.used(state, T0) == ((1,) if passed == 20 else (0,))
    # What comes afterwards is counted in the right bucket.
    assert admit(ring, state, later_ns, 2)
    assert used(ring, state, later_ns + 21 * S - 1) == (2,)
    assert used(ring, state, later_ns + 21 * S) == (0,)


def test_windows_move_each_by_its_own_buckets() -> None:
    """A bucket of the long window ends with every third of the short one."""
    ring = ring_of((9, 20), (9, 60))
    state = ring.new_state(T0)
    assert admit(ring, state, T0)
    assert admit(ring, state, T0 + 2 * S)
    assert admit(ring, state, T0 + 3 * S)
    for second, expected in ((21, (2, 3)), (24, (0, 3)), (62, (0, 3)), (63, (0, 1)), (66, (0, 0))):
        assert used(ring, state, T0 + second * S) == expected


def test_a_refused_request_is_charged_in_no_window() -> None:
    """The short window is full, the long one stays as it is."""
    ring = ring_of((1, 20), (3, 60))
    state = ring.new_state(T0)
    assert [admit(ring, state, T0) for _ in range(5)] == [True] + [False] * 4
    assert ring.used(state, T0) == (1, 1)
    # And the other way round: the long one full, the short one free again.
    for second in (21, 42):
        assert admit(ring, state, T0 + second * S)
    assert not admit(ring, state, T0 + 62 * S + S // 2, 1)
    assert ring.violated(state, T0, 1) == (0, 1)
    assert used(ring, state, T0 + 62 * S) == (1, 3)


def test_time_may_stand_still_and_go_back() -> None:
    """The newest bucket stays the newest; nothing comes free, nothing is lost."""
    ring = ring_of((2, 20))
    state = ring.new_state(T0)
    assert admit(ring, state, T0)
    assert admit(ring, state, T0 - HOUR_NS)
    assert next_ns(ring, state) == T0 + S
    assert not admit(ring, state, T0 - HOUR_NS)
    assert used(ring, state, T0 + 21 * S - 1) == (2,)
    assert used(ring, state, T0 + 21 * S) == (0,)


def test_figures_count_down_to_the_oldest_bucket() -> None:
    """`t` is the time to the end of the oldest bucket's stay, rounded up to whole seconds."""
    ring = ring_of((5, 20))
    state = ring.new_state(T0)
    assert admit(ring, state, T0 + S // 2, 2)
    assert ring.figures(state, T0 + S // 2) == (3, 21)
    assert admit(ring, state, T0 + 4 * S)
    assert ring.figures(state, T0 + 4 * S) == (2, 17)
    assert ring.figures(state, T0 + 4 * S + 1) == (2, 17)
    ring.fits(state, T0 + 21 * S - 1, 1)
    assert ring.figures(state, T0 + 21 * S - 1) == (2, 1)
    # The oldest is gone: now the charge of the fourth second is.
    ring.fits(state, T0 + 21 * S, 1)
    assert ring.figures(state, T0 + 21 * S) == (4, 4)


def test_figures_stand_in_the_order_of_the_limits() -> None:
    """One pair each."""
    ring = ring_of((5, 60), (2, 20))
    state = ring.new_state(T0)
    assert admit(ring, state, T0)
    assert ring.figures(state, T0) == (4, 63, 1, 21)


def test_fits_at_is_when_enough_has_left() -> None:
    """As many buckets must leave as the cost needs, and no more."""
    ring = ring_of((6, 20))
    state = ring.new_state(T0)
    for second, cost in ((0, 1), (1, 2), (5, 3)):
        assert admit(ring, state, T0 + second * S, cost)
    ends = [T0 + second * S for second in (21, 22, 22, 26, 26, 26)]
    assert [ring.fits_at_ns(state, T0, 0, cost) for cost in range(1, 7)] == ends
    assert ring.fits_at_ns(state, T0, 0, 7) is None


@pytest.mark.parametrize("shift", range(BUCKETS + 1))
def test_fits_at_holds_while_time_moves_on(shift: int) -> None:
    """From wherever in the window it is asked, and whichever cell the bucket has."""
    ring = ring_of((9, 60), (1, 20))
    state = ring.new_state(T0 + shift * S)
    assert admit(ring, state, T0 + shift * S)
    for second in range(BUCKETS + 1):
        assert not ring.fits(state, T0 + (shift + second) * S, 1)
        assert ring.fits_at_ns(state, T0, 1, 1) == T0 + (shift + 21) * S


def test_violated_names_the_limits_that_would_break() -> None:
    """By index; exactly reaching a quota breaks nothing."""
    ring = ring_of((2, 20), (3, 60))
    state = ring.new_state(T0)
    assert admit(ring, state, T0)
    assert ring.violated(state, T0, 1) == ()
    assert ring.violated(state, T0, 2) == (0,)
    assert ring.violated(state, T0, 3) == (0, 1)


def test_idle_is_a_window_and_a_bucket_after_the_last_movement() -> None:
    """Exactly then, by the longest window; a nanosecond before it might still count."""
    ring = ring_of((9, 20), (9, 60))
    state = ring.new_state(T0)
    idle_ns = T0 + S + MINUTE_NS + MINUTE_NS // BUCKETS
    assert not ring.is_idle(state, idle_ns - 1)
    assert ring.is_idle(state, idle_ns)


def test_idle_waits_for_the_last_bucket_of_the_longest_window() -> None:
    """A charge at the start of a long bucket counts longer than the window from its short one."""
    ring = ring_of((9, 20), (9, 60))
    state = ring.new_state(T0)
    assert admit(ring, state, T0)
    assert used(ring, state, T0 + 63 * S - 1) == (0, 1)
    assert not ring.is_idle(state, T0 + 63 * S - 1)


@pytest.mark.parametrize(("quota", "cell_bytes"), [(65_535, 2), (65_536, 4), (2**31 - 1, 4)])
def test_counters_hold_the_largest_quota(quota: int, cell_bytes: int) -> None:
    """Small quotas take two bytes a cell; a full window never overflows them."""
    head_bytes = 4 + 8 * 2 + 16 + 10 * 2
    assert len(ring_of((quota, 20), (1, 60)).new_state(T0)) == head_bytes + 2 * 21 * cell_bytes
    ring = ring_of((quota, 20))
    state = ring.new_state(T0)
    size = len(state)
    assert admit(ring, state, T0, quota)
    assert not admit(ring, state, T0)
    assert ring.used(state, T0) == (quota,)
    # As one bucket's cell, and as the total behind it.
    assert not admit(ring, state, T0 + S)
    assert used(ring, state, T0 + 21 * S) == (0,)
    ring.fits(state, T0 + 30 * S, 1)
    assert admit(ring, state, T0 + 30 * S, quota)
    assert len(state) == size


def test_the_state_has_a_fixed_size() -> None:
    """That of a new one, whatever was counted."""
    ring = ring_of((9, 20), (9, 60), (9, 3600))
    state = ring.new_state(T0)
    for second in (*range(0, 600, 7), 3600, 40_000):
        admit(ring, state, T0 + second * S)
    assert len(state) == len(ring.new_state(T0)) == 4 + 3 * 8 + 16 + 3 * 10 + 3 * 21 * 2


def test_copies_are_independent_and_equal_by_value() -> None:
    """They are bytes, and nothing of them is shared."""
    ring = ring_of((9, 20))
    state = ring.new_state(T0)
    copied = state.copy()
    assert copied == state
    ring.charge(copied, T0, 1)
    assert copied != state
    assert ring.used(state, T0) == (0,)


def test_one_ring_serves_states_at_different_moments() -> None:
    """What it remembers of one moment never tells of another."""
    ring = ring_of((5, 20), (9, 60))
    early, late = ring.new_state(T0), ring.new_state(T0 + 40 * S)
    assert admit(ring, early, T0)
    assert admit(ring, late, T0 + 40 * S)
    for _ in range(2):
        assert ring.figures(early, T0) == (4, 21, 8, 63)
        assert ring.figures(late, T0 + 40 * S) == (4, 21, 8, 62)


def test_room_is_that_of_the_tightest_window() -> None:
    """Whichever it is, at first and after time moved on; nothing counted gives it back."""
    for limits in (((5, 20), (6, 60)), ((6, 60), (5, 20))):
        ring = ring_of(*limits)
        state = ring.new_state(T0)
        assert [cost for cost in range(1, 9) if ring.fits(state, T0, cost)] == [1, 2, 3, 4, 5]
        assert admit(ring, state, T0, 4)
        for second, room in ((1, 1), (20, 1), (21, 2), (62, 2), (63, 5)):
            now_ns = T0 + second * S
            assert ring.fits(state, now_ns, room)
            assert not ring.fits(state, now_ns, room + 1)


def test_a_state_is_no_key() -> None:
    """It changes in place."""
    with pytest.raises(TypeError, match="unhashable"):
        hash(ring_of((1, 20)).new_state(T0))


def test_three_unused_windows_tell_their_quotas() -> None:
    """The usual number of windows has a way of its own, but not for windows that are empty."""
    ring = ring_of((3, 20), (5, 60), (9, 3600))
    state = ring.new_state(T0)
    assert ring.figures(state, T0) == (3, 0, 5, 0, 9, 0)
    assert admit(ring, state, T0)
    assert ring.figures(state, T0) == (2, 21, 4, 63, 8, 3780)
