"""Stages, taps and apps that the tests of the middleware put together."""

from collections.abc import Callable
from typing import Any

from lukhas.http.messages import Response
from lukhas.middleware.asgi import OptimizerMiddleware
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stage import Handler
from lukhas.policy.modes import FailureMode
from tests.unit.middleware.kit import optimized


class Tap:
    """Records what it sees, and shouts it on."""

    def __init__(self) -> None:
        self.seen: list[tuple[bytes, bool]] = []
        self.aborted = 0

    def feed(self, chunk: bytes, *, last: bool) -> bytes:
        self.seen.append((chunk, last))
        return chunk.upper()

    def abort(self) -> None:
        self.aborted += 1


Around = Callable[[Exchange, Handler], Any]


class Inner:
    """A stage made of one function, to stand next to the app."""

    name = "inner"
    on_failure = FailureMode.CLOSED

    def __init__(self, around: Around) -> None:
        self._around = around

    async def __call__(self, exchange: Exchange, call_next: Handler) -> Response:
        response: Response = await self._around(exchange, call_next)
        return response


class Closing:
    """Adds a tap to each response, and counts what is closed."""

    def __init__(self) -> None:
        self.tap = Tap()
        self.closed = 0

    async def __call__(self, exchange: Exchange, call_next: Handler) -> Response:
        response = await call_next(exchange)
        response.taps = [self.tap]
        response.on_close = self.on_close
        return response

    def on_close(self) -> None:
        self.closed += 1


def over(app: Any, around: Around) -> OptimizerMiddleware:
    return optimized(app, inner=(Inner(around),))


def start(status: int = 200, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(content: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": content, "more_body": more}


async def hello(_scope: Any, _receive: Any, send: Any) -> None:
    await send(start(200, (b"Content-Type", b"text/plain"), (b"x-two", b"1"), (b"x-two", b"2")))
    await send(body(b"hello"))


async def fails(*_: Any) -> None:
    raise LookupError("the app's own")
