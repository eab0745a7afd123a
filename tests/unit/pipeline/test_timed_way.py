"""The timed way does what the usual one does, and notes how long each part took."""

import asyncio
from typing import cast

import pytest

from lukhas.http.headers import Headers
from lukhas.http.messages import Response
from lukhas.pipeline.driving import Run, Waiting, finish, start
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.explaining import Explainer, ExplainRules
from lukhas.pipeline.pipeline import Pipeline
from lukhas.pipeline.stage import Backstop, Gate, Handler, Stage
from lukhas.pipeline.stages.observe import ObserveStage, SampledObserveStage
from lukhas.pipeline.timed_way import TimedWay
from lukhas.policy.explain.records import DecisionRecord
from lukhas.policy.modes import FailureMode
from lukhas.telemetry.recorder import Recorder
from lukhas.testing.clock import ManualClock
from tests.unit.pipeline.kit import Contained, known


class Slow(Gate):
    """A gate that takes 3 ns, and waits if it is told to."""

    name = "gate"
    on_failure = FailureMode.OPEN

    def __init__(self, clock: ManualClock, answer: Response | None, *, waits: bool) -> None:
        self._clock = clock
        self._answer = answer
        self._waits = waits

    def enter(self, _exchange: Exchange):  # type: ignore[no-untyped-def]
        self._clock.advance(ns=3)
        return self._late() if self._waits else self._answer

    async def _late(self) -> Response | None:
        await asyncio.sleep(0)
        self._clock.advance(ns=4)
        return self._answer


class Around:
    """A stage that takes 5 ns before and 7 ns after what is inside it."""

    name = "around"
    on_failure = FailureMode.OPEN

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock

    async def __call__(self, exchange: Exchange, call_next: Handler) -> Response:
        self._clock.advance(ns=5)
        response = await call_next(exchange)
        self._clock.advance(ns=7)
        return response


class Net(Backstop):
    name = "net"
    on_failure = FailureMode.OPEN

    async def __call__(self, exchange: Exchange, call_next: Handler) -> Response:
        return await call_next(exchange)


async def taken(
    answer: Response | None = None, *, waits: bool = False
) -> tuple[Response, list[DecisionRecord]]:
    clock = ManualClock(known().now_ns)
    records: list[DecisionRecord] = []
    recorder = Recorder()
    observe = SampledObserveStage(
        recorder, clock, explain=Explainer(ExplainRules(), records.append)
    )

    async def handler(_exchange: Exchange) -> Response:
        clock.advance(ns=11)
        return Response(200, Headers([]), b"ok")

    stages: list[Stage] = [
        ObserveStage(recorder, clock),
        Net(),
        Slow(clock, answer, waits=waits),
        Around(clock),
    ]
    way = TimedWay(Pipeline(stages, Contained()), handler, observe, clock)
    step: object = way.take(known())
    if not isinstance(step, Response):
        run = cast("Run", step)
        began = start(run)
        step = await finish(run, began) if isinstance(began, Waiting) else began
    assert isinstance(step, Response)
    return step, records


@pytest.mark.parametrize("waits", [False, True])
async def test_each_stage_is_timed_without_what_lies_inside_it(*, waits: bool) -> None:
    """Handler, stages and gates, whether they wait or not."""
    response, (record,) = await taken(waits=waits)
    assert response.status == 200
    times = {time.stage: time.took_ns for time in record.times}
    assert times == {"gate": 7 if waits else 3, "around": 12, "handler": 11}


async def test_a_gate_that_answers_is_the_last_one() -> None:
    """What lies behind it took no time."""
    response, (record,) = await taken(Response(429, Headers([]), b""))
    assert response.status == 429
    assert [time.stage for time in record.times] == ["gate"]


async def test_exchanges_of_the_background_are_not_timed() -> None:
    """They come to the stages by another way, and have nowhere to note it."""
    clock = ManualClock()
    recorder = Recorder()
    observe = SampledObserveStage(recorder, clock, explain=Explainer(ExplainRules(), print))
    found: list[Response] = []

    class Background:
        name = "background"
        on_failure = FailureMode.OPEN

        async def __call__(self, exchange: Exchange, call_next: Handler) -> Response:
            found.append(await call_next(known()))
            return await call_next(exchange)

    async def handler(_exchange: Exchange) -> Response:
        return Response(404, Headers([]), b"")

    pipeline = Pipeline([ObserveStage(recorder, clock), Background()], Contained())
    taken = TimedWay(pipeline, handler, observe, clock).take(known())
    assert not isinstance(taken, Response)
    assert isinstance(start(taken), Response)
    assert [response.status for response in found] == [404]
