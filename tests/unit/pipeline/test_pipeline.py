"""The onion: order, short circuits, and what becomes of a stage that fails."""

import asyncio
import json

import pytest

from lukhas.errors import HandlerError, StoreError, UpstreamError
from lukhas.http.headers import Headers
from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.pipeline import Pipeline, close, discard
from lukhas.pipeline.stage import Handler
from lukhas.policy.modes import FailureMode
from lukhas.policy.verdicts import Outcome, Verdict
from tests.unit.pipeline.kit import Contained, Held, Layer, exchange, raising, ran

OPEN, CLOSED = FailureMode.OPEN, FailureMode.CLOSED
BROKEN = StoreError("broken")


def failed(name: str, mode: str) -> Verdict:
    return Verdict(name, Outcome.FAILED, f"the stage failed: fail-{mode}")


def handler_of(response: Response, log: list[str] | None = None) -> Handler:
    async def handler(_exchange: Exchange) -> Response:
        if log is not None:
            log.append("handler")
        return response

    return handler


def failing(error: BaseException) -> Handler:
    async def handler(_exchange: Exchange) -> Response:
        raise error

    return handler


def refused(response: Response, why: str) -> bool:
    problem = json.loads(response.body)  # type: ignore[arg-type]
    assert problem == {
        "type": "urn:lukhas:problem:policy-failed",
        "title": "A policy could not be decided",
        "status": 503,
        "detail": f"The broken stage failed and {why}.",
        "instance": "urn:lukhas:request:id-1",
    }
    return response.status == 503


def test_stages_run_from_outside_in_and_back() -> None:
    """Each sees the exchange before and after those inside it."""
    log: list[str] = []
    stages = [Layer(name, log) for name in "abc"]
    response = Response(200, Headers([]))
    pipeline = Pipeline(stages, Contained())
    assert pipeline.stages == tuple(stages)
    assert ran(pipeline, handler_of(response, log), exchange()) is response
    assert log == ["a in", "b in", "c in", "handler", "c out", "b out", "a out"]


def test_no_stages_leave_the_handler() -> None:
    """The onion without layers is what it is around."""
    response = Response(200, Headers([]))
    one = exchange()
    assert ran(Pipeline([], Contained()), handler_of(response), one) is response
    assert one.response is response


def test_a_stage_may_answer_itself() -> None:
    """Nothing inside it runs; those around it see its answer."""
    log: list[str] = []
    answer = Response(429, Headers([]))
    stages = [Layer("a", log), Layer("b", log, before=lambda: answer), Layer("c", log)]
    one = exchange()
    assert ran(Pipeline(stages, Contained()), failing(BROKEN), one) is answer
    assert log == ["a in", "b in", "a out"]
    assert one.depth == 1


def test_a_stage_may_replace_the_response() -> None:
    """The exchange keeps the outermost one made so far."""
    inner, outer = Response(200, Headers([])), Response(206, Headers([]))
    one = exchange()
    stages = [Layer("a", after=lambda _response: outer), Layer("b")]
    assert ran(Pipeline(stages, Contained()), handler_of(inner), one) is outer
    assert one.response is outer


def test_one_pipeline_serves_many_handlers_and_exchanges() -> None:
    """It holds nothing of a run."""
    pipeline = Pipeline([Layer("a")], Contained())
    one, other = Response(200, Headers([])), Response(404, Headers([]))
    assert ran(pipeline, handler_of(one), exchange()) is one
    assert ran(pipeline, handler_of(other), exchange()) is other


def test_other_stages_report_to_the_same_place() -> None:
    """A pipeline made from another has its stages, not its layers."""
    contained = Contained()
    pipeline = Pipeline([Layer("a", [], CLOSED, before=raising(BROKEN))], contained)
    other = pipeline.with_stages([Layer("b", [], OPEN, before=raising(BROKEN))])
    held = Held()
    assert ran(other, handler_of(held.response), exchange()) is held.response
    assert contained.found == [("b", "broken")]
    assert [stage.name for stage in pipeline.stages] == ["a"]


def test_open_failure_before_the_call_goes_on_without_the_stage() -> None:
    """The rest of the onion still runs."""
    log: list[str] = []
    contained = Contained()
    stages = [
        Layer("a", log),
        Layer("broken", log, OPEN, before=raising(BROKEN)),
        Layer("c", log),
    ]
    one = exchange()
    response = Response(200, Headers([]))
    assert ran(Pipeline(stages, contained), handler_of(response, log), one) is response
    assert log == ["a in", "broken in", "c in", "handler", "c out", "a out"]
    assert contained.found == [("broken", "broken")]
    assert one.verdicts == [failed("broken", "open")]


def test_open_failure_after_the_call_keeps_the_response() -> None:
    """It is not asked for a second time, and nothing of it is given up."""
    log: list[str] = []
    contained = Contained()
    held = Held()
    stages = [Layer("broken", log, OPEN, after=raising(BROKEN))]
    one = exchange()
    assert ran(Pipeline(stages, contained), handler_of(held.response, log), one) is held.response
    assert log.count("handler") == 1
    assert held.given_up == (0, 0)
    assert contained.found == [("broken", "broken")]
    assert one.verdicts == [failed("broken", "open")]
    assert one.response is held.response


def test_closed_failure_before_the_call_refuses() -> None:
    """With 503, and the handler never runs."""
    log: list[str] = []
    contained = Contained()
    stages = [Layer("a", log), Layer("broken", log, CLOSED, before=raising(BROKEN))]
    one = exchange()
    response = ran(Pipeline(stages, contained), handler_of(Held().response, log), one)
    assert refused(response, "is set to fail closed")
    assert log == ["a in", "broken in", "a out"]
    assert contained.found == [("broken", "broken")]
    assert one.verdicts == [failed("broken", "closed")]
    assert one.response is response


def test_closed_failure_after_the_call_gives_the_response_up() -> None:
    """Its taps are aborted and what it holds is freed, once."""
    held = Held()
    stages = [Layer("a"), Layer("broken", [], CLOSED, after=raising(BROKEN)), Layer("c")]
    one = exchange()
    response = ran(Pipeline(stages, Contained()), handler_of(held.response), one)
    assert refused(response, "is set to fail closed")
    assert held.given_up == (1, 1)
    assert one.response is response


def test_open_failure_with_the_handlers_failure_in_hand_is_refused() -> None:
    """There is no response to fall back to, and asking twice might act twice."""
    calls = []

    class Catching(Layer):
        async def __call__(self, exchange: Exchange, call_next: Handler) -> Response:
            try:
                return await call_next(exchange)
            except HandlerError:
                raise BROKEN from None

    async def handler(_exchange: Exchange) -> Response:
        calls.append(1)
        raise ValueError("no")

    response = ran(Pipeline([Catching("broken", [], OPEN)], Contained()), handler, exchange())
    assert refused(response, "had already passed the request on")
    assert calls == [1]


@pytest.mark.parametrize("mode", [OPEN, CLOSED])
@pytest.mark.parametrize("error", [ValueError("no"), UpstreamError("x", "gone", sent=True)])
def test_handler_failures_pass_every_stage(mode: FailureMode, error: Exception) -> None:
    """They are no failures of a stage: wrapped once, contained nowhere, no verdict left."""
    contained = Contained()
    one = exchange()
    pipeline = Pipeline([Layer(name, [], mode) for name in "abc"], contained)
    with pytest.raises(HandlerError) as caught:
        ran(pipeline, failing(error), one)
    assert caught.value.cause is error
    assert caught.value.__cause__ is error
    assert (contained.found, one.verdicts, one.response) == ([], [], None)
    assert one.depth == 3


def test_a_stage_may_answer_for_a_failed_handler() -> None:
    """A stale response, say."""
    stale = Response(200, Headers([]))

    class StaleIfError(Layer):
        async def __call__(self, exchange: Exchange, call_next: Handler) -> Response:
            try:
                return await call_next(exchange)
            except HandlerError:
                return stale

    one = exchange()
    contained = Contained()
    pipeline = Pipeline([Layer("a"), StaleIfError("b")], contained)
    assert ran(pipeline, failing(ValueError("no")), one) is stale
    assert contained.found == []


def test_open_failure_of_an_outer_stage_keeps_an_inner_refusal() -> None:
    """Containment nests: the inner one refused, the outer one lets that stand."""
    contained = Contained()
    one = exchange()
    stages = [
        Layer("outer", [], OPEN, after=raising(BROKEN)),
        Layer("broken", [], CLOSED, before=raising(BROKEN)),
    ]
    response = ran(Pipeline(stages, contained), handler_of(Held().response), one)
    assert refused(response, "is set to fail closed")
    assert contained.found == [("broken", "broken"), ("outer", "broken")]
    assert one.verdicts == [failed("broken", "closed"), failed("outer", "open")]


def test_all_stages_failing_open_leave_the_handlers_answer() -> None:
    """Before and after the call, each is contained once."""
    contained = Contained()
    held = Held()
    stages = [
        Layer("a", [], OPEN, before=raising(BROKEN)),
        Layer("b", [], OPEN, after=raising(BROKEN)),
        Layer("c", [], OPEN, before=raising(BROKEN)),
    ]
    assert ran(Pipeline(stages, contained), handler_of(held.response), exchange()) is held.response
    assert [name for name, _error in contained.found] == ["a", "c", "b"]


@pytest.mark.parametrize("mode", [OPEN, CLOSED])
@pytest.mark.parametrize("error", [asyncio.CancelledError(), GeneratorExit(), KeyboardInterrupt()])
def test_cancellation_passes(mode: FailureMode, error: BaseException) -> None:
    """From the handler and from a stage, before it or after it: never contained."""
    contained = Contained()
    for stage in (
        Layer("a", [], mode),
        Layer("a", [], mode, before=raising(error)),
        Layer("a", [], mode, after=raising(error)),
    ):
        handler = failing(error) if stage.after is None else handler_of(Held().response)
        with pytest.raises(type(error)) as caught:
            ran(Pipeline([Layer("outer"), stage], contained), handler, exchange())
        assert caught.value is error
    assert contained.found == []


def test_a_cancelled_stage_gives_the_response_below_up() -> None:
    """Nobody will send it: freed once, however many stages are around."""
    held = Held()
    one = exchange()
    stages = [Layer("a"), Layer("b", after=raising(asyncio.CancelledError())), Layer("c")]
    with pytest.raises(asyncio.CancelledError):
        ran(Pipeline(stages, Contained()), handler_of(held.response), one)
    assert held.given_up == (1, 1)
    assert one.response is None


def test_discard_frees_what_there_is() -> None:
    """All taps, and what waits for the end of the response; either may be missing."""
    held, other = Held(), Held()
    held.response.taps = [held.tap, other.tap]
    discard(held.response)
    assert held.given_up == (1, 1)
    assert other.tap.aborted == 1
    discard(Response(200, Headers([])))


def test_a_response_is_closed_once_and_lets_go() -> None:
    """What is called at the close is called once, and is not held any longer."""
    closed: list[str] = []
    response = Response(200, Headers([]), b"", taps=[], on_close=lambda: closed.append("x"))
    close(response)
    close(response)
    discard(response)
    assert closed == ["x"]
    assert (response.on_close, response.taps) == (None, None)
