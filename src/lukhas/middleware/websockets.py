"""WebSocket connections of a wrapped app: each is a request, and its messages may be limited."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from lukhas.errors import LukhasError
from lukhas.http.headers import Headers
from lukhas.http.messages import Pushed, Response
from lukhas.pipeline.driving import Run, Waiting, fail, finish, resume
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.pipeline import close
from lukhas.pipeline.stages.message_limit import MessageLimit, close_reason

__all__ = ("Connection", "ConnectionClosedError", "refuse_connection")

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]

_DENIAL: Final = "websocket.http.response"
_TRY_AGAIN_LATER: Final = 1013  # RFC 6455 section 7.4.2, IANA WebSocket close codes
_POLICY_VIOLATION: Final = 1008  # RFC 6455 section 7.4.1


class ConnectionClosedError(LukhasError, OSError):
    """The app sends to a connection that was closed because of a limit."""


class Connection:
    """Both ends of one connection whose run is parked.

    Args:
        run: the parked run.
        exchange: what it is about.
        receive: the server's.
        send: the server's.
        messages: what counts the messages; None where they are not limited.
    """

    __slots__ = (
        "_closed",
        "_exchange",
        "_messages",
        "_opened",
        "_receive",
        "_response",
        "_run",
        "_send",
    )

    def __init__(
        self,
        run: Run,
        *,
        exchange: Exchange,
        receive: _Receive,
        send: _Send,
        messages: MessageLimit | None,
    ) -> None:
        self._run = run
        self._exchange = exchange
        self._receive = receive
        self._send = send
        self._messages = messages
        self._response: Response | None = None
        self._opened = False
        self._closed: _Message | None = None

    @property
    def receive(self) -> _Receive:
        """What the app is given: the server's own where no message is counted."""
        return self._receive if self._messages is None else self._receive_counted

    async def serve(self, app: Callable[..., Awaitable[None]], scope: _Message) -> None:
        """Calls the app, and ends the run with the connection, however it ends."""
        try:
            await app(scope, self.receive, self.send)
        except Exception as error:
            if not self._opened:
                await self._failed(error)
            raise
        finally:
            if self._response is not None:
                close(self._response)
            else:
                self._run.close()

    async def send(self, message: _Message) -> None:
        """Takes a message of the app."""
        kind = message["type"]
        if self._closed is not None:
            if kind == "websocket.close":
                return
            raise ConnectionClosedError("the connection was closed because of a limit")
        if not self._opened:
            message = await self._first(message, kind)
        await self._send(message)

    async def _first(self, message: _Message, kind: str) -> _Message:
        """The app's answer to the handshake; tells the run about it."""
        added = self._exchange.added
        if kind == "websocket.accept":
            await self._respond(Response(101, Headers([]), Pushed()))
            return {**message, "headers": [*message.get("headers", ()), *added]}
        if kind == "websocket.http.response.start":
            headers = [(name.lower(), value) for name, value in message.get("headers", ())]
            await self._respond(Response(message["status"], Headers(headers), b""))
            return {**message, "headers": [*headers, *added]}
        if kind == "websocket.close":
            # What servers answer in this case.
            await self._respond(Response(403, Headers([]), b""))
        return message

    async def _respond(self, response: Response) -> None:
        # From here on the run is over, or will be.
        self._opened = True
        step = resume(self._run, response)
        if isinstance(step, Waiting):
            step = await finish(self._run, step)
        if isinstance(step, Response):
            self._response = step

    async def _failed(self, error: Exception) -> None:
        traceback = error.__traceback__
        try:
            step = fail(self._run, error)
            if isinstance(step, Waiting):
                await finish(self._run, step)
        except Exception:  # noqa: BLE001 - the run counts it; the app's own error goes on
            return
        finally:
            error.__traceback__ = traceback

    async def _receive_counted(self) -> _Message:
        if self._closed is not None:
            return self._closed
        message = await self._receive()
        if message["type"] != "websocket.receive" or self._messages is None:
            return message
        closing = await self._messages.close_code()
        if closing is None:
            return message
        code, reason = closing
        self._closed = {"type": "websocket.disconnect", "code": code, "reason": reason}
        await self._send({"type": "websocket.close", "code": code, "reason": reason})
        return self._closed


async def refuse_connection(
    scope: _Message, receive: _Receive, send: _Send, *, exchange: Exchange, response: Response
) -> None:
    """Refuses a handshake: with the response where the server can send one, else with a code."""
    # Servers expect that the app has read the handshake before it answers.
    await receive()
    body = response.body if isinstance(response.body, bytes) else b""
    if _DENIAL in (scope.get("extensions") or {}):
        headers = response.headers.raw + exchange.added
        start = {"type": f"{_DENIAL}.start", "status": response.status, "headers": headers}
        await send(start)
        await send({"type": f"{_DENIAL}.body", "body": body})
    else:
        reason = f"refused with status {response.status}"
        decision = exchange.limit
        if decision is not None and not decision.allowed:
            reason = f"over the limit {decision.policy}"
        code = _TRY_AGAIN_LATER if response.status in {429, 503} else _POLICY_VIOLATION
        await send({"type": "websocket.close", "code": code, "reason": close_reason(reason)})
    close(response)
