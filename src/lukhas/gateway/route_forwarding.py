"""What routes say about forwarding: how long it may take, and whether copies are sent."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from lukhas.errors import UpstreamError, UpstreamTimeoutError
from lukhas.gateway.mirrors import Mirrors
from lukhas.http.messages import Response
from lukhas.pipeline.driving import enter_task
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stage import Handler
from lukhas.policy.routing.mirroring import Mirror
from lukhas.policy.routing.routes import RouteRule
from lukhas.units import SECOND_NS

__all__ = ("RouteForwarding",)


class RouteForwarding:
    """Stands before the upstreams, where any route has a word to say.

    Args:
        forward: sends an exchange to its upstream.
        timeouts_s: for each upstream the time for an answer, all tries together, where the route
            says nothing; 0 for any time.
        mirrors: sends copies; None where none are wanted.
        draw: gives random numbers from 0 to 1, 1 not included.
        on_error: told when the time is over.
    """

    def __init__(
        self,
        forward: Handler,
        *,
        timeouts_s: Mapping[str, float],
        mirrors: Mirrors | None,
        draw: Callable[[], float],
        on_error: Callable[[UpstreamError], None],
    ) -> None:
        self._forward = forward
        self._timeouts_s = timeouts_s
        self._mirrors = mirrors
        self._draw = draw
        self._on_error = on_error

    def __call__(self, exchange: Exchange) -> Coroutine[Any, Any, Response]:
        """See `Handler`.

        Raises:
            UpstreamError: the upstream could not answer, or not in time.
        """
        rule = exchange.route.rule if exchange.route is not None else None
        timeout_s = self._timeout_s(exchange, rule)
        mirror = rule.mirror if rule is not None else None
        # The plain way has no coroutine of ours in between.
        run = self._timed(exchange, timeout_s) if timeout_s else self._forward(exchange)
        mirrors = self._mirrors
        if mirror is None or mirrors is None or not mirror.takes(self._draw()):
            return run
        return _mirrored(exchange, run, mirrors, mirror)

    def _timeout_s(self, exchange: Exchange, rule: RouteRule | None) -> float:
        if rule is not None and rule.timeout_ns is not None:
            return rule.timeout_ns / SECOND_NS
        return self._timeouts_s[exchange.upstream_name]

    async def _timed(self, exchange: Exchange, timeout_s: float) -> Response:
        await enter_task()
        try:
            async with asyncio.timeout(timeout_s):
                return await self._forward(exchange)
        except TimeoutError:
            what = f"no response within {timeout_s:g} s, all tries together"
            error = UpstreamTimeoutError(exchange.upstream_name, what, sent=True)
            self._on_error(error)
            raise error from None


async def _mirrored(
    exchange: Exchange, run: Coroutine[Any, Any, Response], mirrors: Mirrors, mirror: Mirror
) -> Response:
    """Sends the copy afterwards: by then the body of the request is there whole, or is gone."""
    try:
        response = await run
    except UpstreamError:
        mirrors.send(exchange, mirror)
        raise
    mirrors.send(exchange, mirror)
    return response
