"""The way of requests through the gateway: no onion around the forwarding unless it is needed."""

from collections.abc import Awaitable, Callable, Coroutine
from inspect import isroutine
from typing import Any

from lukhas.gateway.direct_call import Answer, DirectCall
from lukhas.http.messages import Response
from lukhas.pipeline.driving import Run
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.known_ways import KnownWays
from lukhas.pipeline.pipeline import Pipeline
from lukhas.pipeline.short_way import ShortWay
from lukhas.pipeline.stage import Handler
from lukhas.pipeline.stages.cache_plain import UNSHARED, UNTOUCHED, Onward

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
        # The bound method: calling the object would look it up again for every request.
        way_on: Any = forward
        self._forward: Handler = forward if isroutine(way_on) else way_on.__call__
        self._way = way = ShortWay(pipeline, self._handled)
        self._enter = way.enter
        self._untouched = (_Passage(way, self._late, UNTOUCHED),)
        self._unshared = (_Passage(way, self._late, UNSHARED),)
        # What came of exchanges whose onion is about to ask for it.
        self._outcomes: dict[Exchange, Response | BaseException] = {}

    @property
    def known(self) -> KnownWays | None:
        """See `ShortWay.known`."""
        return self._way.known

    def take(self, exchange: Exchange) -> Response | Run:
        """See `ShortWay.take`; the run may be a `DirectCall`."""
        step = self._enter(exchange)
        if isinstance(step, Response) or not isinstance(step, Onward):
            return step
        try:
            forwarded = self._forward(exchange)
        except Exception as error:  # noqa: BLE001 - the onion raises it again
            return self._late(exchange, step, error)
        passage = self._unshared if step is UNSHARED else self._untouched
        if type(forwarded) is DirectCall:
            forwarded.layers += passage
            return forwarded
        return passage[0].around(exchange, forwarded)

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


class _Passage:
    """The stages around the forwarding, as a layer around a call (see `Layer`).

    Args:
        way: knows what an answer that goes out as it is does to them.
        late: makes the onion for any other outcome.
        onward: how the requests have passed the cache.
    """

    def __init__(
        self,
        way: ShortWay,
        late: Callable[[Exchange, Onward, Response | BaseException], Run],
        onward: Onward,
    ) -> None:
        self._headed = way.headed
        self._ended = way.ended
        self._late = late
        self._onward = onward

    def passes(self, exchange: Exchange, answer: Answer, body: bytes) -> bool:
        """See `Layer`; an answer that goes out as it is is counted."""
        status = answer.status
        if not self._headed(exchange, self._onward, status, answer.headers):
            return False
        self._ended(exchange, status, len(body))
        return True

    async def around(self, exchange: Exchange, inner: Awaitable[Response]) -> Response:
        """See `Layer`."""
        onward = self._onward
        try:
            response = await inner
        except BaseException as error:  # noqa: BLE001 - the onion raises it again
            return await self._late(exchange, onward, error)
        body = response.body
        if type(body) is bytes and self.passes(exchange, response, body):
            return response
        return await self._late(exchange, onward, response)


async def _given(outcome: Response | BaseException) -> Response:
    if isinstance(outcome, Response):
        return outcome
    try:
        raise outcome
    finally:
        # It holds the frame that it is raised from.
        del outcome
