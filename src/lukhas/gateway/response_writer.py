"""Streaming a response to a client that may be slow."""

import logging
import socket
import struct
from asyncio import AbstractEventLoop, Future, Transport
from collections.abc import AsyncIterator
from typing import cast

from lukhas.errors import LukhasError
from lukhas.gateway.serialisation import Framing
from lukhas.http.messages import Response
from lukhas.pipeline.pipeline import close, discard

__all__ = ("ResponseWriter",)

_log = logging.getLogger("lukhas.gateway")


class ResponseWriter:
    """Writes streams to one connection, no faster than the client takes them.

    Args:
        loop: the running loop.
        transport: the connection.
    """

    __slots__ = ("_loop", "_transport", "_waiter", "gone", "paused")

    def __init__(self, loop: AbstractEventLoop, transport: Transport) -> None:
        self._loop = loop
        self._transport = transport
        self._waiter: Future[None] | None = None
        self.paused = False
        self.gone = False

    def pause(self) -> None:
        """The transport's buffer is full."""
        self.paused = True

    def resume(self) -> None:
        """The transport's buffer has room again."""
        self.paused = False
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def lost(self) -> None:
        """The connection is gone."""
        self.gone = True
        self.resume()

    async def stream(self, head: bytes, response: Response, framing: Framing) -> bool:
        """Sends a response whose body is a stream, and frees what it holds.

        Returns:
            Whether all of it was sent. If not, the connection has been ended in a way that lets
            the client see that the body is cut.
        """
        body = cast("AsyncIterator[bytes]", response.body)
        self._transport.write(head)
        if framing is Framing.NONE:
            discard(response)
            return True
        try:
            await self._pump(body, response, framing)
        except (LukhasError, OSError) as error:
            _log.warning("a response broke off: %s", error)
            discard(response)
            # Without a length or a last chunk only a reset can tell the client.
            if framing is Framing.CLOSE:
                self._reset()
            else:
                self._transport.close()
            return False
        close(response)
        return True

    async def _pump(self, body: AsyncIterator[bytes], response: Response, framing: Framing) -> None:
        taps = response.taps or ()
        write = self._transport.write
        chunked = framing is Framing.CHUNKED
        async for piece in body:
            chunk = piece
            for tap in taps:
                chunk = tap.feed(chunk, last=False)
            if chunk:
                write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
            if self.paused and not self.gone:
                await self._room()
        rest = b""
        for tap in taps:
            rest = tap.feed(rest, last=True)
        if rest:
            write(b"%x\r\n%b\r\n" % (len(rest), rest) if chunked else rest)
        if chunked:
            write(b"0\r\n\r\n")

    def _reset(self) -> None:
        connection = self._transport.get_extra_info("socket")
        if connection is not None:
            # Closing with a linger time of zero sends a reset; a mere abort sends a clean end.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    async def _room(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
