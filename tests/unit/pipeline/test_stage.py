"""Gates: stages that decide and have nothing more to do afterwards."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from lukhas.errors import HandlerError, StoreError
from lukhas.http.headers import Headers
from lukhas.http.messages import Response
from lukhas.pipeline import driving
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.pipeline import Pipeline
from lukhas.pipeline.stage import Gate, Stage
from lukhas.policy.modes import FailureMode
from lukhas.policy.verdicts import Outcome, Verdict
from tests.unit.pipeline.kit import Contained, Held, Layer, exchange, raising, ran

OPEN, CLOSED = FailureMode.OPEN, FailureMode.CLOSED
BROKEN = StoreError("broken")
Decide = Callable[[], Response | Awaitable[Response | None] | None]


class Turnstile(Gate):
    """Writes down that it was asked, and says what it is told to."""

    def __init__(
        self,
        name: str,
        log: list[str] | None = None,
        on_failure: FailureMode = CLOSED,
        decide: Decide = lambda: None,
    ) -> None:
        self.name = name
        self.on_failure = on_failure
        self.log = [] if log is None else log
        self.decide = decide

    def enter(self, exchange: Exchange) -> Response | Awaitable[Response | None] | None:
        self.log.append(self.name)
        return self.decide()


async def fine(exchange: Exchange) -> Response:
    return OK


OK = Response(200, Headers([]))


def test_gates_and_layers_keep_their_order() -> None:
    """Whatever stands between or behind them."""
    log: list[str] = []
    stages: list[Stage] = [
        Turnstile("a", log),
        Layer("b", log),
        Turnstile("c", log),
        Turnstile("d", log),
        Layer("e", log),
        Turnstile("f", log),
    ]
    one = exchange()
    assert ran(Pipeline(stages, Contained()), fine, one) is OK
    assert log == ["a", "b in", "c", "d", "e in", "f", "e out", "b out"]
    assert one.response is OK


def test_a_gate_that_answers_lets_nothing_pass() -> None:
    """Those around it see its answer; those behind it are not asked."""
    log: list[str] = []
    answer = Response(429, Headers([]))
    stages: list[Stage] = [
        Layer("a", log),
        Turnstile("b", log, decide=lambda: answer),
        Turnstile("c", log),
        Layer("d", log),
    ]
    one = exchange()
    assert ran(Pipeline(stages, Contained()), fine, one) is answer
    assert log == ["a in", "b", "a out"]
    assert one.response is answer


@pytest.mark.parametrize("answer", [None, Response(429, Headers([]))])
async def test_a_gate_may_have_to_wait(answer: Response | None) -> None:
    """Only then does the run leave the caller's stack."""

    async def remote() -> Response | None:
        await asyncio.sleep(0)
        return answer

    log: list[str] = []
    stages: list[Stage] = [Turnstile("a", log, decide=remote), Turnstile("b", log)]
    run = Pipeline(stages, Contained()).around(fine)(exchange())
    step = driving.start(run)
    assert isinstance(step, driving.Waiting)
    assert log == ["a"]
    assert await driving.finish(run, step) is (answer or OK)
    assert log == (["a"] if answer else ["a", "b"])


def failing_later() -> Awaitable[None]:
    async def remote() -> None:
        raise BROKEN

    return remote()


@pytest.mark.parametrize("decide", [raising(BROKEN), failing_later])
def test_a_gate_that_fails_open_is_passed(decide: Decide) -> None:
    """It is reported, leaves a verdict, and what is behind it runs."""
    log: list[str] = []
    contained = Contained()
    stages: list[Stage] = [Turnstile("a", log, OPEN, decide), Turnstile("b", log), Layer("c", log)]
    one = exchange()
    assert ran(Pipeline(stages, contained), fine, one) is OK
    assert log == ["a", "b", "c in", "c out"]
    assert contained.found == [("a", "broken")]
    assert one.verdicts == [Verdict("a", Outcome.FAILED, "the stage failed: fail-open")]


@pytest.mark.parametrize("decide", [raising(BROKEN), failing_later])
def test_a_gate_that_fails_closed_refuses(decide: Decide) -> None:
    """With 503; what is behind it does not run."""
    log: list[str] = []
    contained = Contained()
    stages: list[Stage] = [Layer("a", log), Turnstile("b", log, CLOSED, decide), Layer("c", log)]
    one = exchange()
    response = ran(Pipeline(stages, contained), fine, one)
    assert response.status == 503
    assert b"The b stage failed and is set to fail closed." in response.body  # type: ignore[operator]
    assert log == ["a in", "b", "a out"]
    assert contained.found == [("b", "broken")]
    assert one.verdicts == [Verdict("b", Outcome.FAILED, "the stage failed: fail-closed")]
    assert one.response is response


def test_open_failure_around_a_gate_keeps_its_refusal() -> None:
    """What a gate answered is the response below, like that of any stage."""
    answer = Response(429, Headers([]))
    stages: list[Stage] = [
        Layer("outer", [], OPEN, after=raising(BROKEN)),
        Turnstile("gate", decide=lambda: answer),
    ]
    assert ran(Pipeline(stages, Contained()), fine, exchange()) is answer


def test_open_failure_in_front_of_a_gate_still_asks_it() -> None:
    """The rest of the onion runs once."""
    log: list[str] = []
    stages: list[Stage] = [
        Layer("outer", log, OPEN, before=raising(BROKEN)),
        Turnstile("gate", log),
    ]
    assert ran(Pipeline(stages, Contained()), fine, exchange()) is OK
    assert log == ["outer in", "gate"]


def test_the_handlers_failure_passes_gates() -> None:
    """It is none of theirs."""
    contained = Contained()

    async def handler(_exchange: Exchange) -> Response:
        raise ValueError("no")

    with pytest.raises(HandlerError):
        ran(Pipeline([Turnstile("a", [], OPEN)], contained), handler, exchange())
    assert contained.found == []


@pytest.mark.parametrize("error", [asyncio.CancelledError(), KeyboardInterrupt()])
def test_cancellation_passes_a_gate(error: BaseException) -> None:
    """It is never contained."""
    contained = Contained()
    with pytest.raises(type(error)):
        ran(Pipeline([Turnstile("a", [], OPEN, raising(error))], contained), fine, exchange())
    assert contained.found == []


async def test_a_gate_is_a_stage() -> None:
    """Called as one, it answers or passes on by itself."""
    held = Held()

    async def remote() -> Response | None:
        return held.response

    assert await Turnstile("a")(exchange(), fine) is OK
    assert await Turnstile("a", decide=lambda: held.response)(exchange(), fine) is held.response
    assert await Turnstile("a", decide=remote)(exchange(), fine) is held.response
