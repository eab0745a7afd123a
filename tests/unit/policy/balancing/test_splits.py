"""Splits of the requests among upstreams."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lukhas.policy.balancing.splits import chosen_share, place_of


def test_a_caller_stays_on_its_side() -> None:
    """The same place everywhere, another one for another split."""
    assert place_of("canary", b"key:a") == place_of("canary", b"key:a")
    assert place_of("canary", b"key:a") != place_of("other", b"key:a")


def test_parts_get_what_they_weigh() -> None:
    """Within what chance allows."""
    places = [place_of("s", b"caller-%d" % number) for number in range(10_000)]
    chosen = Counter(chosen_share((90, 10), place) for place in places)
    assert 850 < chosen[1] < 1150


@given(
    weights=st.lists(st.integers(0, 100), min_size=1, max_size=6),
    place=st.floats(0, 1),
)
def test_no_request_goes_to_a_part_without_weight(weights: list[int], place: float) -> None:
    """And where no part has any, it is an error."""
    if not any(weights):
        with pytest.raises(ValueError, match="no part"):
            chosen_share(weights, place)
    else:
        assert weights[chosen_share(weights, place)] > 0


def test_the_last_place_is_in_the_last_part() -> None:
    """The last that has any weight."""
    assert chosen_share((1, 1, 0), 1.0) == 1


@given(place=st.floats(0, 1, exclude_max=True), first=st.integers(0, 100), more=st.integers(0, 100))
def test_who_moves_moves_to_the_part_that_grows(place: float, first: int, more: int) -> None:
    """A canary that grows takes callers over and gives none back."""
    grown = min(100, first + more)
    before = chosen_share((100 - first, first), place) if first < 100 else 1
    after = chosen_share((100 - grown, grown), place) if grown < 100 else 1
    assert after >= before
