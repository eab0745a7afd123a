"""How many workers serve: more while they are busy or late, fewer after a long calm.

Two thresholds with a gap between them (hysteresis), each of which has to hold for a while, as in
the horizontal autoscaler of Kubernetes: growing is quick, shrinking takes a stable minute, and one
step never makes the reason for the opposite one. Demand is measured in CPUs: what all workers use
together. So how many are needed follows from one look, and not from trying.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, exp

from lukhas.units import MILLISECOND_NS, SECOND_NS

__all__ = ("ScalingMove", "ScalingRules", "ScalingState", "WorkerLoad", "scaled")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingRules:
    """When workers are added and taken away.

    Attributes:
        least: never fewer, at least 1.
        most: never more.
        busy_above: more are wanted where workers use more of a CPU each, on average.
        busy_wanted: so much of a CPU is each to use after that.
        busy_below: one fewer is wanted where the others would still use less of a CPU each; well
            below `busy_above`.
        late_above_ns: more are wanted where the event loops are later, on average.
        grow_after_ns: how long one of these has to hold before there are more.
        shrink_after_ns: how long it has to be calm before there is one fewer.
        pause_ns: how long after any move there is no other one that grows.
        step: so many are added at once at most.
        smoothing_ns: the time constant of the averages.
    """

    least: int
    most: int
    busy_above: float = 0.75
    busy_wanted: float = 0.6
    busy_below: float = 0.45
    late_above_ns: int = 50 * MILLISECOND_NS
    grow_after_ns: int = 3 * SECOND_NS
    shrink_after_ns: int = 60 * SECOND_NS
    pause_ns: int = 5 * SECOND_NS
    step: int = 4
    smoothing_ns: int = 2 * SECOND_NS


@dataclass(frozen=True, slots=True)
class WorkerLoad:
    """What one worker had to do since the look before.

    Attributes:
        busy: the part of one CPU that it used, 0 to 1 and with helper threads somewhat more.
        late_ns: how late its event loop was, on average.
    """

    busy: float
    late_ns: int


@dataclass(frozen=True, slots=True)
class ScalingState:
    """What is remembered between two looks.

    Attributes:
        demand: the CPUs that all workers use together, smoothed.
        late_ns: how late their event loops are, smoothed.
        seen_ns: the last look; None before the first.
        hot_since_ns: since when more are wanted; None while they are not.
        calm_since_ns: since when one fewer would do; None while it would not.
        moved_ns: the last move; None before the first.
    """

    demand: float = 0.0
    late_ns: float = 0.0
    seen_ns: int | None = None
    hot_since_ns: int | None = None
    calm_since_ns: int | None = None
    moved_ns: int | None = None


@dataclass(frozen=True, slots=True)
class ScalingMove:
    """Another number of workers.

    Attributes:
        before: how many there are.
        after: how many there are to be.
        why: the reason, for people.
    """

    before: int
    after: int
    why: str

    def __str__(self) -> str:
        return f"{self.before} -> {self.after} workers: {self.why}"


def scaled(
    state: ScalingState,
    rules: ScalingRules,
    *,
    count: int,
    loads: Sequence[WorkerLoad],
    now_ns: int,
) -> tuple[ScalingState, ScalingMove | None]:
    """Looks at the workers, and decides.

    Args:
        state: what was remembered.
        rules: when to move.
        count: how many workers there are to be at present.
        loads: those of the workers that could be looked at.
        now_ns: the time, which never goes back.

    Returns:
        What to remember, and the move if there is one; it is taken to be carried out.
    """
    if not rules.least <= count <= rules.most:
        bounded = min(max(count, rules.least), rules.most)
        why = f"there are to be {rules.least} to {rules.most}"
        return ScalingState(moved_ns=now_ns), ScalingMove(count, bounded, why)
    if not loads:
        return state, None
    state = _observed(state, rules, count=count, loads=loads, now_ns=now_ns)
    move = _growth(state, rules, count, now_ns) or _shrinking(state, rules, count, now_ns)
    if move is not None:
        state = replace(state, hot_since_ns=None, calm_since_ns=None, moved_ns=now_ns)
    return state, move


def _observed(
    state: ScalingState,
    rules: ScalingRules,
    *,
    count: int,
    loads: Sequence[WorkerLoad],
    now_ns: int,
) -> ScalingState:
    demand = sum(load.busy for load in loads)
    late_ns = sum(load.late_ns for load in loads) / len(loads)
    if state.seen_ns is not None:
        kept = exp((state.seen_ns - now_ns) / rules.smoothing_ns)
        demand += (state.demand - demand) * kept
        late_ns += (state.late_ns - late_ns) * kept
    is_late = late_ns > rules.late_above_ns
    is_hot = is_late or demand > rules.busy_above * count
    is_calm = not is_late and demand < rules.busy_below * (count - 1)
    return replace(
        state,
        demand=demand,
        late_ns=late_ns,
        seen_ns=now_ns,
        hot_since_ns=(now_ns if state.hot_since_ns is None else state.hot_since_ns)
        if is_hot
        else None,
        calm_since_ns=(now_ns if state.calm_since_ns is None else state.calm_since_ns)
        if is_calm
        else None,
    )


def _growth(
    state: ScalingState, rules: ScalingRules, count: int, now_ns: int
) -> ScalingMove | None:
    since_ns = state.hot_since_ns
    if since_ns is None or now_ns - since_ns < rules.grow_after_ns or count == rules.most:
        return None
    if state.moved_ns is not None and now_ns - state.moved_ns < rules.pause_ns:
        return None
    needed = ceil(state.demand / rules.busy_wanted)
    after = min(max(needed, count + 1), count + rules.step, rules.most)
    if state.demand > rules.busy_above * count:
        why = f"each uses {state.demand / count:.2f} of a CPU, above {rules.busy_above:g}"
    else:
        late_ms = state.late_ns / MILLISECOND_NS
        why = f"event loops are {late_ms:.0f} ms late, above {_ms(rules.late_above_ns)}"
    return ScalingMove(count, after, why)


def _shrinking(
    state: ScalingState, rules: ScalingRules, count: int, now_ns: int
) -> ScalingMove | None:
    since_ns = state.calm_since_ns
    if since_ns is None or now_ns - since_ns < rules.shrink_after_ns or count == rules.least:
        return None
    why = (
        f"all together use {state.demand:.2f} of a CPU, for {rules.shrink_after_ns // SECOND_NS} s"
        f" below {rules.busy_below:g} each with one fewer"
    )
    return ScalingMove(count, count - 1, why)


def _ms(time_ns: int) -> str:
    return f"{time_ns / MILLISECOND_NS:g} ms"
