"""The strict ring against models that are plainly right."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from lukhas.policy.rate_limiting.limits import Limit
from lukhas.policy.rate_limiting.strict_ring import BUCKETS, StrictRing
from lukhas.units import DAY_NS, MINUTE_NS, SECOND_NS
from tests.property.rate_limiting.exact_log import NOW_NS, RingModel, worst_window

WINDOWS_S = (1, 7, 20, 60, 3600, 86_400)


@st.composite
def limit_sets(draw: st.DrawFn) -> tuple[Limit, ...]:
    windows = draw(st.lists(st.sampled_from(WINDOWS_S), min_size=1, max_size=4, unique=True))
    quotas = st.one_of(st.integers(1, 8), st.sampled_from((65_535, 65_536)))
    return tuple(Limit(f"l{window}", draw(quotas), window * SECOND_NS) for window in windows)


def steps(limits: tuple[Limit, ...]) -> st.SearchStrategy[int]:
    """How far time moves between two arrivals: nothing, a little, to a bucket's end, far, back."""
    widths = [limit.window_ns // BUCKETS for limit in limits]
    buckets = st.builds(
        lambda width, count, off: width * count + off,
        st.sampled_from(widths),
        st.sampled_from((1, 1, 2, 5, BUCKETS - 1, BUCKETS, BUCKETS + 1, 2 * BUCKETS + 2)),
        st.sampled_from((-1, 0, 0, 1)),
    )
    return st.one_of(
        st.just(0),
        st.integers(0, 2 * min(widths)),
        buckets,
        st.sampled_from((DAY_NS, 400 * DAY_NS)),
        st.sampled_from((-1, -SECOND_NS, -MINUTE_NS, -DAY_NS)),
    )


costs = st.one_of(st.just(1), st.integers(1, 4), st.sampled_from((65_535, 65_536)))


@dataclass
class Played:
    """A ring and its model after the same arrivals."""

    ring: StrictRing
    state: bytearray
    model: RingModel
    now_ns: int = 0

    def arrive(self, now_ns: int, cost: int) -> None:
        """One arrival, decided by both, who must agree."""
        self.now_ns = now_ns
        self.model.move_on(now_ns)
        fits = self.ring.fits(self.state, now_ns, cost)
        assert fits == self.model.fits(cost)
        if fits:
            self.ring.charge(self.state, now_ns, cost)
            self.model.charge(cost)
        self.agree()

    def agree(self) -> None:
        assert self.ring.used(self.state, 0) == tuple(map(self.model.used, self.ring.limits))

    def wait(self) -> None:
        """Moves a ring whose time went back to the time it believes in."""
        self.now_ns = max(self.now_ns, self.model.now_ns)


@st.composite
def played(draw: st.DrawFn) -> Played:
    limits = draw(limit_sets())
    start_ns = NOW_NS + draw(st.integers(0, DAY_NS))
    ring = StrictRing(limits)
    played = Played(ring, ring.new_state(start_ns), RingModel(limits, start_ns), start_ns)
    arrivals = draw(st.lists(st.tuples(steps(limits), costs), min_size=1, max_size=40))
    for step_ns, cost in arrivals:
        played.arrive(max(0, played.now_ns + step_ns), cost)
    return played


@given(played())
def test_no_window_ever_holds_more_than_its_quota(played: Played) -> None:
    """Over all closed windows of its length, aligned or not, in the time the ring went through."""
    for limit in played.ring.limits:
        assert worst_window(played.model.admitted, limit.window_ns) <= limit.quota


@given(played())
def test_the_state_never_grows(played: Played) -> None:
    """Whatever was counted, it has the cells of a new one."""
    new = played.ring.new_state(played.now_ns)
    assert len(played.state) == len(new)
    assert played.ring.owns(played.state)


@given(played())
def test_totals_are_the_sums_of_their_buckets(played: Played) -> None:
    """Bucket by bucket each window gives back all that was charged, down to nothing."""
    widths = sorted(limit.window_ns // BUCKETS for limit in played.ring.limits)
    for width_ns in widths:
        for _ in range(BUCKETS + 2):
            now_ns = played.model.now_ns + width_ns
            played.model.move_on(now_ns)
            played.ring.fits(played.state, now_ns, 1)
            played.agree()
    assert not any(played.ring.used(played.state, 0))


@given(played(), costs)
def test_a_refused_request_changes_no_count(played: Played, cost: int) -> None:
    """Asking only moves time on; asking twice at one moment changes nothing at all."""
    played.ring.fits(played.state, played.now_ns, cost)
    before = played.state.copy()
    played.ring.fits(played.state, played.now_ns, cost)
    assert played.state == before
    played.agree()


@given(played())
def test_figures_tell_what_is_left_and_when_more_comes(played: Played) -> None:
    """After `t` seconds `r` is greater; a second earlier it is not; `t` is 0 if nothing counts."""
    ring, now_ns = played.ring, played.now_ns
    figures = ring.figures(played.state, now_ns)
    for index, limit in enumerate(ring.limits):
        remaining, wait_s = figures[2 * index : 2 * index + 2]
        used = played.model.used(limit)
        assert remaining == limit.quota - used
        if not used:
            assert wait_s == 0
            continue
        assert wait_s >= 1
        later = played.state.copy()
        ring.fits(later, now_ns + (wait_s - 1) * SECOND_NS, 1)
        assert ring.used(later, 0)[index] == used
        ring.fits(later, now_ns + wait_s * SECOND_NS, 1)
        assert ring.used(later, 0)[index] < used


@given(played(), costs)
def test_a_refused_request_fits_just_when_it_is_told_to(played: Played, cost: int) -> None:
    """Not a nanosecond earlier, and no more than a bucket after an exact log would let it pass."""
    ring, model = played.ring, played.model
    violated = ring.violated(played.state, 0, cost)
    assert list(violated) == [
        index for index, limit in enumerate(ring.limits) if model.used(limit) + cost > limit.quota
    ]
    for index in violated:
        limit = ring.limits[index]
        free_ns = ring.fits_at_ns(played.state, 0, index, cost)
        if cost > limit.quota:
            assert free_ns is None
            continue
        assert free_ns == model.free_at_ns(limit, cost)
        state = played.state.copy()
        ring.fits(state, free_ns - 1, cost)
        assert index in ring.violated(state, 0, cost)
        ring.fits(state, free_ns, cost)
        assert index not in ring.violated(state, 0, cost)
        assert free_ns <= exact_log_free_ns(model, limit, cost) + limit.window_ns // BUCKETS


def exact_log_free_ns(model: RingModel, limit: Limit, cost: int) -> int:
    counting = [one for one in model.admitted if one[0] >= model.now_ns - limit.window_ns]
    excess = sum(charged for _at_ns, charged in counting) + cost - limit.quota
    free_ns = model.now_ns
    for at_ns, charged in counting:
        if excess <= 0:
            break
        excess -= charged
        free_ns = at_ns + limit.window_ns + 1
    return free_ns


@given(played(), st.integers(0, 3 * DAY_NS))
def test_an_idle_state_counts_nothing(played: Played, later_ns: int) -> None:
    """What may be forgotten decides like a new state; and everything is forgotten in the end."""
    ring, state = played.ring, played.state
    now_ns = played.now_ns + later_ns
    if ring.is_idle(state, now_ns):
        moved = state.copy()
        ring.fits(moved, now_ns, 1)
        assert not any(ring.used(moved, 0))
    assert ring.is_idle(state, ring.expires_ns(state))


@given(played(), costs)
def test_copies_are_independent(played: Played, cost: int) -> None:
    """What happens to a copy does not happen to its origin."""
    copied = played.state.copy()
    before = copied.copy()
    assert copied == played.state
    played.wait()
    if played.ring.fits(played.state, played.now_ns + DAY_NS, 1):
        played.ring.charge(played.state, played.now_ns + DAY_NS, 1)
    assert copied == before
    assert copied != played.state
