"""The answers of one client connection: got out of runs that wait, and put on the wire."""

import contextlib
import logging
from asyncio import CancelledError, Transport
from typing import cast

from lukhas.errors import BodyAbortedError, HandlerError
from lukhas.gateway.front_request import BODY_BROKEN, INTERNAL_ERROR, FrontRequest, problem_of
from lukhas.gateway.front_state import FirstStep, FrontState
from lukhas.gateway.response_writer import ResponseWriter
from lukhas.gateway.serialisation import (
    Framing,
    framing_of,
    ready_response,
    response_head,
    through_taps,
)
from lukhas.http.headers import HeaderPairs
from lukhas.http.messages import Response
from lukhas.http.status import status_line
from lukhas.pipeline import driving
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.pipeline import close, discard
from lukhas.pipeline.refusals import problem_response
from lukhas.pipeline.tracing import named

__all__ = ("FrontAnswers", "abandon")

_log = logging.getLogger("lukhas.gateway")

# After an early answer so much of an unwanted body is read and dropped to keep the connection.
_DISCARD_BYTES = 256 * 1024


def abandon(run: driving.Run) -> None:
    """Ends a run that waits outside any task, as a cancelled task would end."""
    # Nobody is left who could be told what comes of it.
    with contextlib.suppress(CancelledError, Exception):
        try:
            run.throw(CancelledError())
        except StopIteration as stop:
            discard(stop.value)
        else:
            run.close()


class FrontAnswers:
    """Brings responses to the client of one connection; when and in which order is not its matter.

    Args:
        state: what all connections share.
        transport: the connection's.
        writer: writes streams to it.
    """

    def __init__(self, state: FrontState, transport: Transport, writer: ResponseWriter) -> None:
        self._state = state
        self._transport = transport
        self._writer = writer

    def _keeps_alive(self, request: FrontRequest, *, closing: bool) -> bool:
        if not request.keep_alive or self._state.draining or closing:
            return False
        body = request.body
        if body is None or body.complete:
            return True
        # An answer before the body was whole: a short rest is dropped, a long one is not awaited.
        if body.client_waits or body.length is None:
            return False
        return body.length - body.received <= _DISCARD_BYTES

    def _head(
        self, request: FrontRequest, response: Response, framing: Framing, *, closing: bool
    ) -> list[bytes]:
        """The head in pieces; settles whether the connection goes on after it."""
        keep_alive = framing is not Framing.CLOSE and self._keeps_alive(request, closing=closing)
        request.keep_alive = keep_alive
        added = request.exchange.added if request.exchange is not None else []
        pieces = response_head(
            response, added, framing, close=not keep_alive, date=self._state.date
        )
        if keep_alive and request.version == "1.0":
            pieces.append(b"connection: keep-alive\r\n\r\n")
        else:
            pieces.append(b"\r\n")
        return pieces

    def send_whole(
        self, request: FrontRequest, response: Response, body: bytes, *, closing: bool
    ) -> None:
        """Sends a response whose body is there.

        Args:
            request: what it answers; told whether the connection goes on after it.
            response: the response.
            body: its body.
            closing: whether the connection ends in any case.
        """
        if (
            response.ready_head is not None
            and request.plain
            and response.taps is None
            and not self._state.draining
        ):
            # A hit for an ordinary GET: nothing to choose, so nothing is asked.
            added = cast("Exchange", request.exchange).added
            ready = ready_response(response.ready_head, added, body)
            self._state.outbox.send(self._transport, ready)
            close(response)
            return
        framing = framing_of(response, is_head=request.method == "HEAD", version=request.version)
        if response.taps:
            response, body = through_taps(response, body)
        pieces = self._head(request, response, framing, closing=closing)
        if framing is not Framing.NONE:
            pieces.append(body)
        self._state.outbox.send(self._transport, b"".join(pieces))
        close(response)

    def send_interim(self, status: int, fields: HeaderPairs) -> None:
        """Sends an interim response before the final one (RFC 9110 section 15.2)."""
        lines = [b"%b: %b\r\n" % pair for pair in fields]
        self._state.outbox.send(self._transport, status_line(status) + b"".join(lines) + b"\r\n")

    async def send_stream(
        self, request: FrontRequest, response: Response, *, closing: bool
    ) -> bool:
        """Sends a response whose body comes in pieces; arguments as of `send_whole`.

        Returns:
            Whether it went out whole; if not, the connection has to end.
        """
        framing = framing_of(response, is_head=request.method == "HEAD", version=request.version)
        head = b"".join(self._head(request, response, framing, closing=closing))
        self._state.outbox.flush()
        if not await self._writer.stream(head, response, framing):
            request.keep_alive = False
            return False
        return True

    async def awaited(
        self, request: FrontRequest, run: driving.Run | None, step: FirstStep
    ) -> Response:
        """The response, at once or of a run that waits; one of ours if that fails."""
        if isinstance(step, Response):
            return step
        try:
            if run is not None and isinstance(step, driving.Waiting):
                done = await driving.finish(run, step)
                if isinstance(done, Response):
                    return done
        except Exception as error:  # noqa: BLE001 - see `unhandled`
            return self.unhandled(request, error)
        if run is not None:
            run.close()
        return self.unhandled(request, RuntimeError("a run parked inside the gateway"))

    def unhandled(self, request: FrontRequest, error: BaseException) -> Response:
        """The last resort: what no stage answered is answered with 500 and logged."""
        if isinstance(error, HandlerError):
            error = error.cause
        if isinstance(error, BodyAbortedError):
            return problem_response(problem_of(request.fault or BODY_BROKEN))
        _log.error(
            "a %s request failed",
            request.method,
            exc_info=error,
            extra=named(request.exchange),
        )
        self._state.unhandled += 1
        return problem_response(problem_of(INTERNAL_ERROR))
