"""What a stage is."""

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange
from lukhas.policy.modes import FailureMode

__all__ = ("Handler", "Stage")

# Any, Any: what a coroutine yields to the loop and gets from it is nobody's business here.
Handler = Callable[[Exchange], Coroutine[Any, Any, Response]]


class Stage(Protocol):
    """One layer of the onion around the handler.

    Attributes:
        name: for verdicts, metrics and health.
        on_failure: what to do with the request when the stage itself raises.
    """

    @property
    def name(self) -> str: ...

    @property
    def on_failure(self) -> FailureMode: ...

    def __call__(self, exchange: Exchange, call_next: Handler) -> Coroutine[Any, Any, Response]:
        """Answers the exchange, or passes it on with `await call_next(exchange)`.

        It awaits only when its store is remote, and holds nothing that is bound to the current
        task (`asyncio.timeout`, a cancel scope) across `call_next`.
        """
        ...
