"""Takes the connections that wait at the listening socket of another worker."""

import asyncio
import logging
import select
import socket
from collections.abc import Callable, Sequence

from lukhas.gateway.entrance import Entrance

__all__ = ("Relief",)

_log = logging.getLogger("lukhas.gateway")

_LOOK_S = 0.05
# In one look at one socket: a busy sibling gets help, and is not robbed.
_MOST_TAKEN = 32


class Relief:
    """Looks after the listening sockets of siblings, twenty times a second.

    The kernel spreads new connections over the sockets of all workers, whether or not somebody
    accepts there. What waits at one of them for longer than a look belongs to a worker that died,
    or that is too busy: it is taken over.

    Args:
        loop: the running loop.
        siblings: the sockets; duplicates are kept, so the caller may close them.
        connect: makes the protocol of a connection.
        entrance: brings connections in where something comes before HTTP.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        siblings: Sequence[socket.socket],
        connect: Callable[[], asyncio.Protocol],
        entrance: Entrance | None = None,
    ) -> None:
        self._loop = loop
        self._entrance = entrance
        self._connect = connect
        self._sockets = {(kept := sibling.dup()).fileno(): kept for sibling in siblings}
        self._waiting = select.epoll()
        for descriptor, kept in self._sockets.items():
            kept.setblocking(False)
            self._waiting.register(descriptor, select.EPOLLIN)
        self._joining: set[asyncio.Task[None]] = set()
        self._seen: set[int] = set()
        self._timer = loop.call_later(_LOOK_S, self._look)

    async def close(self) -> None:
        """Looks no more; what was taken over is served."""
        self._timer.cancel()
        self._waiting.close()
        for kept in self._sockets.values():
            kept.close()
        if self._joining:
            await asyncio.wait(self._joining)

    def _look(self) -> None:
        self._timer = self._loop.call_later(_LOOK_S, self._look)
        # A socket that nobody has opened yet hangs up all the time.
        ready = {number for number, events in self._waiting.poll(0) if events & select.EPOLLIN}
        # Twice in a row: what came just now is the sibling's, which is on its way to it.
        for descriptor in ready & self._seen:
            self._take(self._sockets[descriptor])
        self._seen = ready

    def _take(self, listening: socket.socket) -> None:
        for _ in range(_MOST_TAKEN):
            try:
                accepted, _peer = listening.accept()
            except OSError:
                return  # Nothing waits any more, or the client has gone, or descriptors are short.
            if self._entrance is not None:
                self._entrance.take(accepted)
                continue
            joining = self._loop.create_task(self._join(accepted))
            self._joining.add(joining)
            joining.add_done_callback(self._joining.discard)

    async def _join(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        try:
            await self._loop.connect_accepted_socket(self._connect, accepted)
        except OSError as error:
            _log.debug("a connection could not be taken over: %s", error)
            accepted.close()
