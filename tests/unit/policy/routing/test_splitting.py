"""Several upstreams for one route."""

from collections import Counter

import pytest

from lukhas.policy.routing.splitting import Split

SPLIT = Split("shop", ("stable", "canary"), (90, 10))


def test_a_caller_stays_with_a_part() -> None:
    """Whatever is drawn; and the parts are as large as their weights say."""
    callers = [b"consumer-%d" % number for number in range(4000)]
    chosen = [SPLIT.choose(caller, 0.0) for caller in callers]
    assert chosen == [SPLIT.choose(caller, 0.99) for caller in callers]
    assert 320 < Counter(chosen)["canary"] < 480


def test_a_larger_canary_keeps_its_callers() -> None:
    """Raising a weight moves callers to the canary and none away from it."""
    larger = Split("shop", ("stable", "canary"), (50, 50))
    callers = [b"consumer-%d" % number for number in range(1000)]
    before = {caller for caller in callers if SPLIT.choose(caller, 0.0) == "canary"}
    after = {caller for caller in callers if larger.choose(caller, 0.0) == "canary"}
    assert before < after


@pytest.mark.parametrize(
    ("drawn", "upstream"), [(0.0, "stable"), (0.89, "stable"), (0.9, "canary")]
)
def test_nobody_known_is_drawn_for(drawn: float, upstream: str) -> None:
    """Each request on its own."""
    assert SPLIT.choose(b"", drawn) == upstream


def test_not_the_same_callers_are_first_everywhere() -> None:
    """Another split has another canary."""
    other = Split("cart", ("stable", "canary"), (90, 10))
    callers = [b"consumer-%d" % number for number in range(1000)]
    parts = [{c for c in callers if split.choose(c, 0.0) == "canary"} for split in (SPLIT, other)]
    assert len(parts[0] & parts[1]) < 40
