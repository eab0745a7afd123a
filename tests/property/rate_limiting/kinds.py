"""Limits of every kind, and what happens to them, to hold all kinds against the same rules."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from lukhas.policy.rate_limiting.counting import Counting, counting_of
from lukhas.policy.rate_limiting.limits import Kind, Limit
from lukhas.policy.rate_limiting.periods import Period
from lukhas.units import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS
from tests.property.rate_limiting.exact_log import NOW_NS

ZONES = ("UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu", "America/Havana")
PERIODS = {Period.DAY: DAY_NS, Period.WEEK: 7 * DAY_NS, Period.MONTH: 30 * DAY_NS}
WINDOWS_S = (1, 7, 20, 60, 3600)

kinds = st.sampled_from(list(Kind))


def limit_sets(kind: Kind, *, most: int = 8) -> st.SearchStrategy[tuple[Limit, ...]]:
    """One to three limits of a kind."""
    quotas = st.integers(1, most)
    if kind is Kind.QUOTA:
        return st.builds(
            lambda periods, quota, zone: tuple(
                Limit(f"l-{period.value}", quota, PERIODS[period], kind, 0, period, ZoneInfo(zone))
                for period in periods
            ),
            st.lists(st.sampled_from(list(PERIODS)), min_size=1, max_size=3, unique=True),
            quotas,
            st.sampled_from(ZONES),
        )
    if kind is Kind.CONCURRENCY:
        one = st.builds(lambda quota: Limit("l", quota, 5 * MINUTE_NS, kind), quotas)
        return one.map(lambda limit: (limit,))
    windows = st.lists(st.sampled_from(WINDOWS_S), min_size=1, max_size=3, unique=True)
    return windows.flatmap(
        lambda found: st.tuples(
            *[
                st.builds(
                    lambda quota, burst, window_s=window_s: Limit(
                        f"l{window_s}",
                        quota,
                        window_s * SECOND_NS,
                        kind,
                        burst if kind is Kind.GCRA else 0,
                    ),
                    quotas,
                    st.integers(1, most),
                )
                for window_s in found
            ]
        )
    )


steps = st.one_of(
    st.just(0),
    st.integers(0, 3 * SECOND_NS),
    st.integers(0, 2 * MINUTE_NS),
    st.sampled_from((1, 999, 1000, HOUR_NS, 4 * HOUR_NS, DAY_NS, 32 * DAY_NS)),
)
arrivals = st.lists(st.tuples(steps, st.integers(1, 4)), max_size=25)


@dataclass
class Used:
    """Limits, a state of theirs after some traffic, and the time."""

    counting: Counting
    state: bytearray
    now_ns: int

    def arrive(self, step_ns: int, cost: int) -> bool:
        """Whether what comes now passes; it is charged then."""
        self.now_ns += step_ns
        return self.counting.take(self.state, self.now_ns, cost) is not None

    def room(self, at_ns: int) -> int:
        """The most that fits at a time; the state stays as it is."""
        state = self.state.copy()
        most = max(limit.most for limit in self.counting.limits)
        fitting = [cost for cost in range(1, most + 2) if self.counting.fits(state, at_ns, cost)]
        assert fitting == list(range(1, len(fitting) + 1))
        return len(fitting)

    def copy(self) -> "Used":
        return Used(self.counting, self.state.copy(), self.now_ns)


@st.composite
def used_limits(draw: st.DrawFn, kind: Kind | None = None) -> Used:
    """Limits of some kind after some traffic."""
    kind = kind if kind is not None else draw(kinds)
    counting = counting_of(kind, draw(limit_sets(kind)))
    start_ns = NOW_NS + draw(st.integers(0, 400 * DAY_NS))
    used = Used(counting, counting.new_state(start_ns), start_ns)
    for step_ns, cost in draw(arrivals):
        used.arrive(step_ns, cost)
    return used


probes = st.lists(steps, min_size=1, max_size=8)
