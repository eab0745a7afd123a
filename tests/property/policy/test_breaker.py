"""What holds for a breaker whatever happens to it."""

from hypothesis import given
from hypothesis import strategies as st

from lukhas.policy import breaker
from lukhas.policy.breaker import CLOSED, BreakerPhase, BreakerSettings

EVENTS = st.lists(
    st.tuples(st.sampled_from(("ask", "good", "bad", "trip")), st.integers(0, 500)), max_size=80
)
SETTINGS = st.builds(
    BreakerSettings,
    failures=st.integers(1, 4),
    share=st.sampled_from((0.3, 1.0)),
    window_ns=st.integers(1, 1000),
    least_calls=st.integers(1, 5),
    pause_ns=st.integers(1, 200),
    growth=st.sampled_from((1.0, 1.5, 2.0)),
    longest_pause_ns=st.integers(200, 900),
    trials=st.integers(1, 3),
)


@given(SETTINGS, EVENTS)
def test_nobody_passes_in_a_pause_and_no_pause_is_endless(
    settings: BreakerSettings, events: list[tuple[str, int]]
) -> None:
    """While it is open nobody passes before its time, and after the longest pause somebody does."""
    state, now_ns = CLOSED, 1_000
    for event, step_ns in events:
        now_ns += step_ns
        before = state
        match event:
            case "ask":
                state, may_pass = breaker.ask(state, settings, now_ns)
                if before.phase is BreakerPhase.OPEN:
                    assert may_pass == (now_ns >= before.until_ns)
                assert may_pass or before.phase is not BreakerPhase.CLOSED
            case "good":
                state = breaker.succeeded(state, settings, now_ns)
                assert state.phase is not BreakerPhase.OPEN or before.phase is BreakerPhase.OPEN
            case "bad":
                state = breaker.failed(state, settings, now_ns)
                assert state.phase is not BreakerPhase.HALF_OPEN
            case _:
                state = breaker.tripped(state, settings, now_ns)
                assert state.phase is BreakerPhase.OPEN
        assert state.pause_ns <= settings.longest_pause_ns
        assert 0 <= state.bad <= state.calls
        assert breaker.ask(state, settings, now_ns + settings.longest_pause_ns)[1]


@given(SETTINGS, st.integers(0, 10))
def test_failures_alone_open_it_and_successes_alone_close_it(
    settings: BreakerSettings, more: int
) -> None:
    """From anywhere it gets to where the facts point."""
    state, now_ns = CLOSED, 1_000
    for _ in range(settings.failures + more):
        state = breaker.failed(state, settings, now_ns)
    assert state.phase is BreakerPhase.OPEN
    for _ in range(settings.trials):
        now_ns += settings.longest_pause_ns
        state, may_pass = breaker.ask(state, settings, now_ns)
        assert may_pass
        state = breaker.succeeded(state, settings, now_ns)
    assert state.phase is BreakerPhase.CLOSED
