"""A front connection on a transport that only remembers."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

from lukhas.clock import SystemClock
from lukhas.gateway.direct_call import DirectCall
from lukhas.gateway.forwarding import Forwarding
from lukhas.gateway.framing import FrontLimits
from lukhas.gateway.front import FrontConnection
from lukhas.gateway.front_state import FrontState
from lukhas.gateway.upstream_connection import UpstreamConnection
from lukhas.gateway.upstream_pool import UpstreamPool
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.intake import Intake

__all__ = ("Transport", "at_rest", "called", "connected")

PEER = ("192.0.2.1", 1)


class Transport:
    """Takes what is written, as a socket that is always ready."""

    def __init__(self, peername: object = PEER) -> None:
        self.peername = peername
        self.written = b""
        self.closed = False
        self.aborted = False
        self.reading = True

    def write(self, data: bytes) -> None:
        self.written += data

    def write_eof(self) -> None:
        self.closed = True

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def get_extra_info(self, name: str) -> Any:
        return self.peername if name == "peername" else None


def connected(
    handler: Callable[[Exchange], Awaitable[Response]],
    transport: Transport | None = None,
    limits: FrontLimits | None = None,
    state: FrontState | None = None,
) -> tuple[FrontConnection, Transport, FrontState]:
    """A connection whose requests go to `handler`; or one more of what `state` is shared by."""
    if state is None:
        intake = Intake(SystemClock(), "p")
        state = FrontState(handler, intake, limits or FrontLimits())  # type: ignore[arg-type]
    state.date = b"now"
    connection = FrontConnection(state)
    transport = transport or Transport()
    connection.connection_made(transport)
    return connection, transport, state


async def at_rest(connection: FrontConnection) -> None:
    """Lets the loop turn until nothing moves any more."""
    for _ in range(5):
        await asyncio.sleep(0)
    while connection._task is not None and connection._queue:  # noqa: ASYNC110 - no event
        await asyncio.sleep(0)


def called(
    connection: UpstreamConnection, method: str = "GET", body: bytes | None = None
) -> DirectCall:
    """A call that this connection carries."""
    head = RequestHead(method, "http", b"a.example", b"/", b"", Headers([]))
    exchange = Exchange(head, "192.0.2.1", 0, b"id-1")
    sent = b"%b / HTTP/1.1\r\nhost: a.example\r\n\r\n" % method.encode()
    pool = cast("UpstreamPool", SimpleNamespace(take_idle=None))
    return connection.begin(exchange, sent, body, Forwarding(pool))
