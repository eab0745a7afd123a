"""The counters of the limits: which store the settings ask for, opened and closed with the hub."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lukhas.clock import Clock
from lukhas.config.settings import Settings
from lukhas.errors import StoreError
from lukhas.policy.rate_limiting.decisions import LimitDecision
from lukhas.policy.rate_limiting.held_ring import HeldRing
from lukhas.policy.rate_limiting.leases import LeaseSettings
from lukhas.policy.rate_limiting.plans import LimitPlan
from lukhas.storage.counters import CounterStore, RemoteCounterStore
from lukhas.storage.guarded_counters import GuardedCounters, GuardedRemoteCounters
from lukhas.storage.memory_counters import MemoryCounters
from lukhas.storage.node_counters import NodeCounters, open_node_counters
from lukhas.storage.sole_node_counters import open_sole_node_counters
from lukhas.telemetry.health import PartHealth

if TYPE_CHECKING:
    from lukhas.storage.leased_counters import LeasedCounters
    from lukhas.storage.redis_counters import RedisCounterStore
    from lukhas.storage.redis_link import RedisLink

__all__ = ("HubCounters",)


class HubCounters:
    """A `CounterStore` that is in memory until `open`, and then where the settings want it.

    Args:
        settings: see `counters` there.
        workers: how many processes of this node count together.
        outlived: whether other processes go on with what this one has counted.
        clock: what time it is for requests.

    Attributes:
        store: what decides, where the counters are on this node.
        decide: that of `store`; see `CounterStore.decide`.
        settle: that of `store`; see `CounterStore.settle`.
        remote: what decides, where they are across the network; else None.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        workers: int,
        outlived: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        # Without `outlived` nobody knows how many processes there are: a server may have forked.
        self._is_sole = workers == 1 and outlived
        self._shares = workers * settings.counters.nodes
        wanted = settings.counters.store
        if wanted == "auto":
            wanted = "node" if workers > 1 or outlived else "memory"
        self._wanted = wanted
        self._memory = MemoryCounters()
        self._link: RedisLink | None = None
        self._leased: LeasedCounters | None = None
        self._redis: RedisCounterStore | None = None
        self._guarded_remote: GuardedRemoteCounters | None = None
        self.remote: RemoteCounterStore | None = _Remote(self) if "://" in wanted else None
        self._node: NodeCounters | None = None
        self._guarded: GuardedCounters | None = None
        self.store: CounterStore = self._memory
        # Its own methods and not some that call them: this is on the way of every request.
        self.decide, self.settle = self.store.decide, self.store.settle

    async def open(self) -> None:
        """Opens what the settings ask for. A store across the network may still be away then.

        Raises:
            ConfigError: the address of the store cannot be read.
            StateDirError: the state directory cannot be used.
            StoreError: the file of the counters is open in this process already, for a
                gateway that counts alone.
        """
        if self.remote is not None and self._link is None:
            await self._connect()
        if self._wanted == "node" and self._node is None:
            self._node = self._open_node()
            self._guarded = GuardedCounters(self._node, shares=self._shares)
            self._turn_to(self._guarded)

    async def close(self) -> None:
        """Closes it; what is asked afterwards is counted in memory."""
        if self._leased is not None:
            await self._leased.close()
        if self._redis is not None:
            await self._redis.settled()
        if self._link is not None:
            await self._link.close()
        self._link = self._leased = self._redis = self._guarded_remote = None
        if self._node is not None:
            self._node.close()
            self._node = self._guarded = None
        self._turn_to(self._memory)

    def held(self, plan: LimitPlan, subjects: tuple[str, ...]) -> HeldRing | None:
        """See `CounterStore.held`."""
        # Elsewhere memory is only a stand-in.
        return self._memory.held(plan, subjects) if self._wanted == "memory" else None

    def _turn_to(self, store: CounterStore) -> None:
        self.store = store
        self.decide, self.settle = store.decide, store.settle

    def _open_node(self) -> NodeCounters:
        state_dir = self._settings.state_dir
        if self._is_sole:
            return open_sole_node_counters(state_dir, asyncio.get_running_loop().call_soon)
        return open_node_counters(state_dir)

    async def _connect(self) -> None:
        # Here and not at the top: who counts on this node needs none of it.
        from lukhas.storage.leased_counters import LeasedCounters
        from lukhas.storage.redis_counters import RedisCounterStore
        from lukhas.storage.redis_link import RedisLink
        from lukhas.storage.redis_settings import settings_from_url

        counters = self._settings.counters
        redis = replace(settings_from_url(counters.store), deadline_s=counters.deadline_s)
        self._link = RedisLink(redis)
        await self._link.ready()
        self._redis = RedisCounterStore(self._link)
        store: RemoteCounterStore = self._redis
        if counters.lease:
            # Each worker reserves for itself.
            store = self._leased = LeasedCounters(
                store, LeaseSettings(nodes=self._shares), clock=self._clock
            )
        self._guarded_remote = GuardedRemoteCounters(store, shares=self._shares)

    async def decide_remote(
        self,
        plan: LimitPlan,
        subjects: tuple[str, ...],
        now_ns: int,
        cost: int,
        costs: tuple[int, ...] = (),
    ) -> LimitDecision:
        """See `RemoteCounterStore.decide`."""
        guarded = self._guarded_remote
        if guarded is None:
            return self._memory.decide(plan, subjects, now_ns, cost, costs)
        return await guarded.decide(plan, subjects, now_ns, cost, costs)

    def settle_remote(
        self,
        decision: LimitDecision,
        subjects: tuple[str, ...],
        now_ns: int,
        changes: Sequence[int],
    ) -> None:
        """See `RemoteCounterStore.settle`."""
        guarded = self._guarded_remote
        if guarded is None:
            self._memory.settle(decision, subjects, now_ns, changes)
        else:
            guarded.settle(decision, subjects, now_ns, changes)

    def __len__(self) -> int:
        try:
            return len(self.store)
        except StoreError:
            return 0

    def _guard(self) -> GuardedCounters | GuardedRemoteCounters | None:
        # Not by `or`: counters that hold nothing are false.
        return self._guarded_remote if self._guarded is None else self._guarded

    @property
    def failures(self) -> int:
        """How often the store did not answer."""
        guarded = self._guard()
        return guarded.failures if guarded is not None else 0

    @property
    def leased(self) -> tuple[int, int]:
        """How many requests were decided from slices reserved ahead, and how often it was asked."""
        leased = self._leased
        return (0, 0) if leased is None else (leased.answered, leased.asked)

    @property
    def shared(self) -> int:
        """How often a subject had to share a state with others, because there were too many."""
        return self._memory.shared if self._node is None else self._node.shared

    def health(self) -> PartHealth:
        """How the store is."""
        guarded = self._guard()
        if guarded is not None and guarded.last_error:
            return PartHealth("counters", "degraded", guarded.last_error)
        if self._link is not None:
            health = self._link.health()
            if health.state != "ok":
                return PartHealth("counters", "degraded", health.detail)
        if self.shared:
            detail = f"too many subjects: {self.shared} times one had to share a counter"
            return PartHealth("counters", "degraded", detail)
        # Not the address: it may hold a password.
        where = self._wanted.partition("://")[0]
        return PartHealth("counters", "ok", where)


class _Remote:
    """The remote form of the counters of a hub; see `RemoteCounterStore`."""

    def __init__(self, counters: HubCounters) -> None:
        self.decide = counters.decide_remote
        self.settle = counters.settle_remote
