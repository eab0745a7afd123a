"""The link to a Redis or Valkey server, or to a Redis Cluster."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from lukhas.clock import Clock, SystemClock
from lukhas.errors import StoreReplyError
from lukhas.storage.redis_calls import Call, DeadlineWatch
from lukhas.storage.redis_cluster import RedisCluster
from lukhas.storage.redis_commands import Word, pack
from lukhas.storage.redis_node import NodeEvents, RedisCounters, RedisNode
from lukhas.storage.redis_scripts import Script
from lukhas.storage.redis_settings import RedisSettings
from lukhas.storage.redis_slots import command_slot, key_slot

__all__ = ("RedisHealth", "RedisLink")


@dataclass(frozen=True, slots=True)
class RedisHealth:
    """How well a link is.

    Attributes:
        state: ok; degraded: a part of a cluster cannot be used; failed: nothing can.
        detail: why, for a person; never with a password.
        since_ns: since when, Unix time.
    """

    state: Literal["ok", "degraded", "failed"]
    detail: str
    since_ns: int


class RedisLink:
    """Carries commands to the servers and their replies back.

    Commands given in one turn of the event loop are written together, one write a server, and any
    number of writes may be on their way. No caller waits longer than its deadline. A server that
    fails is left alone for a while: calls then fail at once, and a task of the link tries it again
    until it works. A call whose connection broke is not repeated, for it may have been carried out.

    Commands that wait on the server (BLPOP), change the connection (SUBSCRIBE, MULTI, SELECT,
    CLIENT REPLY) must not be sent: all callers share one connection a server.

    Needs a running loop and belongs to it. It never asks for the current task, so it can be called
    from a pipeline run before its first wait.

    Args:
        settings: where the servers are, and how to speak to them.
        clock: for breakers and health.

    Attributes:
        settings: as given.
        counters: what it has done.
    """

    def __init__(self, settings: RedisSettings, *, clock: Clock | None = None) -> None:
        self.settings = settings
        self.counters = RedisCounters()
        self._clock = clock or SystemClock()
        self._loop = asyncio.get_running_loop()
        self._watches: dict[float, DeadlineWatch] = {}
        self._watch = self._watch_over(settings.deadline_s)
        self._servers: RedisNode | RedisCluster
        self._alone: RedisNode | None = None
        if settings.cluster:
            self._servers = RedisCluster(settings, clock=self._clock, counters=self.counters)
        else:
            self._servers = self._alone = RedisNode(
                settings.addresses[0],
                settings,
                clock=self._clock,
                counters=self.counters,
                events=NodeEvents(redirect=_never, changed=_nothing),
            )
        self._cluster = settings.cluster

    async def call(
        self, *command: Word, key: bytes | None = None, deadline_s: float | None = None
    ) -> Any:
        """Sends a command and gives its reply, strings as bytes.

        Args:
            command: its words.
            key: the key that it is about, where the link cannot know: by itself it takes the
                second word, or the first key of the commands that count their keys.
            deadline_s: how long to wait; as in the settings if not given. Few different values
                are meant, not one for each call.

        Raises:
            StoreTimeoutError: no reply came in time; it may have been carried out or not.
            StoreUnavailableError: the server cannot be reached, or failed before.
            StoreReplyError: the server refused it.
        """
        call = Call(pack(*command), self._loop.create_future())
        if self._cluster:
            slot = command_slot(command) if key is None else key_slot(key)
            call.slot = -1 if slot is None else slot
        return await self._carry(call, deadline_s)

    async def script(
        self,
        script: Script,
        keys: Sequence[bytes],
        args: Sequence[bytes | int] = (),
        *,
        deadline_s: float | None = None,
    ) -> Any:
        """Runs a script and gives its result; a server that does not know it yet is taught it.

        Args:
            script: the script.
            keys: its keys; in a cluster all in one slot.
            args: its further arguments.
            deadline_s: how long to wait; as in the settings if not given.

        Raises:
            StoreError: as for `call`.
        """
        if self._alone is not None and (refusal := self._alone.refusal()) is not None:
            # Before anything is made for it: while the server is away this is all that is done.
            raise refusal
        call = Call(script.packed(keys, args), self._loop.create_future(), script)
        if self._cluster and keys:
            call.slot = key_slot(keys[0])
        return await self._carry(call, deadline_s)

    async def ready(self) -> RedisHealth:
        """Waits until the servers were tried once, whether they work or not."""
        await self._servers.tried()
        return self.health()

    def health(self) -> RedisHealth:
        """How well it is now."""
        servers = self._servers
        nodes = servers.nodes if isinstance(servers, RedisCluster) else (servers,)
        error = servers.error
        since_ns = max((node.since_ns for node in nodes), default=self._clock.now_ns())
        usable = [node for node in nodes if node.is_open]
        if error is None and len(usable) == len(nodes) and nodes:
            return RedisHealth("ok", "", since_ns)
        detail = "connecting" if error is None else str(error)
        return RedisHealth("degraded" if usable else "failed", detail, since_ns)

    async def close(self) -> None:
        """Ends the connections and tasks; calls that wait fail. May be called twice."""
        await self._servers.close()
        for watch in self._watches.values():
            watch.close()

    async def __aenter__(self) -> Self:
        await self.ready()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _carry(self, call: Call, deadline_s: float | None) -> Any:
        future = call.future
        self._servers.send(call)
        if not future.done():
            (self._watch if deadline_s is None else self._watch_over(deadline_s)).add(call)
        try:
            return await future
        except (asyncio.CancelledError, GeneratorExit):
            # Nobody would ever look at what becomes of it.
            future.cancel()
            raise

    def _watch_over(self, deadline_s: float) -> DeadlineWatch:
        watch = self._watches.get(deadline_s)
        if watch is None:
            watch = self._watches[deadline_s] = DeadlineWatch(self._loop, deadline_s, _give_up)
        return watch


def _give_up(call: Call) -> None:
    if call.carrier is not None:
        call.carrier.overdue(call)


def _never(_node: RedisNode, _call: Call, _error: StoreReplyError) -> bool:
    return False


def _nothing() -> None:
    pass
