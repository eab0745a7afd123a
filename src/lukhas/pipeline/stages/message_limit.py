"""Limits on the messages of a connection that stays open."""

from typing import Final

from lukhas.clock import Clock
from lukhas.errors import CountersUnavailableError
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stages.limit import LimitStage
from lukhas.pipeline.stages.observe import ObserveStage
from lukhas.policy.rate_limiting.plans import LimitPlan

__all__ = ("MessageLimit", "close_reason")

_TRY_AGAIN_LATER: Final = 1013  # RFC 6455 section 7.4.2, IANA WebSocket close codes
_POLICY_VIOLATION: Final = 1008  # RFC 6455 section 7.4.1
_MOST_REASON_BYTES = 123  # RFC 6455 section 5.5


class MessageLimit:
    """Counts the messages of the client.

    Args:
        limits: the limit stage.
        plan: the limits on messages.
        exchange: the connection.
        clock: the time.
        observe: told about messages over a limit; None for nobody.
    """

    __slots__ = ("_clock", "_exchange", "_limits", "_observe", "_plan")

    def __init__(
        self,
        limits: LimitStage,
        plan: LimitPlan,
        *,
        exchange: Exchange,
        clock: Clock,
        observe: ObserveStage | None,
    ) -> None:
        self._limits = limits
        self._plan = plan
        self._exchange = exchange
        self._clock = clock
        self._observe = observe

    @property
    def is_remote(self) -> bool:
        """Whether charging a message waits for an answer across the network."""
        return self._limits.is_remote

    async def close_code(self) -> tuple[int, str] | None:
        """Charges one message; gives the code and the reason to close with if it is too much."""
        now_ns = self._clock.now_ns()
        try:
            decision = await self._limits.admit_message(self._exchange, self._plan, now_ns)
        except CountersUnavailableError as error:
            return _TRY_AGAIN_LATER, close_reason(f"messages cannot be counted: {error.policy}")
        if decision is None:
            return None
        if self._observe is not None:
            self._observe.count_limits(self._exchange, decision)
        if decision.allowed:
            return None
        wait_s = decision.retry_after_s
        again = f", try again in {wait_s} s" if wait_s is not None else ""
        return _POLICY_VIOLATION, close_reason(f"over the limit {decision.policy}{again}")


def close_reason(text: str) -> str:
    """The text, cut to what a close frame holds."""
    return text.encode()[:_MOST_REASON_BYTES].decode("utf-8", "ignore")
