"""The way of requests through the gateway: no onion around the forwarding unless it is needed."""

from collections.abc import Coroutine
from typing import Any

from lukhas.http.messages import Response
from lukhas.pipeline.driving import Run
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.known_ways import KnownWays
from lukhas.pipeline.pipeline import Pipeline
from lukhas.pipeline.short_way import ShortWay
from lukhas.pipeline.stage import Handler
from lukhas.pipeline.stages.cache_plain import Onward

__all__ = ("DirectWay",)


class DirectWay:
    """Takes exchanges through a pipeline, around a handler that forwards them.

    Most requests that go on to an upstream get a whole answer that nobody wants to change. They
    pass the gates as in `ShortWay`, and what they wait in is the forwarding alone. Whatever comes
    out otherwise, such as a failure, a stream or something to store, is given to the onion of the
    stages as if it had been around the forwarding all the time.

    Args:
        pipeline: the stages.
        forward: the handler.
    """

    def __init__(self, pipeline: Pipeline, forward: Handler) -> None:
        self._forward = forward
        self._way = way = ShortWay(pipeline, self._handled)
        self._enter = way.enter
        self._headed = way.headed
        self._ended = way.ended
        # What came of exchanges whose onion is about to ask for it.
        self._outcomes: dict[Exchange, Response | BaseException] = {}

    @property
    def known(self) -> KnownWays | None:
        """See `ShortWay.known`."""
        return self._way.known

    def take(self, exchange: Exchange) -> Response | Run:
        """See `ShortWay.take`."""
        step = self._enter(exchange)
        return self._forwarded(exchange, step) if isinstance(step, Onward) else step

    async def _forwarded(self, exchange: Exchange, onward: Onward) -> Response:
        try:
            response = await self._forward(exchange)
        except BaseException as error:  # noqa: BLE001 - the onion raises it again
            return await self._late(exchange, onward, error)
        body = response.body
        if type(body) is bytes and self._headed(
            exchange, onward, response.status, response.headers
        ):
            self._ended(exchange, response.status, len(body))
            return response
        return await self._late(exchange, onward, response)

    def _late(
        self, exchange: Exchange, onward: Onward, outcome: Response | BaseException
    ) -> Coroutine[Any, Any, Response]:
        self._outcomes[exchange] = outcome
        return self._way.late(exchange, onward)

    def _handled(self, exchange: Exchange) -> Coroutine[Any, Any, Response]:
        """The handler inside the onion; where there is an outcome, it gives that, once."""
        outcomes = self._outcomes
        if outcomes:
            outcome = outcomes.pop(exchange, None)
            if outcome is not None:
                return _given(outcome)
        return self._forward(exchange)


async def _given(outcome: Response | BaseException) -> Response:
    if isinstance(outcome, Response):
        return outcome
    try:
        raise outcome
    finally:
        # It holds the frame that it is raised from.
        del outcome
