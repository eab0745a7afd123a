"""When a breaker opens, and how it closes again."""

import pytest

from lukhas.policy import breaker
from lukhas.policy.breaker import CLOSED, BreakerPhase, BreakerSettings, BreakerState
from lukhas.units import SECOND_NS

NOW_NS = 1_750_000_000 * SECOND_NS
THREE = BreakerSettings(failures=3, pause_ns=100, longest_pause_ns=350)


def failing(settings: BreakerSettings, times: int, now_ns: int = NOW_NS) -> BreakerState:
    state = CLOSED
    for _ in range(times):
        state = breaker.failed(state, settings, now_ns)
    return state


def test_it_stays_closed_below_its_bound() -> None:
    """One failure less than the bound changes nothing for callers."""
    state = failing(THREE, 2)
    assert state.phase is BreakerPhase.CLOSED
    assert breaker.ask(state, THREE, NOW_NS) == (state, True)


def test_failures_in_a_row_open_it() -> None:
    """At the bound it opens, and nobody passes until the pause is over."""
    state = failing(THREE, 3)
    assert state.phase is BreakerPhase.OPEN
    assert breaker.ask(state, THREE, NOW_NS + 99) == (state, False)
    state, may_pass = breaker.ask(state, THREE, NOW_NS + 100)
    assert may_pass
    assert state.phase is BreakerPhase.HALF_OPEN


def test_a_success_ends_the_row() -> None:
    """Failures with successes between them do not open it."""
    state = CLOSED
    for _ in range(10):
        state = breaker.failed(breaker.failed(state, THREE, NOW_NS), THREE, NOW_NS)
        state = breaker.succeeded(state, THREE, NOW_NS)
    assert state.phase is BreakerPhase.CLOSED


def test_successes_of_a_closed_one_make_no_new_state() -> None:
    """The ordinary case costs nothing."""
    assert breaker.succeeded(CLOSED, THREE, NOW_NS) is CLOSED


def test_a_share_of_failures_opens_it() -> None:
    """Where many fail among many that go well, the share within a window decides."""
    settings = BreakerSettings(failures=1000, share=0.5, least_calls=10, window_ns=SECOND_NS)
    state = CLOSED
    for _ in range(4):
        state = breaker.succeeded(state, settings, NOW_NS)
    for _ in range(4):
        state = breaker.failed(state, settings, NOW_NS)
    state = breaker.failed(state, settings, NOW_NS)
    assert state.phase is BreakerPhase.CLOSED  # 5 of 9: too few calls to judge
    assert breaker.failed(state, settings, NOW_NS).phase is BreakerPhase.OPEN
    later_ns = NOW_NS + SECOND_NS
    assert breaker.failed(state, settings, later_ns).phase is BreakerPhase.CLOSED


def test_a_trial_that_goes_well_closes_it() -> None:
    """And its row of failures is forgotten."""
    state, _ = breaker.ask(failing(THREE, 3), THREE, NOW_NS + 100)
    state = breaker.succeeded(state, THREE, NOW_NS + 110)
    assert state.phase is BreakerPhase.CLOSED
    assert state.streak == 0


def test_several_trials_may_be_wanted() -> None:
    """It closes after as many successes, and lets no more through at once."""
    settings = BreakerSettings(failures=1, pause_ns=100, trials=2)
    state = failing(settings, 1)
    passed = []
    for _ in range(3):
        state, may_pass = breaker.ask(state, settings, NOW_NS + 100)
        passed.append(may_pass)
    assert passed == [True, True, False]
    state = breaker.succeeded(state, settings, NOW_NS + 101)
    assert state.phase is BreakerPhase.HALF_OPEN
    assert breaker.succeeded(state, settings, NOW_NS + 102).phase is BreakerPhase.CLOSED


def test_trials_nobody_reports_on_give_way() -> None:
    """A caller that vanished does not keep it half open for ever."""
    state, _ = breaker.ask(failing(THREE, 3), THREE, NOW_NS + 100)
    assert breaker.ask(state, THREE, NOW_NS + 199)[1] is False
    assert breaker.ask(state, THREE, NOW_NS + 200)[1] is True


def test_pauses_grow_up_to_the_longest() -> None:
    """Each failed trial doubles the pause."""
    state, now_ns, pauses = failing(THREE, 3), NOW_NS, []
    for _ in range(4):
        pauses.append(state.pause_ns)
        now_ns = state.until_ns
        state, _ = breaker.ask(state, THREE, now_ns)
        state = breaker.failed(state, THREE, now_ns)
    assert pauses == [100, 200, 350, 350]


def test_pauses_go_on_growing_if_it_opens_again_at_once() -> None:
    """Something that greets well and then fails is not tried all the time."""
    state = breaker.recovered(failing(THREE, 3), NOW_NS + 100)
    soon = breaker.tripped(state, THREE, NOW_NS + 150)
    late = breaker.tripped(state, THREE, NOW_NS + 200)
    assert (soon.pause_ns, late.pause_ns) == (200, 100)
    assert (soon.pauses, late.pauses) == (2, 1)


def test_news_of_old_calls_change_nothing_while_it_is_open() -> None:
    """They began before it opened."""
    state = failing(THREE, 3)
    assert breaker.succeeded(state, THREE, NOW_NS) is state
    assert breaker.failed(state, THREE, NOW_NS) is state


@pytest.mark.parametrize(
    "wrong",
    [
        {"failures": 0},
        {"trials": 0},
        {"growth": 0.5},
        {"share": 0},
        {"pause_ns": 10, "longest_pause_ns": 9},
    ],
)
def test_settings_that_make_no_breaker(wrong: dict[str, int]) -> None:
    """They are refused where they are made."""
    with pytest.raises(ValueError, match="make no breaker"):
        BreakerSettings(**wrong)
