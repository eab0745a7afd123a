"""Connections to one target of an upstream, kept open for the next request."""

import asyncio

from lukhas.errors import UpstreamBusyError, UpstreamConnectError, UpstreamTimeoutError
from lukhas.gateway.dialling import Dial
from lukhas.gateway.outbox import Outbox
from lukhas.gateway.plain_answers import PlainAnswers
from lukhas.gateway.upstream_connection import UpstreamConnection, UpstreamTimeouts
from lukhas.pipeline.driving import enter_task
from lukhas.policy.routing.priority_lane import LaneQueue

__all__ = ("Place", "UpstreamPool")

_TICK_S = 0.1

Place = asyncio.Future[UpstreamConnection | None]
"""What is waited for: a connection that became free, or None for room to open one."""


class UpstreamPool:
    """At most so many connections; the one used last is used next, so the others may expire.

    Several targets, balancing and health will stand above pools; a pool knows one address only.

    Args:
        name: the name of the upstream.
        dial: opens a connection.
        timeouts: how long to wait for what.
        connections: the most connections to keep open.
        idle_s: how long an idle one is kept: less than the origin keeps it, or a request would meet
            a closing connection.
        waiting: who waits for a place, and who is next; first come, first served if None.
    """

    def __init__(
        self,
        name: str,
        dial: Dial,
        *,
        timeouts: UpstreamTimeouts,
        connections: int = 128,
        idle_s: float = 4.0,
        waiting: LaneQueue[Place] | None = None,
    ) -> None:
        self.name = name
        self._dial = dial
        self._timeouts = timeouts
        self._most = connections
        self._idle_s = idle_s
        self._loop = asyncio.get_running_loop()
        self._outbox = Outbox(self._loop)
        self._answers = PlainAnswers()
        self._idle: list[UpstreamConnection] = []
        self._all: set[UpstreamConnection] = set()
        self._opening = 0
        self._waiting: LaneQueue[Place] = LaneQueue() if waiting is None else waiting
        # How many these are: mostly none, and then nobody is asked who is next.
        self._waiters = 0
        self._closed = False
        self._is_retired = False
        self._now_s = self._loop.time()
        self._ticker = self._loop.call_later(_TICK_S, self._tick)

    def take_idle(self) -> UpstreamConnection | None:
        """The connection used last, if there is one that is idle."""
        idle = self._idle
        while idle:
            connection = idle.pop()
            if not connection.is_closing():
                return connection
        return None

    def take_fresh(self, *, at_most_s: float) -> UpstreamConnection | None:
        """As `take_idle`, if it has been idle no longer than this."""
        idle = self._idle
        since_s = self._loop.time() - at_most_s
        while idle and idle[-1].idle_since_s >= since_s:
            connection = idle.pop()
            if not connection.is_closing():
                return connection
        return None

    async def open(self, *, is_prior: bool = False) -> UpstreamConnection:
        """A new connection, or where there is no place for one, the next that becomes free.

        Args:
            is_prior: whether the request is in the priority lane.

        Raises:
            UpstreamConnectError: the upstream refuses connections, or its name is unknown.
            UpstreamTimeoutError: none came about in time.
            UpstreamBusyError: all connections stayed in use for that long.
        """
        await enter_task()
        opening = False
        try:
            async with asyncio.timeout(self._timeouts.connect_s):
                while len(self._all) + self._opening >= self._most and not self._evict():
                    freed = await self._place(is_prior=is_prior)
                    if freed is not None and not freed.is_closing():
                        return freed
                opening = True
                return await self._connect()
        except TimeoutError as error:
            if not opening:
                what = f"all {self._most} connections are in use"
                raise UpstreamBusyError(self.name, what, sent=False) from error
            raise UpstreamTimeoutError(self.name, "no connection in time", sent=False) from error
        except OSError as error:
            what = f"cannot connect to {self._dial.place}: {error.strerror or error}"
            raise UpstreamConnectError(self.name, what, sent=False) from error

    async def _connect(self) -> UpstreamConnection:
        self._opening += 1
        try:
            _transport, connection = await self._dial(
                lambda: UpstreamConnection(
                    self._loop,
                    self.name,
                    self._timeouts,
                    self._outbox,
                    self._answers,
                    on_free=self._freed,
                    on_gone=self._gone,
                )
            )
        except BaseException:
            self._wake()
            raise
        finally:
            self._opening -= 1
        self._all.add(connection)
        return connection

    async def _place(self, *, is_prior: bool) -> UpstreamConnection | None:
        """Waits for a place; gives the connection on it, or None if it is empty."""
        place: Place = self._loop.create_future()
        self._waiting.add(place, is_prior=is_prior)
        self._waiters += 1
        try:
            return await place
        except asyncio.CancelledError:
            if self._waiting.discard(place):
                self._waiters -= 1
            elif not place.cancelled():
                # It was given a place and cannot take it, so the next one shall.
                freed = place.result()
                if freed is not None and not freed.is_closing():
                    self._freed(freed)
                else:
                    self._wake()
            raise

    def _evict(self) -> bool:
        """Gives up an idle connection to make room for a fresh one."""
        if not self._idle:
            return False
        connection = self._idle.pop(0)
        self._all.discard(connection)
        connection.abort()
        return True

    def _freed(self, connection: UpstreamConnection) -> None:
        # Handed on in person: were it only put back, a request that comes now would take it first.
        if self._waiters and self._wake(connection):
            return
        if self._is_retired:
            connection.abort()
            return
        # Good to a tick, and rather too early than too late.
        connection.idle_since_s = self._now_s
        self._idle.append(connection)

    def _gone(self, connection: UpstreamConnection) -> None:
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._wake()

    def _wake(self, connection: UpstreamConnection | None = None) -> bool:
        while (place := self._waiting.take()) is not None:
            self._waiters -= 1
            if not place.done():
                place.set_result(connection)
                return True
        return False

    def _tick(self) -> None:
        self._now_s = now_s = self._loop.time()
        for connection in tuple(self._all):
            connection.check_deadline(now_s)
        while self._idle and now_s - self._idle[0].idle_since_s > self._idle_s:
            connection = self._idle.pop(0)
            self._all.discard(connection)
            connection.abort()
        if not self._closed and not (self._is_retired and not self._all):
            self._ticker = self._loop.call_later(_TICK_S, self._tick)

    def counts(self) -> tuple[int, int]:
        """Open connections, and how many of them are idle."""
        return len(self._all), len(self._idle)

    def retire(self) -> None:
        """Takes no more than what has begun: each connection is closed when it becomes free."""
        self._is_retired = True
        for connection in tuple(self._idle):
            connection.abort()

    def close(self) -> None:
        """Closes every connection."""
        self._closed = True
        self._ticker.cancel()
        for connection in tuple(self._all):
            connection.abort()
