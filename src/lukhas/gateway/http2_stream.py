"""One stream of an HTTP/2 connection: one request and its response."""

import logging
from asyncio import CancelledError, Future, Task
from collections.abc import AsyncIterator
from typing import Protocol, cast

from lukhas.errors import BodyAbortedError, LukhasError
from lukhas.gateway.direct_call import Answer, DirectCall
from lukhas.gateway.front_answers import FrontAnswers, abandon
from lukhas.gateway.front_request import FrontRequest
from lukhas.gateway.front_state import FirstStep, first_step
from lukhas.gateway.http2_shared import Http2Shared
from lukhas.gateway.serialisation import through_taps
from lukhas.http.headers import HeaderPairs
from lukhas.http.hpack import encoded_field, encoded_status
from lukhas.http.http2_frames import ErrorCode, header_frames
from lukhas.http.messages import Response
from lukhas.pipeline import driving
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.pipeline import close, discard

__all__ = ("Http2Stream", "StreamOwner")

_log = logging.getLogger("lukhas.gateway")

_BODILESS = frozenset((204, 304))


class StreamOwner(Protocol):
    """What a stream needs of its connection."""

    def send(self, data: bytes) -> None:
        """Sends frames that need no room."""
        ...

    def flush(self, stream: "Http2Stream") -> None:
        """Sends what there is room for of what the stream has to send."""
        ...

    def reset(self, stream: "Http2Stream", code: ErrorCode) -> None:
        """Ends the stream at once."""
        ...

    def credit(self, stream: "Http2Stream") -> None:
        """The reader of the request body has caught up."""
        ...


class Http2Stream:
    """From its header block to its end.

    Args:
        owner: the connection.
        shared: what connections share.
        answers: makes responses of runs that wait or fail.
        number: of the stream.
        send_window: how much may be sent at first.

    Attributes:
        request: what it asks.
        remote_closed: whether the client has sent everything.
        head: frames to send in front of `out`, which need no room.
        out: what has to be sent.
        ending: whether the response ends with `out`.
        owed: bytes that the client sent and has no new room for yet.
        held: whether the reader of the body is slow.
        is_answered: whether the head of the response went out, or never will.
        streamed: whether the head of the response left its end open.
        began_s: when it was opened (the loop's time).
        blocked_s: since when nothing could be sent (the loop's time); 0 while it can.
    """

    __slots__ = (
        "_answers",
        "_owner",
        "_run",
        "_shared",
        "_task",
        "_waiter",
        "began_s",
        "blocked_s",
        "ending",
        "head",
        "held",
        "is_answered",
        "number",
        "out",
        "owed",
        "remote_closed",
        "request",
        "send_window",
        "streamed",
    )

    def __init__(
        self,
        owner: StreamOwner,
        shared: Http2Shared,
        answers: FrontAnswers,
        *,
        number: int,
        send_window: int,
    ) -> None:
        self._owner = owner
        self._shared = shared
        self._answers = answers
        self._task: Task[None] | None = None
        self._run: driving.Run | None = None
        self._waiter: Future[None] | None = None
        self.request = cast("FrontRequest", None)
        self.number = number
        self.send_window = send_window
        self.remote_closed = False
        self.head = b""
        self.out = memoryview(b"")
        self.ending = False
        self.owed = 0
        self.held = False
        self.streamed = False
        self.is_answered = False
        self.began_s = shared.state.now_s
        self.blocked_s = 0.0

    # -- the request -----------------------------------------------------------------------------

    def begin(self) -> None:
        """Runs the request as far as it gets without waiting."""
        request, state = self.request, self._shared.state
        exchange = request.exchange
        if exchange is None:
            raise RuntimeError("a stream without a request was begun")
        request.begun = True
        state.requests += 1
        run: driving.Run | None = None
        step: FirstStep
        try:
            run, step = first_step(state.take, exchange)
        except Exception as error:  # noqa: BLE001 - see `FrontAnswers.unhandled`
            step = self._answers.unhandled(request, error)
        self._go_on(run, step)

    def hold(self) -> None:
        """The reader of the body is slow: the client gets no more room."""
        self.held = True

    def release(self) -> None:
        """The reader has caught up."""
        self.held = False
        self._owner.credit(self)

    def send_continue(self) -> None:
        """The client may send the body that it announced."""
        self.relay_interim(100, [])

    def relay_interim(self, status: int, fields: HeaderPairs) -> None:
        """See `AnswerTaker`."""
        if self.is_answered:
            return
        block = encoded_status(status) + b"".join(encoded_field(*field) for field in fields)
        self._owner.send(header_frames(self.number, block, end_stream=False))

    def cancel(self, why: str) -> None:
        """Nobody waits for the response any more; whatever is under way ends."""
        self.is_answered = True
        if self.request.exchange is not None:
            self.request.exchange.relay_interim = None
        body = self.request.body
        if body is not None:
            body.abort(BodyAbortedError(why))
        if self._task is not None:
            self._task.cancel()
        run, self._run = self._run, None
        if run is not None:
            abandon(run)

    # -- the response ----------------------------------------------------------------------------

    def _go_on(self, run: driving.Run | None, step: FirstStep) -> None:
        if type(step) is Response and type(step.body) is bytes:
            self.respond(step, step.body)
            return
        if type(step) is DirectCall:
            self._run = run
            step.taker = self
            return
        exchange = self.request.exchange
        if exchange is not None:
            exchange.relay_interim = self.relay_interim
        if type(step) is driving.Waiting and type(step.yielded) is driving.DirectFuture:
            # No task for the usual wait, that for the upstream's response.
            future = step.yielded
            future._asyncio_future_blocking = False  # As a task does that takes up a wait.
            self._run = run
            future.then(self.resume)
        else:
            self._task = self._shared.state.loop.create_task(self._serve(run, step))

    def take_answer(self, _exchange: Exchange, answer: Answer, body: bytes) -> None:
        """See `AnswerTaker`."""
        self._run = None
        self.respond(Response(answer.status, answer.headers, body), body)

    def resume(self, _future: Future[Response] | None = None) -> None:
        """What the run waits for outside any task is there. See also `AnswerTaker`."""
        run, self._run = self._run, None
        if run is None:
            return
        try:
            step = driving.start(run)
        except Exception as error:  # noqa: BLE001 - see `FrontAnswers.unhandled`
            step = self._answers.unhandled(self.request, error)
        self._go_on(run, step)

    async def _serve(self, run: driving.Run | None, step: FirstStep) -> None:
        """Carries on with a request that has to wait, or whose response is a stream."""
        response = step if isinstance(step, Response) else None
        try:
            if response is None:
                response = await self._answers.awaited(self.request, run, step)
            if isinstance(response.body, bytes):
                self.respond(response, response.body)
            else:
                await self._send_stream(response)
        except CancelledError:
            if run is not None:
                run.close()
            if response is not None:
                discard(response)
        except Exception:  # noqa: BLE001 - nobody above could do more than reset the stream
            _log.exception("a response could not be sent")
            self._shared.state.unhandled += 1
            if response is not None:
                discard(response)
            self._owner.reset(self, ErrorCode.INTERNAL_ERROR)

    def _head(self, response: Response, *, length: int | None, end: bool) -> bytes:
        self.is_answered = True
        added: HeaderPairs = []
        exchange = self.request.exchange
        if exchange is not None:
            added = exchange.added
            # It holds us: together they would wait for the garbage collector.
            exchange.relay_interim = None
        block = self._shared.block(response, added, length=length)
        return header_frames(self.number, block, end_stream=end)

    def respond(self, response: Response, body: bytes) -> None:
        """Sends a response whose body is there."""
        if response.taps:
            response, body = through_taps(response, body)
        bodiless = self._is_bodiless(response)
        length = None if bodiless else len(body)
        self.head = self._head(response, length=length, end=bodiless or not body)
        close(response)
        self.ending = True
        # A view: cutting it up copies nothing.
        self.out = memoryview(b"" if bodiless else body)
        self._owner.flush(self)

    def _is_bodiless(self, response: Response) -> bool:
        return self.request.method == "HEAD" or response.status in _BODILESS

    async def _send_stream(self, response: Response) -> None:
        if self._is_bodiless(response):
            self._owner.send(self._head(response, length=None, end=True))
            discard(response)
        else:
            self._owner.send(self._head(response, length=None, end=False))
            self.streamed = True
            try:
                await self._pump(response)
            except (LukhasError, OSError) as error:
                _log.warning("a response broke off: %s", error)
                discard(response)
                self._owner.reset(self, ErrorCode.INTERNAL_ERROR)
                return
            close(response)
        self._task = None
        self.ending = True
        self._owner.flush(self)

    async def _pump(self, response: Response) -> None:
        taps = response.taps or ()
        async for piece in cast("AsyncIterator[bytes]", response.body):
            chunk = piece
            for tap in taps:
                chunk = tap.feed(chunk, last=False)
            await self._send_data(chunk)
        rest = b""
        for tap in taps:
            rest = tap.feed(rest, last=True)
        await self._send_data(rest)

    async def _send_data(self, data: bytes) -> None:
        """Sends all of it, no faster than the client makes room."""
        self.out = memoryview(data)
        if data:
            self._owner.flush(self)
        while self.out:
            self._waiter = self._shared.state.loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    def sent(self) -> None:
        """Everything in `out` has been sent."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
