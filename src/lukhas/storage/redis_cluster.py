"""A Redis Cluster: which of its servers keeps what, and finding that out again when it changes."""

import asyncio
import contextlib
import re
from asyncio import AbstractEventLoop, Task
from typing import Any

from lukhas.clock import Clock
from lukhas.errors import StoreError, StoreReplyError, StoreUnavailableError
from lukhas.storage.redis_calls import Call
from lukhas.storage.redis_commands import pack
from lukhas.storage.redis_connection import RedisConnection, open_connection
from lukhas.storage.redis_errors import unavailable
from lukhas.storage.redis_node import NodeEvents, RedisCounters, RedisNode
from lukhas.storage.redis_settings import RedisAddress, RedisSettings
from lukhas.storage.redis_slots import SLOTS

__all__ = ("RedisCluster",)

_MOST_TRIES = 8
_TRY_AGAIN_S = 0.005
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0
_REDIRECT = re.compile(r"(?:MOVED|ASK) (?P<slot>\d{1,5}) (?P<host>.*):(?P<port>\d{1,5})")
_CLUSTER_SLOTS = pack("CLUSTER", "SLOTS")


class RedisCluster:
    """The masters of a cluster, and the way to each key.

    A task of its own asks the servers who keeps what (CLUSTER SLOTS): at the start, from time to
    time, and as soon and as long as anything hints that it has changed.

    Args:
        settings: its addresses are where to ask first.
        clock: for its servers.
        counters: what is counted.
    """

    def __init__(self, settings: RedisSettings, *, clock: Clock, counters: RedisCounters) -> None:
        self._settings = settings
        self._clock = clock
        self._counters = counters
        self._loop: AbstractEventLoop = asyncio.get_running_loop()
        self._nodes: dict[RedisAddress, RedisNode] = {}
        self._slots: list[RedisNode | None] = [None] * SLOTS
        self._others: list[RedisAddress] = []
        self._error: StoreError | None = StoreUnavailableError(
            self._name, "the cluster was not reached yet"
        )
        self._closing: set[Task[None]] = set()
        self._closed = False
        self._hint = asyncio.Event()
        self._tried = asyncio.Event()
        self._asker: Task[None] = self._loop.create_task(self._keep_asking())

    @property
    def _name(self) -> str:
        return ",".join(str(address) for address in self._settings.addresses)

    @property
    def nodes(self) -> tuple[RedisNode, ...]:
        """Its masters."""
        return tuple(self._nodes.values())

    @property
    def error(self) -> StoreError | None:
        """Why it cannot be used whole, or None."""
        if self._error is not None:
            return self._error
        return next((node.error for node in self._nodes.values() if node.error), None)

    async def tried(self) -> None:
        """Waits until the servers were asked once, and each master was connected once."""
        await self._tried.wait()
        for node in self.nodes:
            await node.tried()

    def send(self, call: Call) -> None:
        """Hands a call to the server that keeps its key."""
        node = self._slots[call.slot] if call.slot >= 0 else self._any()
        if node is None:
            self._counters.errors += 1
            self._hint.set()
            call.fail(self._no_master(call.slot))
            return
        node.send(call)

    async def close(self) -> None:
        """Ends all of it; calls that wait fail."""
        self._closed = True
        self._asker.cancel()
        await asyncio.wait([self._asker])
        for node in self.nodes:
            self._retire(node)
        self._nodes.clear()
        self._slots = [None] * SLOTS
        self._error = StoreUnavailableError(self._name, "this link to it was closed")
        if self._closing:
            await asyncio.wait(self._closing)

    # -- calls sent on ---------------------------------------------------------------------------

    def _redirect(self, node: RedisNode, call: Call, error: StoreReplyError) -> bool:
        """Sends a call on, if that is what a server's refusal means."""
        code = error.code
        if code == "CLUSTERDOWN":
            self._hint.set()
        if call.tries >= _MOST_TRIES or self._closed:
            return False
        if code == "TRYAGAIN":
            # The keys are on their way from one server to another.
            call.tries += 1
            self._loop.call_later(_TRY_AGAIN_S, self._send_again, call)
            return True
        match = _REDIRECT.fullmatch(error.what)
        if match is None or int(match["slot"]) >= SLOTS:
            return False
        call.tries += 1
        call.asking = code == "ASK"
        target = self._node_at(RedisAddress(match["host"] or node.address.host, int(match["port"])))
        if not call.asking:
            self._slots[int(match["slot"])] = target
            self._hint.set()
        target.send(call)
        return True

    def _send_again(self, call: Call) -> None:
        if not call.future.done():
            self.send(call)

    def _any(self) -> RedisNode | None:
        nodes = self.nodes
        return next((node for node in nodes if node.is_open), nodes[0] if nodes else None)

    def _no_master(self, slot: int) -> StoreUnavailableError:
        if self._error is not None:
            return unavailable(self._name, self._error)
        return StoreUnavailableError(
            self._name, f"no master keeps slot {slot}", hint="see CLUSTER SLOTS on a server"
        )

    # -- who keeps what --------------------------------------------------------------------------

    async def _keep_asking(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            self._hint.clear()
            await self._ask_somebody()
            self._tried.set()
            if self._is_whole():
                pause_s = _FIRST_PAUSE_S
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._settings.refresh_s):
                        await self._hint.wait()
            else:
                pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)
            # Many hints come together.
            await asyncio.sleep(pause_s)

    def _is_whole(self) -> bool:
        return self._error is None and all(node.error is None for node in self._nodes.values())

    async def _ask_somebody(self) -> None:
        known = [node.address for node in self._nodes.values() if node.is_open]
        places = (*known, *self._others, *self._settings.addresses)
        for address in dict.fromkeys(places):
            try:
                reply = await self._ask(address)
                self._learn(reply, address)
            except StoreError as error:
                self._error = error if not self._nodes else self._error
            else:
                return

    async def _ask(self, address: RedisAddress) -> object:
        """Asks one server, with a connection made for that: it need not be one of those in use."""
        connection = await open_connection(address, self._settings, _Nobody())
        try:
            call = Call(_CLUSTER_SLOTS, self._loop.create_future())
            connection.send((call,))
            async with asyncio.timeout(self._settings.connect_timeout_s):
                return await call.future
        except TimeoutError:
            raise StoreUnavailableError(str(address), "no answer to CLUSTER SLOTS") from None
        finally:
            connection.abort(StoreUnavailableError(str(address), "no longer needed"))
            await connection.gone.wait()

    def _learn(self, reply: object, source: RedisAddress) -> None:
        slots: list[RedisAddress | None] = [None] * SLOTS
        others: list[RedisAddress] = []
        try:
            for first, last, master, *replicas in _rows(reply):
                address = _listed(master, source)
                others += [_listed(replica, source) for replica in replicas]
                slots[first : last + 1] = [address] * (last + 1 - first)
        except (TypeError, ValueError, IndexError):
            raise StoreUnavailableError(
                str(source), "its answer to CLUSTER SLOTS cannot be read"
            ) from None
        masters = {address for address in slots if address is not None}
        if not masters:
            raise StoreUnavailableError(
                str(source), "it knows of no master", hint="create the cluster first"
            )
        for address in masters:
            self._node_at(address)
        for address in [address for address in self._nodes if address not in masters]:
            self._retire(self._nodes.pop(address))
        self._slots = [None if address is None else self._nodes[address] for address in slots]
        self._others = others
        self._error = None
        if (lacking := slots.count(None)) > 0:
            self._error = StoreUnavailableError(
                self._name, f"{lacking} slots have no master", hint="see CLUSTER SLOTS on a server"
            )

    def _node_at(self, address: RedisAddress) -> RedisNode:
        node = self._nodes.get(address)
        if node is None:
            node = self._nodes[address] = RedisNode(
                address,
                self._settings,
                clock=self._clock,
                counters=self._counters,
                events=NodeEvents(redirect=self._redirect, changed=self._hint.set),
            )
        return node

    def _retire(self, node: RedisNode) -> None:
        task = self._loop.create_task(node.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


class _Nobody:
    """The owner of a connection that is used for one question."""

    def answered(self) -> None:
        """Nothing depends on it."""

    def refused(self, call: Call, error: StoreReplyError) -> None:
        """The one who asked gets the error."""
        call.fail(error)

    def lost(self, connection: RedisConnection, error: StoreError) -> None:
        """The one who asked gets the error."""

    def ready(self) -> None:
        """One question always fits."""


def _rows(reply: object) -> list[Any]:
    if not isinstance(reply, list):
        raise TypeError(reply)
    return reply


def _listed(server: list[Any], source: RedisAddress) -> RedisAddress:
    """A server as CLUSTER SLOTS names it; without a host it is the one that was asked."""
    host, port = server[0], server[1]
    name = host.decode() if isinstance(host, bytes) else ""
    return RedisAddress(name if name not in {"", "?"} else source.host, int(port))
