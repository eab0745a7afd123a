"""Requests that go on without an exchange look like all others, from outside and in the records."""

import asyncio
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.middleware.lane_kit import CHANGES, PEERS, REQUESTS, USUAL, Fields, Side, change
from tests.unit.middleware.apps import APPS

_Request = tuple[str, str, Fields]
_Step = tuple[str, int, int]

# The usual app again, until what it does is known.
_CALM: tuple[_Step, ...] = (("usual app", 0, 1), ("ask", 0, 4))

# Few different requests, mostly to one path, each many times and mostly of one peer, or nothing
# would be known.
_usual = [
    [each for each in REQUESTS if each[:2] == ("GET", path) and each[2] in USUAL]
    for path in ("/cached", "/cached", "/plain", "/dear")
]
_requests = st.one_of(
    *[st.lists(st.sampled_from(each), min_size=1, max_size=2, unique=True) for each in _usual],
    st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=3, unique=True),
)
_asks = st.tuples(st.just("ask"), st.sampled_from((0, 0, 0, 0, 1)), st.integers(1, 3))
_apps = st.tuples(
    st.sampled_from(("app", "app", "app", "storable app")),
    st.integers(0, len(APPS) - 1),
    st.just(1),
)
_changes = st.tuples(st.sampled_from(CHANGES), st.integers(0, 23), st.just(1))
_rounds = st.lists(
    st.tuples(st.one_of(_apps, _changes, _changes), _asks, st.sampled_from(((), _CALM, _CALM))),
    min_size=6,
    max_size=16,
)


@settings(max_examples=120, deadline=None)
@given(
    _requests,
    st.integers(0, 5),
    _rounds,
)
def test_answers_and_counts_are_the_same_with_and_without(
    requests: list[_Request], quota: int, rounds: list[tuple[_Step, _Step, tuple[_Step, ...]]]
) -> None:
    steps: list[_Step] = [("limits", quota, 1), *_CALM]
    for changed, asked, calm in rounds:
        steps += (changed, asked, *calm)
    asyncio.run(_compare(requests, steps))


async def _compare(requests: Sequence[_Request], steps: Sequence[_Step]) -> Side:
    lane, *others = sides = [Side(kind) for kind in ("lane", "new", "long")]
    for what, number, times in steps:
        if what != "ask":
            for side in sides:
                change(side, what, number)
            continue
        for method, path, fields in requests:
            for _ in range(times):
                seen, *likewise = [
                    await side.ask(method, path, fields, peer=PEERS[number]) for side in sides
                ]
                assert likewise == [seen] * len(others)
                flights = [side.recorder.in_flight for side in sides]
                assert flights == [0] * len(sides)
    told = lane.told()
    assert [side.told() for side in others] == [told] * len(others)
    return lane


async def test_most_requests_of_an_ordinary_sequence_pass_at_once() -> None:
    """Else the test above would tell nothing. The first three of each are learnt from."""
    requests = [each for each in REQUESTS if each[0] == "GET" and not each[2]]
    assert len(requests) == 4
    ask = ("ask", 0, 10)
    calm = await _compare(requests, [("limits", 4, 1), ask])
    # What is cached is known once it is known of the path that its answers cannot be stored.
    assert (calm.called, calm.lanes) == (40, 4 * 7)
    stirred = await _compare(
        requests,
        [("limits", 4, 1), ask, ("advance", 4, 1), ask, ("pause", 4, 1), ask, ("purge", 1, 1), ask],
    )
    assert (stirred.called, stirred.lanes > 80) == (160, True)
    assert len(stirred.records) == 80
