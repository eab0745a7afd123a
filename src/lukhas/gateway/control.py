"""The end of the parent process at which it is asked for something."""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path

import msgspec

from lukhas.gateway.orders import Order, Orders
from lukhas.hub.control_link import ParentStatus, Reply, Request, short_address

__all__ = ("Control",)

_log = logging.getLogger("lukhas.supervisor")

_MOST_REQUEST_BYTES = 4096
_REQUEST_S = 5.0


class Control:
    """Takes requests at Unix sockets that only this user may connect to; see `control_link`.

    Args:
        orders: where orders go.
        status: gives what watchers are told.
    """

    def __init__(self, orders: Orders, status: Callable[[], ParentStatus]) -> None:
        self._orders = orders
        self._status = status
        self._changed = asyncio.Event()
        self._servers: list[asyncio.Server] = []
        self._connections: set[asyncio.Task[None]] = set()
        self._paths: list[Path] = []

    async def listen(self, path: Path) -> None:
        """Takes requests at one more path; what lies there from before is replaced.

        Raises:
            OSError: a socket cannot be made there.
        """
        listening = _private_socket(path)
        self._paths.append(path)
        self._servers.append(
            await asyncio.start_unix_server(
                self._connected, sock=listening, limit=_MOST_REQUEST_BYTES
            )
        )

    def tell(self) -> None:
        """Tells all watchers the status as it is now."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def close(self) -> None:
        """Hangs up on everybody."""
        for server in self._servers:
            server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        for path in self._paths:
            path.unlink(missing_ok=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving = asyncio.ensure_future(self._serve(reader, writer))
        self._connections.add(serving)
        serving.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_REQUEST_S):
                line = await reader.readline()
            await self._answer(msgspec.json.decode(line, type=Request), reader, writer)
        except (OSError, ValueError, msgspec.DecodeError) as error:
            _log.debug("a request to the parent process came to nothing: %s", error)
        finally:
            writer.close()

    async def _answer(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if request.ask == "watch":
            await self._watch(reader, writer)
            return
        ticket = self._orders.ask(Order(request.ask))
        outcome = await asyncio.shield(ticket.decided)
        await _send(writer, outcome)
        if not outcome.finished:
            await _send(writer, await asyncio.shield(ticket.ended))

    async def _watch(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gone = asyncio.ensure_future(reader.read())
        try:
            while not gone.done():
                # Taken before the status is: what changes after that is not missed.
                changed = asyncio.ensure_future(self._changed.wait())
                try:
                    await _send(writer, self._status())
                    await asyncio.wait((gone, changed), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    changed.cancel()
        finally:
            gone.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await gone


def _private_socket(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    old_mask = os.umask(0o177)
    try:
        with short_address(path) as address:
            bound.bind(address)
    except OSError:
        bound.close()
        raise
    finally:
        os.umask(old_mask)
    return bound


async def _send(writer: asyncio.StreamWriter, reply: Reply) -> None:
    writer.write(msgspec.json.encode(reply) + b"\n")
    await writer.drain()
