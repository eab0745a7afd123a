"""Chooses requests to be looked at closely, at no cost for all others."""

import asyncio
import math
from collections.abc import Callable

from lukhas.gateway.front_state import FrontState, Take
from lukhas.http.messages import Response
from lukhas.pipeline.driving import Run
from lukhas.pipeline.exchange import Exchange

__all__ = ("RequestSampler",)


class RequestSampler:
    """Sends the next request another way, every now and then.

    Not every n-th request, which would have to be counted: at random moments the way of the next
    request is exchanged, and with that request it is as before.

    Args:
        state: whose requests.
        timed: the other way.
        per_second: how many, on average; above 0.
        draw: gives a random number from 0 to 1, 1 not included.
    """

    def __init__(
        self, state: FrontState, timed: Take, *, per_second: float, draw: Callable[[], float]
    ) -> None:
        self._state = state
        self._plain = state.take
        self._known = state.known
        self._timed = timed
        self._per_second = per_second
        self._draw = draw

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            # The pauses of a Poisson process: no rhythm of the clients can hide from it.
            await asyncio.sleep(-math.log(1.0 - self._draw()) / self._per_second)
            self.arm()

    def arm(self) -> None:
        """The next request goes the other way."""
        self._state.take = self._once
        self._state.known = None

    def _once(self, exchange: Exchange) -> Response | Run:
        self._state.take = self._plain
        self._state.known = self._known
        return self._timed(exchange)
