"""What the leader of a fetch does before it asks the origin: others may have the answer, or get it.

Others are the other workers of the node and the other nodes. The leader takes a lock for what it
fetches; who finds it taken waits and looks again. Nobody waits long: where the answer cannot be
stored, the lock is given back at once and everybody asks for themselves.
"""

import asyncio
from functools import partial
from hashlib import blake2b
from typing import Protocol

from lukhas.pipeline.stages.cache_flights import Flight, FlightEnd, Flights
from lukhas.pipeline.stages.cache_question import Fetch
from lukhas.policy.caching.keys import CacheKey
from lukhas.storage.entries import StoredResponse
from lukhas.storage.entry_codec import encode_key

__all__ = ("Adopter", "ClusterSide", "NodeSide", "SharedFetches")

_FIRST_WAIT_S = 0.002
_LONGEST_NODE_WAIT_S = 0.005
_LONGEST_CLUSTER_WAIT_S = 0.02


class NodeSide(Protocol):
    """The locks of the workers of a node."""

    def take(self, name: bytes) -> bool:
        """Takes a lock if no other worker has it."""
        ...

    def give_back(self, name: bytes) -> None:
        """Gives it back."""
        ...


class ClusterSide(Protocol):
    """The entries and locks of the nodes."""

    async def find(self, key: CacheKey) -> tuple[StoredResponse, ...]:
        """What there is under a key."""
        ...

    async def lock(self, name: bytes, owner: bytes, ttl_ms: int) -> bool | None:
        """Takes a lock; None if that cannot be told."""
        ...

    def unlock(self, name: bytes, owner: bytes) -> None:
        """Gives it back."""
        ...

    async def is_locked(self, name: bytes) -> bool:
        """Whether anybody holds it."""
        ...


class Adopter(Protocol):
    """Takes over what other processes have."""

    def adopt(self, found: tuple[StoredResponse, ...], ticket: int) -> bool:
        """Stores it here; see `TieredEntryStore.adopt`."""
        ...

    def renewed(self, entry: StoredResponse) -> bool:
        """Takes over a newer version of it; see `TieredEntryStore.renewed`."""
        ...


class SharedFetches:
    """Keeps several processes from fetching the same thing at the same time.

    Args:
        store: takes over what the cluster has.
        flights: tell how long one waits for a fetch, and hear when it ends.
        owner: what tells this process from others in the cluster.
        space: tells its fetches from those of other APIs.

    Attributes:
        node: the locks of the node; None where one process serves alone.
        cluster: what the nodes share; None where they share nothing.
        waited: how many fetches waited for one of another process.
    """

    def __init__(
        self, store: Adopter, flights: Flights, *, owner: bytes, space: bytes = b""
    ) -> None:
        self._store = store
        self._flights = flights
        self._owner = owner
        self._space = space
        self.node: NodeSide | None = None
        self.cluster: ClusterSide | None = None
        self.waited = 0

    async def found(self, fetch: Fetch, flight: Flight) -> bool:
        """Looks for the answer elsewhere, and waits where somebody else is asking for it.

        Args:
            fetch: if this gives False, it is to ask the origin.
            flight: the one that it leads.

        Returns:
            Whether the store is worth another look.
        """
        name = _name(flight, self._space)
        node = self.node
        if node is not None:
            if not node.take(name):
                return await self._waited_on_node(flight, name, node)
            flight.on_end = partial(_given_back, node, name)
        if self.cluster is None:
            return False
        return await self._asked_cluster(fetch, flight, name, self.cluster)

    def renewed(self, entry: StoredResponse) -> bool:
        """Whether another worker has stored a newer version of a response; then it is here too."""
        return self._store.renewed(entry)

    async def leads(self, fetch: Fetch, flight: Flight) -> bool:
        """Whether a fetch that nobody waits for is to be made; not if others make it, or did.

        Args:
            fetch: the fetch.
            flight: the one that it leads.
        """
        name = _name(flight, self._space)
        node, cluster = self.node, self.cluster
        if node is not None:
            if not node.take(name):
                return False
            flight.on_end = partial(_given_back, node, name)
        if cluster is None:
            return True
        if await self._adopted(fetch, cluster):
            return False
        return await self._locked(flight, name, cluster) is not False

    async def _locked(self, flight: Flight, name: bytes, cluster: ClusterSide) -> bool | None:
        """Whether the lock of the cluster is ours until the flight ends; None if nobody knows."""
        ttl_ms = round(self._flights.wait_limit_s * 1000) + 1
        taken = await cluster.lock(name, self._owner, ttl_ms)
        if taken:
            flight.on_end = partial(_given_back_both, flight.on_end, cluster, name, self._owner)
        return taken

    async def _waited_on_node(self, flight: Flight, name: bytes, node: NodeSide) -> bool:
        self.waited += 1
        pause_s = _FIRST_WAIT_S
        begun_s = asyncio.get_running_loop().time()
        while self._flights.is_worth_waiting(flight, begun_s):
            await asyncio.sleep(pause_s)
            if node.take(name):
                # Kept by nobody: if nothing was stored, every worker asks for itself.
                node.give_back(name)
                return True
            pause_s = min(pause_s * 1.5, _LONGEST_NODE_WAIT_S)
        return False

    async def _asked_cluster(
        self, fetch: Fetch, flight: Flight, name: bytes, cluster: ClusterSide
    ) -> bool:
        if await self._adopted(fetch, cluster):
            return True
        if await self._locked(flight, name, cluster) is not False:
            return False
        self.waited += 1
        pause_s = _FIRST_WAIT_S
        begun_s = asyncio.get_running_loop().time()
        while self._flights.is_worth_waiting(flight, begun_s):
            await asyncio.sleep(pause_s)
            if not await cluster.is_locked(name):
                flight.asked_s = asyncio.get_running_loop().time()
                return await self._adopted(fetch, cluster)
            pause_s = min(pause_s * 1.5, _LONGEST_CLUSTER_WAIT_S)
        return False

    async def _adopted(self, fetch: Fetch, cluster: ClusterSide) -> bool:
        found = await cluster.find(fetch.request.key)
        entry = fetch.entry
        if entry is not None:
            # What is known to be stale here is no news.
            known_ns = entry.terms.freshness.responded_ns
            found = tuple(one for one in found if one.terms.freshness.responded_ns > known_ns)
        return bool(found) and self._store.adopt(found, fetch.ticket)


def _given_back(node: NodeSide, name: bytes, _how: FlightEnd) -> None:
    node.give_back(name)


def _given_back_both(
    inner: object, cluster: ClusterSide, name: bytes, owner: bytes, how: FlightEnd
) -> None:
    cluster.unlock(name, owner)
    if callable(inner):
        inner(how)


def _name(flight: Flight, space: bytes) -> bytes:
    """What is locked. A principal is told by a number of this process only, so that no two
    processes ever share an answer that may be meant for one principal."""
    key, principal = flight.key
    return blake2b(encode_key(key, b"%d " % principal + space), digest_size=16).digest()
