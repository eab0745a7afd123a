"""What a stage is."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange
from lukhas.policy.modes import FailureMode

__all__ = ("Backstop", "BodyReader", "Gate", "Handler", "Stage")

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


class Gate(ABC):
    """A stage that has nothing more to do once it has let the exchange pass.

    It is a stage like any other. But the pipeline asks gates one after the other, without a
    coroutine around all that follows, which costs a third. A stage that wants to see the response
    or the failure of what is inside it is no gate.
    """

    name: str
    on_failure: FailureMode

    @abstractmethod
    def enter(self, exchange: Exchange) -> Response | Awaitable[Response | None] | None:
        """Decides about the exchange.

        Returns:
            The response that answers it, or None to let it pass. A gate that has to ask a remote
            store gives an awaitable of that; one that decides from memory must not.
        """

    async def __call__(self, exchange: Exchange, call_next: Handler) -> Response:
        """See `Stage`."""
        answer = self.enter(exchange)
        if answer is not None and not isinstance(answer, Response):
            answer = await answer
        return await call_next(exchange) if answer is None else answer


class Backstop(ABC):
    """A stage that only does something when what is inside it fails with a `HandlerError`.

    What is answered without asking the handler needs none of it.

    Attributes:
        sees_answers: whether it also has a look at what is answered inside it.
    """

    name: str
    on_failure: FailureMode
    sees_answers = False

    @abstractmethod
    async def __call__(self, exchange: Exchange, call_next: Handler) -> Response:
        """See `Stage`."""


class BodyReader(ABC):
    """A stage that reads request bodies, so that a way in has to hand them to the pipeline.

    It leaves on the exchange what the handler is to get: the body as it was, bytes, or another
    asynchronous iterator with a `length`, which is None where it is not known.
    """

    name: str
    on_failure: FailureMode

    @abstractmethod
    async def __call__(self, exchange: Exchange, call_next: Handler) -> Response:
        """See `Stage`."""
