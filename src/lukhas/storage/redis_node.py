"""One Redis server: its connection, kept up, and the breaker that rests it while it fails."""

import asyncio
from asyncio import AbstractEventLoop, Future, Task
from collections.abc import Callable
from dataclasses import dataclass

from lukhas.clock import Clock
from lukhas.errors import StoreError, StoreReplyError, StoreTimeoutError, StoreUnavailableError
from lukhas.policy import breaker
from lukhas.policy.breaker import BreakerPhase, BreakerState
from lukhas.storage.redis_calls import Call
from lukhas.storage.redis_commands import pack
from lukhas.storage.redis_connection import RedisConnection, open_connection
from lukhas.storage.redis_errors import UNWELL, unavailable
from lukhas.storage.redis_scripts import Script
from lukhas.storage.redis_settings import RedisAddress, RedisSettings
from lukhas.units import SECOND_NS

__all__ = ("NodeEvents", "RedisCounters", "RedisNode")

_RELOADS = 3
_ASKING = pack("ASKING")


@dataclass(slots=True)
class RedisCounters:
    """What a link has done since it was made.

    Attributes:
        calls: commands sent.
        batches: writes that they were sent with.
        timeouts: calls given up.
        errors: calls that failed in another way.
        reconnects: connections made after the first.
        redirects: calls sent on by a server of a cluster.
        reloads: scripts sent, also the first time.
    """

    calls: int = 0
    batches: int = 0
    timeouts: int = 0
    errors: int = 0
    reconnects: int = 0
    redirects: int = 0
    reloads: int = 0


@dataclass(frozen=True, slots=True)
class NodeEvents:
    """Whom a server tells what happens.

    Attributes:
        redirect: takes a call that was refused by a server of a cluster; True: it was sent on.
        changed: the server became usable, or unusable.
    """

    redirect: "Callable[[RedisNode, Call, StoreReplyError], bool]"
    changed: Callable[[], None]


class RedisNode:
    """A server.

    Calls of one turn of the loop are written together. While there is no connection yet they wait
    for it, each until its deadline; while the breaker is open they fail at once.

    Args:
        address: where it is.
        settings: how it is spoken to.
        clock: for the breaker, and for saying since when.
        counters: what is counted.
        events: whom to tell.

    Attributes:
        address: where it is.
        error: why it cannot be used, or None.
        since_ns: since when that is so, Unix time.
    """

    def __init__(
        self,
        address: RedisAddress,
        settings: RedisSettings,
        *,
        clock: Clock,
        counters: RedisCounters,
        events: NodeEvents,
    ) -> None:
        self.address = address
        self.error: StoreError | None = None
        self.since_ns = clock.now_ns()
        self._store = str(address)
        self._settings = settings
        self._clock = clock
        self._counters = counters
        self._events = events
        self._loop: AbstractEventLoop = asyncio.get_running_loop()
        self._connection: RedisConnection | None = None
        self._breaker: BreakerState = breaker.CLOSED
        self._outbox: list[Call] = []
        self._connected_before = False
        self._closed = False
        self._tried: Future[None] = self._loop.create_future()
        self._keeper: Task[None] = self._loop.create_task(self._keep_connected())

    @property
    def is_open(self) -> bool:
        """Whether there is a connection."""
        return self._connection is not None

    async def tried(self) -> None:
        """Waits until the first connection was made, or failed."""
        await asyncio.shield(self._tried)

    # -- calls -----------------------------------------------------------------------------------

    def send(self, call: Call) -> None:
        """Takes a call; its future gets the reply or a `StoreError`, maybe at once."""
        call.carrier = self
        connection, outbox = self._connection, self._outbox
        waiting = len(outbox)
        if connection is not None:
            waiting += len(connection.sent)
        elif (error := self.refusal()) is not None:
            call.fail(error)
            return
        if waiting >= self._settings.calls_at_once:
            self._counters.errors += 1
            call.fail(StoreUnavailableError(
                self._store, f"{waiting} calls wait for it already",
                hint="it is too slow for this load, or allow more at once",
            ))  # fmt: skip
            return
        if not outbox:
            self._loop.call_soon(self.ready)
        if call.asking:
            asking = Call(_ASKING, self._loop.create_future())
            asking.future.add_done_callback(_forget)
            outbox.append(asking)
        outbox.append(call)

    def refusal(self) -> StoreError | None:
        """Why a call would fail at once now, which then counts as failed; None if it would not."""
        if self._connection is None and (
            self._closed or self._breaker.phase is not BreakerPhase.CLOSED
        ):
            self._counters.errors += 1
            return unavailable(self._store, self.error)
        return None

    def ready(self) -> None:
        """Writes what waits, if there is a connection that can take it."""
        connection = self._connection
        if connection is None or connection.is_full:
            return
        waiting, self._outbox = self._outbox, []
        # What was given up before it was sent need not be done any more.
        calls = [call for call in waiting if not call.future.done()]
        if calls:
            counters = self._counters
            counters.calls += len(calls)
            counters.batches += 1
            connection.send(calls)

    def overdue(self, call: Call) -> None:
        """See `Carrier`."""
        self._counters.timeouts += 1
        call.fail(StoreTimeoutError(self._store, call.deadline_s))
        connection = self._connection
        # One that said nothing at all for that long hangs, and the next caller would wait as long
        # again. One that answers others, or was given less time, is slow, which is counted.
        hangs = call.deadline_s >= self._settings.deadline_s and (
            connection is None or connection.heard == call.heard_before
        )
        self._failed(StoreUnavailableError(
            self._store, f"did not answer within {call.deadline_s * 1000:g} ms",
            hint="check the load of the server and the network",
        ), is_sure=hangs)  # fmt: skip

    def answered(self) -> None:
        """See `ConnectionOwner`."""
        state, settings = self._breaker, self._settings.breaker
        if state.streak or settings.share < 1:
            self._breaker = breaker.succeeded(state, settings, self._clock.now_ns())

    def refused(self, call: Call, error: StoreReplyError) -> None:
        """See `ConnectionOwner`."""
        if call.carrier is None:  # of the greeting, or our own
            call.fail(error)
            return
        if call.future.done():
            return
        if error.code == "NOSCRIPT" and call.script is not None and call.tries < _RELOADS:
            call.tries += 1
            self._load(call.script)
            self.send(call)
            return
        if self._events.redirect(self, call, error):
            self._counters.redirects += 1
            return
        self._counters.errors += 1
        call.fail(error)
        if error.code in UNWELL:
            self._failed(error)
        else:
            self.answered()

    def _load(self, script: Script) -> None:
        """Sends a script, ahead of the calls that need it; once for all that wait."""
        load = pack(b"SCRIPT", b"LOAD", script.source)
        if any(call.packed == load for call in self._outbox):
            return
        self._counters.reloads += 1
        call = Call(load, self._loop.create_future())
        call.future.add_done_callback(_forget)
        self.send(call)

    # -- the connection --------------------------------------------------------------------------

    def lost(self, connection: RedisConnection, error: StoreError) -> None:
        """See `ConnectionOwner`."""
        if connection is not self._connection:
            return
        self._connection = None
        if self._closed:
            return
        self._say(error)
        settings = self._settings.breaker
        lived_s = self._loop.time() - connection.opened_s
        if self._breaker.phase is BreakerPhase.CLOSED and (
            lived_s * SECOND_NS < settings.longest_pause_ns
        ):
            # It was opened only just now: opening it again at once may well go on for ever.
            self._breaker = breaker.tripped(self._breaker, settings, self._clock.now_ns())
        if self._breaker.phase is not BreakerPhase.CLOSED:
            self._fail_waiting()

    async def close(self) -> None:
        """Ends it; calls that wait fail."""
        if not self._closed:
            self._closed = True
            self.error = StoreUnavailableError(self._store, "this link to it was closed")
            self._keeper.cancel()
        await asyncio.wait([self._keeper])
        connection = self._connection
        if connection is not None:
            connection.abort(unavailable(self._store, self.error))
            await connection.gone.wait()
        self._fail_waiting()

    async def _keep_connected(self) -> None:
        settings = self._settings.breaker
        while True:
            now_ns = self._clock.now_ns()
            self._breaker, may_try = breaker.ask(self._breaker, settings, now_ns)
            if not may_try:
                pause_ns = max(self._breaker.until_ns - now_ns, 0)
                await asyncio.sleep(pause_ns / SECOND_NS)
                continue
            try:
                connection = await open_connection(self.address, self._settings, self)
            except StoreError as error:
                self._breaker = breaker.tripped(self._breaker, settings, self._clock.now_ns())
                self._say(error)
                self._fail_waiting()
            else:
                self._connected(connection)
                await connection.gone.wait()

    def _connected(self, connection: RedisConnection) -> None:
        now_ns = self._clock.now_ns()
        self._breaker = breaker.recovered(self._breaker, now_ns)
        if self._connected_before:
            self._counters.reconnects += 1
        self._connected_before = True
        self._connection = connection
        self._say(None)
        self.ready()

    def _failed(self, error: StoreError, *, is_sure: bool = False) -> None:
        """Counts a failure, and if it is one too many, begins anew with another connection.

        Args:
            error: what is wrong.
            is_sure: whether one is too many already.
        """
        if self._breaker.phase is not BreakerPhase.CLOSED:
            # A call from before it opened. All that waited fail at once, and counting each of them
            # would make one failure a long row of ever longer pauses.
            return
        now_ns = self._clock.now_ns()
        count = breaker.tripped if is_sure else breaker.failed
        self._breaker = count(self._breaker, self._settings.breaker, now_ns)
        if self._breaker.phase is BreakerPhase.OPEN:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.abort(error)
            self._say(error)
            self._fail_waiting()

    def _fail_waiting(self) -> None:
        waiting, self._outbox = self._outbox, []
        for call in waiting:
            self._counters.errors += 1
            call.fail(unavailable(self._store, self.error))

    def _say(self, error: StoreError | None) -> None:
        if (error is None) != (self.error is None):
            self.since_ns = self._clock.now_ns()
        self.error = error
        if not self._tried.done():
            self._tried.set_result(None)
        self._events.changed()


def _forget(future: Future[object]) -> None:
    """Looks at a result that nobody waits for, so that its error is not reported as lost."""
    if not future.cancelled():
        future.exception()
