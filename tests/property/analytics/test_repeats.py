"""The fetches that a lifetime would take, against a count by hand and against a real lifetime."""

from hypothesis import given
from hypothesis import strategies as st

from lukhas.analytics.repeats import LIFETIMES_S, RepeatBook
from lukhas.telemetry.repeats import RouteTally

BEGIN_S = 1_700_006_400
SECONDS = st.lists(
    st.tuples(st.integers(0, 400), st.sets(st.integers(0, 5), min_size=1)), max_size=40
)


@given(steps=SECONDS)
def test_it_counts_the_addresses_of_each_stretch_and_a_lifetime_takes_no_more(
    steps: list[tuple[int, set[int]]],
) -> None:
    """For each lifetime: distinct (stretch, address), and at least what a cache would fetch."""
    book = RepeatBook()
    time_s = BEGIN_S
    asked: list[tuple[int, int]] = []
    for pause_s, addresses in steps:
        # Within one hour: what is over leaves the present sums.
        time_s = min(time_s + pause_s, BEGIN_S + 3599)
        book.saved({"/a": RouteTally(len(addresses), set(addresses))}, time_s)
        asked += [(time_s, address) for address in sorted(addresses)]
    if not asked:
        return
    sums = book.present()["/a"]
    assert sums.requests == len(asked)
    for lifetime_s in LIFETIMES_S:
        stretches = {(time_s // lifetime_s, address) for time_s, address in asked}
        assert sums.fetches[lifetime_s] == len(stretches)
        assert sums.fetches[lifetime_s] >= _fetches(asked, lifetime_s)


def _fetches(asked: list[tuple[int, int]], lifetime_s: int) -> int:
    until: dict[int, int] = {}
    fetches = 0
    for time_s, address in asked:
        if time_s >= until.get(address, 0):
            fetches += 1
            until[address] = time_s + lifetime_s
    return fetches
