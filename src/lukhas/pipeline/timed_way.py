"""The way of a sampled request: the same stages, each one timed.

It is a second way beside the usual one, so that requests that are not sampled pay nothing for it.
"""

from collections.abc import Awaitable
from typing import Any

from lukhas.clock import Clock
from lukhas.http.messages import Response
from lukhas.pipeline.driving import Run
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.pipeline import Pipeline
from lukhas.pipeline.request_trace import StageStay
from lukhas.pipeline.short_way import ShortWay
from lukhas.pipeline.stage import Backstop, Gate, Handler, Stage
from lukhas.pipeline.stages.observe import ObserveStage
from lukhas.policy.modes import FailureMode

__all__ = ("TimedWay",)


class TimedWay:
    """Takes requests through the stages of a pipeline, and notes how long each one takes.

    Args:
        pipeline: the stages, an observe stage first.
        handler: what is inside.
        observe: takes the place of the observe stage, and keeps what it sees.
        clock: what is timed by.
    """

    def __init__(
        self, pipeline: Pipeline, handler: Handler, observe: ObserveStage, clock: Clock
    ) -> None:
        stages = [_timed(stage, clock) for stage in pipeline.stages[1:]]
        inner = _TimedHandler(handler, clock)
        self._take = ShortWay(pipeline.with_stages([observe, *stages]), inner.__call__).take

    def take(self, exchange: Exchange) -> Response | Run:
        """See `ShortWay.take`."""
        exchange.times = []
        return self._take(exchange)


def _timed(stage: Stage, clock: Clock) -> Stage:
    if isinstance(stage, Backstop):
        # It does nothing but in a failure, and where it stands is known by what it is.
        return stage
    return _TimedGate(stage, clock) if isinstance(stage, Gate) else _TimedStage(stage, clock)


def _note(
    exchange: Exchange, stage: str, *, began_ns: int, ended_ns: int, inside_ns: int = 0
) -> None:
    # Exchanges of the background are not those that were sampled.
    times: list[StageStay] | None = getattr(exchange, "times", None)
    if times is not None:
        times.append(StageStay(stage, ended_ns - began_ns - inside_ns, began_ns, ended_ns))


class _TimedGate(Gate):
    def __init__(self, gate: Gate, clock: Clock) -> None:
        self.name = gate.name
        self.on_failure: FailureMode = gate.on_failure
        self._enter = gate.enter
        self._now_ns = clock.now_ns

    def enter(self, exchange: Exchange) -> Response | Awaitable[Response | None] | None:
        began_ns = self._now_ns()
        answer = self._enter(exchange)
        if answer is None or isinstance(answer, Response):
            _note(exchange, self.name, began_ns=began_ns, ended_ns=self._now_ns())
            return answer
        return self._awaited(exchange, answer, began_ns)

    async def _awaited(
        self, exchange: Exchange, answer: Awaitable[Response | None], began_ns: int
    ) -> Response | None:
        try:
            return await answer
        finally:
            _note(exchange, self.name, began_ns=began_ns, ended_ns=self._now_ns())


class _TimedStage:
    def __init__(self, stage: Stage, clock: Clock) -> None:
        self.name = stage.name
        self.on_failure: FailureMode = stage.on_failure
        self._run = stage.__call__
        self._now_ns = clock.now_ns

    async def __call__(self, exchange: Exchange, call_next: Handler) -> Response:
        """See `Stage`."""
        inside_ns = 0

        async def inner(inner_exchange: Exchange) -> Response:
            nonlocal inside_ns
            began_ns = self._now_ns()
            try:
                return await call_next(inner_exchange)
            finally:
                inside_ns += self._now_ns() - began_ns

        began_ns = self._now_ns()
        try:
            return await self._run(exchange, inner)
        finally:
            _note(
                exchange,
                self.name,
                began_ns=began_ns,
                ended_ns=self._now_ns(),
                inside_ns=inside_ns,
            )


class _TimedHandler:
    def __init__(self, handler: Handler, clock: Clock) -> None:
        self._handler = handler
        self._now_ns = clock.now_ns

    async def __call__(self, exchange: Exchange) -> Any:
        """See `Handler`."""
        began_ns = self._now_ns()
        try:
            return await self._handler(exchange)
        finally:
            _note(exchange, "handler", began_ns=began_ns, ended_ns=self._now_ns())
