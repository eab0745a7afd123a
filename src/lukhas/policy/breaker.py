"""When to leave something that fails alone, and when to try it again.

The circuit breaker of M. Nygard, *Release It!* (2nd ed., chapter 5): closed while all is well, open
after too many failures, half open while trials show whether it works again.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import assert_never

from lukhas.units import MILLISECOND_NS, SECOND_NS

__all__ = (
    "CLOSED",
    "BreakerPhase",
    "BreakerSettings",
    "BreakerState",
    "ask",
    "failed",
    "recovered",
    "succeeded",
    "tripped",
)


class BreakerPhase(Enum):
    """What a breaker does with calls."""

    CLOSED = "closed"
    """All may pass."""
    OPEN = "open"
    """None may pass."""
    HALF_OPEN = "half_open"
    """A few may pass, as trials."""


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """When a breaker opens and closes.

    Attributes:
        failures: so many failures without a success between them open it.
        share: and so does this share of failures within a window, above 0; 1 or more: never.
        window_ns: how long the share is counted before counting starts anew.
        least_calls: how many calls a window must have before its share says anything.
        pause_ns: how long it stays open the first time.
        growth: how many times longer each pause is than the one before, at least 1.
        longest_pause_ns: no pause is longer.
        trials: how many successes in a row close it; as many may be under way at once.
    """

    failures: int = 5
    share: float = 1.0
    window_ns: int = 10 * SECOND_NS
    least_calls: int = 20
    pause_ns: int = 100 * MILLISECOND_NS
    growth: float = 2.0
    longest_pause_ns: int = 5 * SECOND_NS
    trials: int = 1

    def __post_init__(self) -> None:
        if (
            min(self.failures, self.least_calls, self.trials, self.window_ns, self.pause_ns) < 1
            or self.growth < 1
            or self.share <= 0
            or self.longest_pause_ns < self.pause_ns
        ):
            raise ValueError(f"these settings make no breaker: {self}")


@dataclass(frozen=True, slots=True)
class BreakerState:
    """What a breaker remembers; a new one is `CLOSED`.

    Attributes:
        phase: what it does with calls.
        streak: failures since the last success; half open: successes of trials.
        calls: calls counted in the window.
        bad: those of them that failed.
        window_end_ns: when the window ends.
        pauses: how many pauses there were in a row.
        pause_ns: how long the last one is, or was.
        until_ns: open: the end of the pause. Half open: when trials that were not heard of are
            given up. Closed: until then another opening continues the row of pauses.
        trials: half open: trials under way or passed.
    """

    phase: BreakerPhase = BreakerPhase.CLOSED
    streak: int = 0
    calls: int = 0
    bad: int = 0
    window_end_ns: int = 0
    pauses: int = 0
    pause_ns: int = 0
    until_ns: int = 0
    trials: int = 0


CLOSED = BreakerState()


def ask(state: BreakerState, settings: BreakerSettings, now_ns: int) -> tuple[BreakerState, bool]:
    """Whether a call may pass; whoever passes reports `succeeded`, `failed`, or nothing at all.

    A trial that nobody reports on does not block the breaker: after another pause its place is
    given to the next.
    """
    if state.phase is BreakerPhase.CLOSED:
        return state, True
    if state.phase is BreakerPhase.OPEN or state.trials >= settings.trials:
        if now_ns < state.until_ns:
            return state, False
        state = replace(
            state,
            phase=BreakerPhase.HALF_OPEN,
            streak=0,
            trials=0,
            until_ns=now_ns + state.pause_ns,
        )
    return replace(state, trials=state.trials + 1), True


def succeeded(state: BreakerState, settings: BreakerSettings, now_ns: int) -> BreakerState:
    """After a call that passed went well."""
    match state.phase:
        case BreakerPhase.OPEN:
            # It began before the breaker opened: that it ended well says nothing about now.
            return state
        case BreakerPhase.HALF_OPEN:
            if state.streak + 1 < settings.trials:
                return replace(state, streak=state.streak + 1)
            return recovered(state, now_ns)
        case BreakerPhase.CLOSED:
            if settings.share >= 1:
                return replace(state, streak=0) if state.streak else state
            return _counted(state, settings, now_ns, bad=0)
        case _:
            assert_never(state.phase)


def failed(state: BreakerState, settings: BreakerSettings, now_ns: int) -> BreakerState:
    """After a call that passed failed."""
    match state.phase:
        case BreakerPhase.OPEN:
            return state
        case BreakerPhase.HALF_OPEN:
            return tripped(state, settings, now_ns)
        case BreakerPhase.CLOSED:
            state = _counted(state, settings, now_ns, bad=1)
            too_many = state.streak >= settings.failures or (
                state.calls >= settings.least_calls and state.bad > settings.share * state.calls
            )
            return tripped(state, settings, now_ns) if too_many else state
        case _:
            assert_never(state.phase)


def tripped(state: BreakerState, settings: BreakerSettings, now_ns: int) -> BreakerState:
    """Opened, or opened for longer, after a failure that leaves no doubt."""
    in_a_row = state.phase is not BreakerPhase.CLOSED or now_ns < state.until_ns
    if in_a_row and state.pauses:
        pause_ns = min(int(state.pause_ns * settings.growth), settings.longest_pause_ns)
        pauses = state.pauses + 1
    else:
        pause_ns, pauses = settings.pause_ns, 1
    return BreakerState(
        phase=BreakerPhase.OPEN, pauses=pauses, pause_ns=pause_ns, until_ns=now_ns + pause_ns
    )


def recovered(state: BreakerState, now_ns: int) -> BreakerState:
    """Closed, after a proof that leaves no doubt.

    If it opens again before it was closed for as long as it was open, its pauses go on growing.
    """
    return BreakerState(
        pauses=state.pauses, pause_ns=state.pause_ns, until_ns=now_ns + state.pause_ns
    )


def _counted(
    state: BreakerState, settings: BreakerSettings, now_ns: int, *, bad: int
) -> BreakerState:
    fresh = now_ns >= state.window_end_ns
    return replace(
        state,
        streak=state.streak + 1 if bad else 0,
        calls=1 if fresh else state.calls + 1,
        bad=bad if fresh else state.bad + bad,
        window_end_ns=now_ns + settings.window_ns if fresh else state.window_end_ns,
    )
