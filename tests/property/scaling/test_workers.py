"""The number of workers under any load: within its bounds, and without flapping."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lukhas.policy.scaling.workers import (
    ScalingMove,
    ScalingRules,
    ScalingState,
    WorkerLoad,
    scaled,
)
from lukhas.units import MILLISECOND_NS, SECOND_NS

RULES = st.builds(
    lambda least, more, step: ScalingRules(least=least, most=least + more, step=step),
    st.integers(1, 6),
    st.integers(0, 10),
    st.integers(1, 4),
)
LOADS = st.lists(
    st.builds(WorkerLoad, st.floats(0, 1.5), st.integers(0, SECOND_NS)), min_size=0, max_size=12
)


@given(rules=RULES, count=st.integers(1, 20), looks=st.lists(LOADS, max_size=80))
def test_any_looks(rules: ScalingRules, count: int, looks: list[list[WorkerLoad]]) -> None:
    """After the first look the bounds hold; no step is too long; nobody shrinks by two."""
    state, now_ns = ScalingState(), 0
    for number, loads in enumerate(looks):
        now_ns += SECOND_NS
        state, move = scaled(state, rules, count=count, loads=loads, now_ns=now_ns)
        if move is not None:
            assert move.before == count != move.after
            if number:
                assert count - 1 <= move.after <= count + rules.step
            count = move.after
        assert rules.least <= count <= rules.most


class Machine:
    """Workers that share a demand evenly; once a second they are looked at.

    Args:
        rules: of the scaling.
        count: how many there are at first.
    """

    def __init__(self, rules: ScalingRules, count: int) -> None:
        self.rules = rules
        self.count = count
        self.state = ScalingState()
        self.second = 0
        self.moves: list[tuple[int, ScalingMove]] = []

    def run(self, demand: Callable[[int], float], seconds: int) -> None:
        """Serves a demand, in CPUs by second."""
        for _ in range(seconds):
            self.second += 1
            each = demand(self.second) / self.count
            # What is too much is not done, and makes all else late.
            late_ns = round(max(0.0, each - 0.95) * 400 * MILLISECOND_NS)
            loads = [WorkerLoad(min(1.0, each), late_ns)] * self.count
            self.state, move = scaled(
                self.state,
                self.rules,
                count=self.count,
                loads=loads,
                now_ns=self.second * SECOND_NS,
            )
            if move is not None:
                self.count = move.after
                self.moves.append((self.second, move))


@settings(max_examples=60)
@given(rules=RULES, count=st.integers(1, 16), demand=st.floats(0, 20))
def test_a_steady_demand_is_settled_once(rules: ScalingRules, count: int, demand: float) -> None:
    """It moves in one direction, then never again; and there are neither too few nor too many."""
    count = min(max(count, rules.least), rules.most)
    machine = Machine(rules, count)
    machine.run(lambda _: demand, 1000)
    steps = [move.after - move.before for _, move in machine.moves]
    assert all(step > 0 for step in steps) or all(step < 0 for step in steps)
    settled = len(machine.moves)
    machine.run(lambda _: demand, 1000)
    assert len(machine.moves) == settled
    each = demand / machine.count
    # At the very edge of a threshold the smoothed demand may stay on one side for ever.
    assert each <= rules.busy_above + 1e-9 or machine.count == rules.most
    fewer = machine.count - 1
    assert machine.count == rules.least or demand / fewer >= rules.busy_below - 1e-9


def turns(moves: Sequence[tuple[int, ScalingMove]]) -> int:
    """How often the direction changed."""
    steps = [move.after > move.before for _, move in moves]
    return sum(before is not after for before, after in pairwise(steps))


@pytest.mark.parametrize("half_s", [1, 2, 3, 5, 10, 20, 40, 59])
@pytest.mark.parametrize(("low", "high"), [(0.1, 0.9), (0.2, 3.0), (1.0, 6.0)])
def test_a_quick_square_load_does_not_flap(half_s: int, low: float, high: float) -> None:
    """Calm that is shorter than what it takes to shrink takes nobody away."""
    machine = Machine(ScalingRules(least=1, most=8), 1)
    machine.run(lambda second: high if (second // half_s) % 2 else low, 3600)
    assert turns(machine.moves) == 0
    assert all(move.after > move.before for _, move in machine.moves)


@pytest.mark.parametrize("half_s", [120, 300, 900])
def test_a_slow_square_load_is_followed(half_s: int) -> None:
    """Up at most once and down at most once in each period."""
    machine = Machine(ScalingRules(least=1, most=8), 1)
    periods = 6
    machine.run(lambda second: 3.0 if (second // half_s) % 2 else 0.2, 2 * half_s * periods)
    assert turns(machine.moves) <= 2 * periods
    assert max(move.after for _, move in machine.moves) >= 4
    gaps = [
        later - earlier
        for (earlier, first), (later, second) in pairwise(machine.moves)
        if (first.after > first.before) and (second.after < second.before)
    ]
    assert min(gaps) >= 60


@settings(max_examples=40)
@given(period_s=st.integers(20, 1800), low=st.floats(0, 2), swing=st.floats(0, 6))
def test_a_sine_load_turns_no_more_often_than_it_does(
    period_s: int, low: float, swing: float
) -> None:
    """At most up once and down once in a period, whatever its length and height."""
    machine = Machine(ScalingRules(least=1, most=8), 1)

    def demand(second: int) -> float:
        return low + swing * (1 - math.cos(2 * math.pi * second / period_s)) / 2

    periods = max(2, 1800 // period_s)
    machine.run(demand, periods * period_s)
    assert turns(machine.moves) <= 2 * periods


@settings(max_examples=15)
@given(period_s=st.integers(600, 3600))
def test_a_slow_sine_load_has_the_workers_that_it_needs(period_s: int) -> None:
    """Nobody is kept busier than half a minute of growth allows."""
    machine = Machine(ScalingRules(least=1, most=8), 1)
    short = 0

    def demand(second: int) -> float:
        nonlocal short
        wanted = 0.3 + 2 * (1 - math.cos(2 * math.pi * second / period_s))
        short += wanted / machine.count > 0.95
        return wanted

    machine.run(demand, 2 * period_s)
    assert short <= 2 * 30
