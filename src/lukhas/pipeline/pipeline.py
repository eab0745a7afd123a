"""The onion: stages in order, each one contained when it fails."""

from collections.abc import Callable, Sequence

from lukhas.errors import HandlerError
from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.refusals import refusal
from lukhas.pipeline.stage import Gate, Handler, Stage
from lukhas.policy.modes import FailureMode
from lukhas.policy.verdicts import Outcome, Verdict

__all__ = ("OnContained", "Pipeline", "close", "discard")

_FAILS_CLOSED = "is set to fail closed"

OnContained = Callable[[str, Exception], None]


class Pipeline:
    """Stages around a handler.

    Calling it gives a coroutine that ends in the response, or raises `HandlerError` if the
    handler failed and no stage had another answer. A stage that raises is contained: it is
    reported to `on_contained`, leaves a verdict, and by its `on_failure` the request goes on
    without it or is refused with 503.

    Args:
        stages: outermost first.
        on_contained: told the name of a failed stage and what it raised.
    """

    def __init__(self, stages: Sequence[Stage], on_contained: OnContained) -> None:
        self.stages = tuple(stages)
        self.on_contained = on_contained

    def with_stages(self, stages: Sequence[Stage]) -> "Pipeline":
        """A pipeline of other stages that reports failures to the same place."""
        return Pipeline(stages, self.on_contained)

    def around(self, handler: Handler) -> Handler:
        """The whole onion around `handler`, as one handler."""
        wrapped = _marked(len(self.stages), handler)
        gates: list[Gate] = []
        for index in range(len(self.stages) - 1, -1, -1):
            stage = self.stages[index]
            if isinstance(stage, Gate):
                gates.insert(0, stage)
                continue
            if gates:
                wrapped = self._gated(gates, wrapped)
                gates = []
            wrapped = self._guarded(index, wrapped)
        return self._gated(gates, wrapped) if gates else wrapped

    def contain(self, exchange: Exchange, stage: Stage, error: Exception) -> Response | None:
        """Contains a stage that raised before anything was passed on.

        Returns:
            The refusal, if it fails closed; None to go on without it.
        """
        self.on_contained(stage.name, error)
        _tell(exchange, stage)
        if stage.on_failure is FailureMode.OPEN:
            return None
        return _undecided(exchange, stage, _FAILS_CLOSED)

    def _guarded(self, index: int, call_next: Handler) -> Handler:
        stage = self.stages[index]
        # The bound method: calling the object would look it up again for every request.
        run = stage.__call__

        async def guarded(exchange: Exchange) -> Response:
            exchange.depth = index
            try:
                response = await run(exchange, call_next)
            except HandlerError:
                raise
            except Exception as error:  # noqa: BLE001 - a failing stage must not fail the request
                self.on_contained(stage.name, error)
                response = await _contained(exchange, stage, index, call_next)
            except BaseException:
                # Cancelled: nobody will send what was answered below.
                below = exchange.response
                if below is not None:
                    exchange.response = None
                    discard(below)
                raise
            exchange.response = response
            return response

        return guarded

    def _gated(self, gates: Sequence[Gate], call_next: Handler) -> Handler:
        """Gates that follow each other, one guard for all of them, and what is behind them."""
        entries = tuple((gate, gate.enter) for gate in gates)

        async def gated(exchange: Exchange) -> Response:
            for gate, enter in entries:
                try:
                    answer = enter(exchange)
                    if answer is not None and not isinstance(answer, Response):
                        answer = await answer
                except Exception as error:  # noqa: BLE001 - as for any stage
                    answer = self.contain(exchange, gate, error)
                if answer is not None:
                    exchange.response = answer
                    return answer
            return await call_next(exchange)

        return gated


async def _contained(exchange: Exchange, stage: Stage, index: int, call_next: Handler) -> Response:
    _tell(exchange, stage)
    below = exchange.response
    if stage.on_failure is FailureMode.OPEN:
        if below is not None:
            return below
        if exchange.depth == index:
            return await call_next(exchange)
        why = "had already passed the request on"
    else:
        why = _FAILS_CLOSED
    if below is not None:
        discard(below)
    return _undecided(exchange, stage, why)


def _tell(exchange: Exchange, stage: Stage) -> None:
    exchange.verdicts.append(
        Verdict(stage.name, Outcome.FAILED, f"the stage failed: fail-{stage.on_failure.value}")
    )


def _undecided(exchange: Exchange, stage: Stage, why: str) -> Response:
    return refusal(
        exchange,
        status=503,
        slug="policy-failed",
        title="A policy could not be decided",
        detail=f"The {stage.name} stage failed and {why}.",
    )


def _marked(depth: int, handler: Handler) -> Handler:
    """The handler, its failures wrapped so that no stage's containment swallows them."""

    async def marked(exchange: Exchange) -> Response:
        exchange.depth = depth
        try:
            response = await handler(exchange)
        except Exception as error:
            raise HandlerError(error) from error
        exchange.response = response
        return response

    return marked


def close(response: Response) -> None:
    """The response was sent: frees what it holds. Only the first call does something."""
    # The exchange holds the response, and what is freed here often holds the exchange: cleared,
    # they go at once, and the garbage collector has nothing to look for.
    on_close, response.on_close, response.taps = response.on_close, None, None
    if on_close is not None:
        on_close()


def discard(response: Response) -> None:
    """Gives up a response that will not be sent whole, so that whatever it holds is freed."""
    try:
        for tap in response.taps or ():
            tap.abort()
    finally:
        close(response)
