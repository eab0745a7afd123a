"""Takes connections in where something comes before HTTP: a PROXY header, a TLS handshake."""

import asyncio
import errno
import logging
import socket
import ssl
from asyncio import AbstractEventLoop, Future, Protocol, Task
from collections.abc import Callable
from typing import Any

from lukhas.gateway.tls import ServedCertificates
from lukhas.http.client_address import TrustedProxies
from lukhas.http.proxy_header import ProxyHeader, ProxyHeaderError

__all__ = ("Connect", "Entrance")

_log = logging.getLogger("lukhas.gateway")

_ACCEPTED_AT_ONCE = 64
# So many are on their way in at most; others wait in the backlog of the kernel.
_MOST_JOINING = 1024
_PEEK_BYTES = 4096
_PAUSE_S = 0.2
_SHUTDOWN_S = 5.0
_SHORT_OF_RESOURCES = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))

Connect = Callable[[str, ssl.SSLObject | None], Protocol]
"""Makes the protocol of a connection: the client's address, empty for that of the connection, and
the finished handshake, None without TLS."""


class Entrance:
    """Accepts connections, reads what comes before HTTP, and hands them on.

    Nothing of it is on the way of a request, and plain listeners do without it.

    Args:
        loop: the running loop.
        connect: makes protocols.
        proxies: whose connections begin with a PROXY header.
        header_timeout_s: how long that may take.
        tls: the certificates; None to speak no TLS.
        handshake_timeout_s: how long a handshake may take.

    Attributes:
        joining: connections on their way in.
        refused: connections whose PROXY header was missing, wrong or late.
    """

    def __init__(
        self,
        loop: AbstractEventLoop,
        connect: Connect,
        *,
        proxies: TrustedProxies,
        header_timeout_s: float,
        tls: ServedCertificates | None,
        handshake_timeout_s: float = 10.0,
    ) -> None:
        self._loop = loop
        self._connect = connect
        self._proxies = proxies
        self._header_timeout_s = header_timeout_s
        self._tls = tls
        self._handshake_timeout_s = handshake_timeout_s
        self._sockets: list[socket.socket] = []
        self._waiting = False
        self._closed = False
        self.joining: set[Task[None]] = set()
        self.refused = 0

    def listen(self, sock: socket.socket) -> None:
        """Starts to accept on a bound socket; the socket stays the caller's."""
        kept = sock.dup()
        kept.setblocking(False)
        kept.listen(_MOST_JOINING)
        self._sockets.append(kept)
        self._loop.add_reader(kept, self._accept, kept)

    def close(self) -> None:
        """Accepts no more; who is on the way in comes in."""
        self._closed = True
        for kept in self._sockets:
            self._loop.remove_reader(kept)
            kept.close()
        self._sockets.clear()

    def abort(self) -> None:
        """Gives up who is still on the way in."""
        for task in tuple(self.joining):
            task.cancel()

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            if len(self.joining) >= _MOST_JOINING:
                self._pause()
                return
            try:
                accepted, _peer = listening.accept()
            except OSError as error:
                if error.errno in _SHORT_OF_RESOURCES:
                    _log.error("no connection can be accepted: %s", error.strerror)
                    self._pause()
                return
            self.take(accepted)

    def _pause(self) -> None:
        """Accepts nothing for a moment."""
        if self._waiting:
            return
        self._waiting = True
        for kept in self._sockets:
            self._loop.remove_reader(kept)
        self._loop.call_later(_PAUSE_S, self._go_on)

    def _go_on(self) -> None:
        self._waiting = False
        for kept in self._sockets:
            self._loop.add_reader(kept, self._accept, kept)

    def take(self, accepted: socket.socket) -> None:
        """Brings in a connection that was accepted."""
        task = self._loop.create_task(self.join(accepted))
        self.joining.add(task)
        task.add_done_callback(self.joining.discard)

    async def join(self, accepted: socket.socket) -> None:
        """The way in of one connection; it is closed if it does not come through."""
        accepted.setblocking(False)
        handed_on = False
        try:
            source = await self._source(accepted)
            handed_on = True
            await self._hand_on(accepted, source)
        except (ProxyHeaderError, TimeoutError) as error:
            if handed_on:
                self._failed(error)
            else:
                self.refused += 1
                _log.debug("a connection was refused: no good PROXY header: %s", error)
        except OSError as error:
            self._failed(error)
        finally:
            if not handed_on:
                accepted.close()

    async def _source(self, accepted: socket.socket) -> str:
        """The client that a PROXY header names; empty where there is none to be read."""
        peer = accepted.getpeername()
        if not (isinstance(peer, tuple) and self._proxies.holds(peer[0])):
            return ""
        header = ProxyHeader()
        async with asyncio.timeout(self._header_timeout_s):
            while not header.is_whole:
                await self._readable(accepted)
                try:
                    # What follows the header is for TLS or HTTP, and has to stay in the socket.
                    seen = accepted.recv(_PEEK_BYTES, socket.MSG_PEEK)
                except BlockingIOError:
                    continue
                if not seen:
                    raise ProxyHeaderError("the connection ended")
                accepted.recv(header.take(seen))
        return header.source

    async def _readable(self, accepted: socket.socket) -> None:
        ready: Future[None] = self._loop.create_future()
        self._loop.add_reader(accepted, _tell, ready)
        try:
            await ready
        finally:
            self._loop.remove_reader(accepted)

    async def _hand_on(self, accepted: socket.socket, source: str) -> None:
        if self._tls is None:
            await self._loop.connect_accepted_socket(lambda: self._connect(source, None), accepted)
            return
        await self._loop.connect_accepted_socket(
            lambda: _AfterHandshake(self._connect, source),
            accepted,
            ssl=self._tls.context,
            ssl_handshake_timeout=self._handshake_timeout_s,
            ssl_shutdown_timeout=_SHUTDOWN_S,
        )

    def _failed(self, error: Exception) -> None:
        if self._tls is not None:
            self._tls.handshakes_failed += 1
        # Scanners and impatient clients do this all day: a counter tells enough.
        reason = getattr(error, "reason", None) or error
        _log.debug("a connection did not come in: %s", reason)


def _tell(ready: "Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)


class _AfterHandshake(Protocol):
    """Stands in until the handshake is done, and so the protocol above TLS is known."""

    def __init__(self, connect: Connect, source: str) -> None:
        self._connect = connect
        self._source = source

    def connection_made(self, transport: Any) -> None:
        """See asyncio.Protocol."""
        protocol = self._connect(self._source, transport.get_extra_info("ssl_object"))
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
