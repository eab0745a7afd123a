"""Serving WebSocket connections: the handshake goes through the pipeline as a request does."""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.middleware.binding import Binding
from lukhas.middleware.marks import EXCHANGE_KEY
from lukhas.middleware.request_heads import RequestHeads
from lukhas.middleware.websockets import Connection, refuse_connection
from lukhas.pipeline.driving import Waiting, finish, start
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.intake import Intake
from lukhas.pipeline.refusals import refusal
from lukhas.pipeline.stages.message_limit import MessageLimit

__all__ = ("Serving",)

_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Scope]]
_Send = Callable[[_Scope], Awaitable[None]]

# A handshake is a GET (RFC 6455 section 4.1), and a server on a Unix socket knows no address.
_SCHEMES = {"ws": "http", "wss": "https"}
_NO_PEER = "unix"


@dataclass(frozen=True, slots=True)
class Serving:
    """What connections are served with.

    Attributes:
        app: the app.
        binding: its routes in the pipeline.
        intake: makes exchanges.
        heads: reads request heads.
    """

    app: Callable[[_Scope, _Receive, _Send], Awaitable[None]]
    binding: Binding
    intake: Intake
    heads: RequestHeads

    async def connection(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        """Serves one connection to its end."""
        client = scope.get("client")
        peer = client[0] if client else _NO_PEER
        scheme = _SCHEMES.get(scope.get("scheme", "ws"), "http")
        head = self.heads.read({**scope, "method": "GET", "scheme": scheme})
        if head is None:
            head = RequestHead("GET", scheme, b"", b"/", b"", Headers([]))
            exchange = self.intake.exchange(head, peer)
            response = _invalid_host(exchange)
            await refuse_connection(scope, receive, send, exchange=exchange, response=response)
            return
        exchange = self.intake.exchange(head, peer)
        run = self.binding.connection_handler(scope.get("root_path", ""))(exchange)
        step = start(run)
        if isinstance(step, Waiting):
            step = await finish(run, step)
        if isinstance(step, Response):
            await refuse_connection(scope, receive, send, exchange=exchange, response=step)
            return
        scope[EXCHANGE_KEY] = exchange
        messages = self._messages(exchange)
        connection = Connection(
            run, exchange=exchange, receive=receive, send=send, messages=messages
        )
        await connection.serve(self.app, scope)

    def _messages(self, exchange: Exchange) -> MessageLimit | None:
        limits = self.binding.limit_stage
        plan = None if limits is None else limits.messages(exchange)
        if limits is None or plan is None:
            return None
        return MessageLimit(
            limits,
            plan,
            exchange=exchange,
            clock=self.intake,
            observe=self.binding.observe_stage,
        )


def _invalid_host(exchange: Exchange) -> Response:
    return refusal(
        exchange,
        status=400,
        slug="invalid-host",
        title="The Host field is not valid",
        detail="Send exactly one Host field that holds a host name or address, and a port if any.",
    )
