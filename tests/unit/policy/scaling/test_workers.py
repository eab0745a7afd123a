"""When there are more workers, and when fewer."""

from dataclasses import replace

import pytest

from lukhas.policy.scaling.workers import (
    ScalingMove,
    ScalingRules,
    ScalingState,
    WorkerLoad,
    scaled,
)
from lukhas.units import MILLISECOND_NS, SECOND_NS

RULES = ScalingRules(least=1, most=8)


class Watched:
    """Workers that are looked at once a second."""

    def __init__(self, count: int = 1, rules: ScalingRules = RULES) -> None:
        self.count = count
        self.rules = rules
        self.state = ScalingState()
        self.now_ns = 0
        self.moves: list[tuple[int, ScalingMove]] = []

    def look(self, busy: float, late_ms: float = 0.0, *, seconds: int = 1) -> None:
        """So busy and so late is each worker for so long."""
        for _ in range(seconds):
            self.now_ns += SECOND_NS
            loads = [WorkerLoad(busy, round(late_ms * MILLISECOND_NS))] * self.count
            self.state, move = scaled(
                self.state, self.rules, count=self.count, loads=loads, now_ns=self.now_ns
            )
            if move is not None:
                assert move.before == self.count
                self.count = move.after
                self.moves.append((self.now_ns // SECOND_NS, move))


def test_busy_workers_get_help() -> None:
    """As soon as it has lasted, and as many as are needed; the reason is told."""
    watched = Watched()
    watched.look(1.0, seconds=3)
    assert watched.count == 1
    watched.look(1.0)
    assert watched.count == 2
    assert str(watched.moves[0][1]) == "1 -> 2 workers: each uses 1.00 of a CPU, above 0.75"
    watched.look(1.0, seconds=5)
    # Two CPUs are used: four workers would use half of one each.
    assert watched.count == 4


def test_a_moment_is_no_reason() -> None:
    """What ends before it has lasted moves nothing."""
    watched = Watched()
    for _ in range(20):
        watched.look(1.0, seconds=2)
        watched.look(0.1, seconds=4)
    assert watched.moves == []


def test_late_loops_get_help() -> None:
    """Also where no CPU is used: something else keeps them."""
    watched = Watched()
    watched.look(0.2, late_ms=120, seconds=4)
    assert watched.count == 2
    assert watched.moves[0][1].why == "event loops are 120 ms late, above 50 ms"


def test_late_loops_are_not_calm() -> None:
    """While they are late, none is taken away."""
    watched = Watched(count=8)
    watched.look(0.01, late_ms=60, seconds=300)
    assert watched.count == 8


def test_a_long_calm_takes_one_away() -> None:
    """One at a time, each after a calm of its own, down to the least."""
    watched = Watched(count=3)
    watched.look(0.1, seconds=60)
    assert watched.count == 3
    watched.look(0.1)
    assert watched.count == 2
    assert watched.moves[0][1].why == (
        "all together use 0.30 of a CPU, for 60 s below 0.45 each with one fewer"
    )
    watched.look(0.1, seconds=60)
    assert watched.count == 2
    watched.look(0.1, seconds=600)
    assert watched.count == 1


def test_one_that_the_others_could_not_replace_stays() -> None:
    """Between the two thresholds nothing moves, for however long."""
    watched = Watched(count=2)
    watched.look(0.3, seconds=1000)
    watched.look(0.7, seconds=1000)
    assert watched.moves == []


def test_no_more_at_once_than_a_step() -> None:
    """Starting workers costs what they are to bring."""
    watched = Watched(count=8, rules=replace(RULES, most=64))
    watched.look(1.0, seconds=4)
    assert watched.count == 12


def test_never_more_than_the_most() -> None:
    """However busy they are."""
    watched = Watched(count=7)
    watched.look(1.0, seconds=100)
    assert watched.count == 8
    assert len(watched.moves) == 1


@pytest.mark.parametrize(("count", "after"), [(1, 2), (9, 4)])
def test_other_bounds_are_followed_at_once(count: int, after: int) -> None:
    """After a change of settings there is nothing to wait for."""
    watched = Watched(count=count, rules=ScalingRules(least=2, most=4))
    watched.look(0.5)
    assert watched.count == after
    assert watched.moves[0][1].why == "there are to be 2 to 4"


def test_without_a_look_nothing_is_decided() -> None:
    """Workers that are all just being started say nothing."""
    state = ScalingState(demand=1.0, seen_ns=1, hot_since_ns=1)
    assert scaled(state, RULES, count=2, loads=[], now_ns=10**12) == (state, None)


def test_after_a_move_there_is_a_pause() -> None:
    """What was added has to begin to work before it is judged."""
    watched = Watched()
    watched.look(1.0, seconds=4)
    watched.look(1.0, seconds=4)
    assert watched.count == 2
    watched.look(1.0)
    assert watched.count == 4
