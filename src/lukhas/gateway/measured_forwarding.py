"""Tells how each upstream did, where they are chosen by that."""

from collections.abc import Callable, Coroutine
from typing import Any

from lukhas.errors import UpstreamError
from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stage import Handler
from lukhas.policy.routing.upstream_race import ChosenUpstream

__all__ = ("MeasuredForwarding",)

_FIRST_FAULT = 500


class MeasuredForwarding:
    """Stands before the upstreams; times the answers to exchanges whose upstream was chosen so.

    To the head of the answer, and all that it took: tries at other servers of the upstream, and
    the wait for a connection. No answer, none in time, and one of 500 and more are failures; what
    the client gave up tells nothing.

    Args:
        forward: sends an exchange to its upstream.
        now_ns: the time.
    """

    def __init__(self, forward: Handler, now_ns: Callable[[], int]) -> None:
        self._forward = forward
        self._now_ns = now_ns

    def __call__(self, exchange: Exchange) -> Coroutine[Any, Any, Response]:
        """See `Handler`."""
        chosen = getattr(exchange, "best_of", None)
        if chosen is None or exchange.upstream != chosen.name:
            # No coroutine of ours in between.
            return self._forward(exchange)
        return self._measured(exchange, chosen)

    async def _measured(self, exchange: Exchange, chosen: ChosenUpstream) -> Response:
        race, index = chosen.race, chosen.index
        began_ns = self._now_ns()
        race.began(index, began_ns)
        try:
            response = await self._forward(exchange)
        except UpstreamError:
            now_ns = self._now_ns()
            race.answered(index, now_ns - began_ns, now_ns, failed=True)
            raise
        except BaseException:
            race.ended(index)
            raise
        now_ns = self._now_ns()
        failed = response.status >= _FIRST_FAULT
        race.answered(index, now_ns - began_ns, now_ns, failed=failed)
        return response
