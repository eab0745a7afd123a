"""The settle stage: puts right what a request was charged, once its response has ended."""

from lukhas.http.messages import Response
from lukhas.pipeline.endings import follow
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stage import Handler
from lukhas.pipeline.stages.limit import LimitStage
from lukhas.policy.modes import FailureMode

__all__ = ("SettleStage",)


class SettleStage:
    """Tells the limits what a request really cost, and that it is no longer in flight.

    It stands inside the limit stage, where there are limits that want to know, or a stage that
    sheds load; else it is left out, and costs nothing.

    Args:
        limits: the limit stage.
    """

    name = "settle"
    on_failure = FailureMode.OPEN

    def __init__(self, limits: LimitStage) -> None:
        self._limits = limits

    async def __call__(self, exchange: Exchange, call_next: Handler) -> Response:
        """Passes the exchange on, and follows its response to the end."""
        decision = exchange.limit
        if decision is None or not decision.allowed:
            return await call_next(exchange)
        limits = self._limits
        try:
            response = await call_next(exchange)
        except BaseException:
            limits.settle(exchange, decision, None, 0)
            raise
        if decision.plan.settles:
            follow(response, lambda size: limits.settle(exchange, decision, response, size))
        elif exchange.shed:
            limits.settle(exchange, decision, response, 0)
        return response
