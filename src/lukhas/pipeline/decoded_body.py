"""A request body that is decoded while it is read."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from lukhas.errors import LukhasError
from lukhas.pipeline.decoders import BrokenCodingError, Decoder
from lukhas.policy.decompression import DecodedLimit, DecompressionPolicy, room_bytes

__all__ = ("DecodedBody", "DecodedTooLargeError")

# So much is decoded before everybody else gets a turn.
_TURN_BYTES = 256 * 1024
_FEED_BYTES = 16 * 1024


class DecodedTooLargeError(LukhasError):
    """A body became larger than it may.

    Attributes:
        limit: which limit it came to.
    """

    def __init__(self, limit: DecodedLimit) -> None:
        self.limit = limit
        super().__init__(f"the decoded body is over its limit: {limit.value}")


class DecodedBody:
    """The pieces of a body, decoded; an asynchronous iterator for one reader.

    Of what was decoded, no more than one step is held (see `STEP_BYTES`).

    Args:
        source: the body as it comes.
        decoder: for its coding.
        policy: how large it may become.

    Attributes:
        length: None: it is not known before the end.
        fault: why it could not be read to its end; None as long as it can.
    """

    length: int | None = None

    def __init__(
        self, source: AsyncIterator[bytes], decoder: Decoder, policy: DecompressionPolicy
    ) -> None:
        self._source = source
        self._decoder = decoder
        self._policy = policy
        self._ready: deque[bytes] = deque()
        self._held = b""
        self._received = 0
        self._decoded = 0
        self._turn = 0
        self._ended = False
        self.fault: BrokenCodingError | DecodedTooLargeError | None = None

    async def beginning(self, most_bytes: int) -> bytes | None:
        """All of the body if it is not larger; else None, and it is read from its start on.

        Raises:
            BrokenCodingError: it is not in its coding.
            DecodedTooLargeError: it becomes too large.
        """
        pieces: list[bytes] = []
        async for piece in self:
            pieces.append(piece)
            if self._decoded > most_bytes:
                self._ready.extend(pieces)
                return None
        return b"".join(pieces)

    def __aiter__(self) -> "DecodedBody":
        return self

    async def __anext__(self) -> bytes:
        while not self._ready:
            if self.fault is not None:
                raise self.fault.with_traceback(None)
            if self._ended:
                raise StopAsyncIteration
            await self._decode()
        return self._ready.popleft()

    async def _decode(self) -> None:
        if not (self._held or self._decoder.goes_on):
            piece = await anext(self._source, None)
            if piece is None:
                self._end()
                return
            self._held = piece
        fed = self._decoder.rest
        if not self._decoder.goes_on:
            fed, self._held = self._held[:_FEED_BYTES], self._held[_FEED_BYTES:]
            self._received += len(fed)
        self._step(fed)
        if self._turn > _TURN_BYTES:
            self._turn = 0
            await asyncio.sleep(0)

    def _step(self, fed: bytes) -> None:
        try:
            ready = self._decoder.step(fed)
        except BrokenCodingError as error:
            self.fault = error
            return
        # What is held by the decoder was not decoded yet, and must not count for the ratio.
        taken = self._received - len(self._decoder.rest)
        room, limit = room_bytes(self._policy, received=taken, decoded=self._decoded)
        if len(ready) > room:
            self.fault = DecodedTooLargeError(limit)
        elif ready:
            self._decoded += len(ready)
            self._ready.append(ready)
        # Steps that give nothing take time too.
        self._turn += len(ready) + 256

    def _end(self) -> None:
        try:
            self._decoder.finish()
        except BrokenCodingError as error:
            self.fault = error
        self._ended = True
