"""Message bodies on their way through, with backpressure."""

from asyncio import AbstractEventLoop, Future
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Protocol, cast

from lukhas.errors import BodyAbortedError, LukhasError

__all__ = ("BodyStream", "RequestBody", "StreamedBody")

_HIGH_WATER_BYTES = 128 * 1024


class StreamedBody(Protocol):
    """A request body that is sent on while it comes: the client's, or what a stage made of it."""

    @property
    def length(self) -> int | None:
        """How many bytes it has; None where that is not known before its end."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...


class BodyStream:
    """The pieces of one body, as an asynchronous iterator; read by one reader at most.

    Args:
        loop: the running loop.
        pause: stops the flow of bytes from the sender...
        resume: ...and lets it go on.
    """

    __slots__ = (
        "_buffered",
        "_error",
        "_loop",
        "_pause",
        "_paused",
        "_pieces",
        "_resume",
        "_waiter",
        "complete",
        "received",
    )

    def __init__(
        self,
        loop: AbstractEventLoop,
        *,
        pause: Callable[[], None],
        resume: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._pause = pause
        self._resume = resume
        self._pieces: deque[bytes] = deque()
        self._buffered = 0
        self._paused = False
        self._waiter: Future[None] | None = None
        self._error: LukhasError | None = None
        self.received = 0
        self.complete = False

    def feed(self, piece: bytes) -> None:
        """Takes the next piece from the sender."""
        self.received += len(piece)
        self._pieces.append(piece)
        self._buffered += len(piece)
        if self._buffered > _HIGH_WATER_BYTES and not self._paused:
            self._paused = True
            self._pause()
        self._wake()

    def finish(self) -> None:
        """The body is whole, so there is nothing left to hold back."""
        self.complete = True
        self._release()
        self._wake()

    def abort(self, error: LukhasError) -> None:
        """The body will never be whole; the reader gets the error after what has come."""
        if not self.complete and self._error is None:
            self._error = error
            self._wake()

    @property
    def flow_stopped(self) -> bool:
        """Whether the sender has been stopped because the reader is slow."""
        return self._paused

    def take_all(self) -> bytes:
        """Everything that has come and was not read yet."""
        whole = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._drop()
        return whole

    def __aiter__(self) -> "BodyStream":
        return self

    async def __anext__(self) -> bytes:
        while not self._pieces:
            if self._error is not None:
                raise self._taken_error()
            if self.complete:
                raise StopAsyncIteration
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        piece = self._pieces.popleft()
        self._buffered -= len(piece)
        if self._buffered * 2 <= _HIGH_WATER_BYTES:
            self._release()
        return piece

    def _taken_error(self) -> LukhasError:
        # An error holds the frames it was raised through, and so this stream. Were it held here in
        # turn, both would wait for the garbage collector, with everything around them.
        error, self._error = self._error, BodyAbortedError("the body broke off before")
        return cast("LukhasError", error)

    def _drop(self) -> None:
        self._pieces.clear()
        self._buffered = 0
        self._release()

    def _release(self) -> None:
        if self._paused:
            self._paused = False
            self._resume()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class RequestBody(BodyStream):
    """The body of a client's request.

    Args:
        loop: the running loop.
        length: the Content-Length, or None for a chunked body.
        pause: stops the flow of bytes from the client...
        resume: ...and lets it go on.
        on_first_read: called when the handler first asks; sends `100 Continue` if the client waits.
    """

    __slots__ = ("_discarding", "_looked_at", "_on_first_read", "_started", "length")

    def __init__(
        self,
        loop: AbstractEventLoop,
        length: int | None,
        *,
        pause: Callable[[], None],
        resume: Callable[[], None],
        on_first_read: Callable[[], None] | None,
    ) -> None:
        super().__init__(loop, pause=pause, resume=resume)
        self.length = length
        self._on_first_read = on_first_read
        self._started = False
        self._discarding = False
        self._looked_at: int | None = None

    def feed(self, piece: bytes) -> None:
        """Takes the next piece from the client."""
        if self._discarding:
            self.received += len(piece)
        else:
            super().feed(piece)

    def discard(self) -> None:
        """Nobody will read the rest; it is counted and dropped."""
        self._discarding = True
        self._drop()

    def since_last_look(self) -> int | None:
        """How many bytes have come since this was asked last; None the first time."""
        last, self._looked_at = self._looked_at, self.received
        return None if last is None else self.received - last

    @property
    def discarded(self) -> bool:
        """Whether the request was answered without the rest of it."""
        return self._discarding

    @property
    def client_waits(self) -> bool:
        """Whether the client still waits for `100 Continue` before it sends anything."""
        return self._on_first_read is not None and not self._started and not self.received

    async def __anext__(self) -> bytes:
        if self.client_waits and self._on_first_read is not None:
            self._on_first_read()
        self._started = True
        return await super().__anext__()
