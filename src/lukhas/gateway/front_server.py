"""The data plane's server: listens, keeps the coarse clock, drains."""

import asyncio
import socket
from collections.abc import Callable, Sequence

from lukhas.clock import Clock
from lukhas.gateway.entrance import Entrance
from lukhas.gateway.front import FrontConnection
from lukhas.gateway.front_state import FrontState
from lukhas.gateway.relief import Relief
from lukhas.http.dates import format_http_date
from lukhas.units import SECOND_NS

__all__ = ("FrontServer",)

_TICK_S = 0.25
# How long open connections are told `Connection: close` before idle ones are ended: a client that
# is about to reuse one gets its answer instead of a reset.
_POLITE_S = 1.0
_DRAIN_STEP_S = 0.02


class FrontServer:
    """Accepts connections and watches over them.

    Args:
        state: what the connections share.
        clock: for Date.
        connect: makes the protocol of a connection; None for HTTP/1.1 alone.
        entrance: brings connections in where something comes before HTTP.
    """

    def __init__(
        self,
        state: FrontState,
        clock: Clock,
        *,
        connect: Callable[[], asyncio.Protocol] | None = None,
        entrance: Entrance | None = None,
    ) -> None:
        self.state = state
        self._connect = connect or (lambda: FrontConnection(state))
        self._entrance = entrance
        self._clock = clock
        self._servers: list[asyncio.Server] = []
        self._relief: Relief | None = None
        self._ticker: asyncio.TimerHandle | None = None
        self._tick()

    async def listen(self, sock: socket.socket) -> None:
        """Starts to accept connections on a bound socket; the socket stays the caller's."""
        if self._entrance is not None:
            self._entrance.listen(sock)
            return
        # A duplicate, because a loop closes what it listens on, and the parent owns the socket.
        server = await self.state.loop.create_server(self._connect, sock=sock.dup(), backlog=1024)
        self._servers.append(server)

    def relieve(self, siblings: Sequence[socket.socket]) -> None:
        """Also takes connections that wait at the sockets of other workers; they stay theirs."""
        if siblings:
            self._relief = Relief(self.state.loop, siblings, self._connect, self._entrance)

    async def drain(self) -> None:
        """Ends politely: no new connections, every response says close, what is under way ends."""
        state = self.state
        state.draining = True
        for server in self._servers:
            server.close()
        entrance = self._entrance
        if entrance is not None:
            entrance.close()
        if self._relief is not None:
            await self._relief.close()
        deadline_s = state.loop.time() + state.limits.drain_s
        polite_until_s = min(deadline_s, state.loop.time() + _POLITE_S)
        while (state.connections or (entrance is not None and entrance.joining)) and (
            now_s := state.loop.time()
        ) < deadline_s:
            if now_s >= polite_until_s:
                for connection in tuple(state.connections):
                    connection.end_if_idle()
            await asyncio.sleep(_DRAIN_STEP_S)
        if entrance is not None:
            entrance.abort()
        for connection in tuple(state.connections):
            connection.abort()
        if self._ticker is not None:
            self._ticker.cancel()

    def _tick(self) -> None:
        state = self.state
        state.now_s = now_s = state.loop.time()
        state.date = format_http_date(self._clock.now_ns() // SECOND_NS)
        for connection in tuple(state.connections):
            if now_s >= connection.deadline:
                connection.check_deadline(now_s)
        self._ticker = state.loop.call_later(_TICK_S, self._tick)
