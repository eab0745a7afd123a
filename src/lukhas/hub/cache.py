"""The cache of a hub: which tiers the settings ask for, opened and closed with the hub."""

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lukhas.clock import Clock
from lukhas.config.caching import effective_values
from lukhas.config.settings import Settings
from lukhas.pipeline.stages.cache import CacheStage
from lukhas.pipeline.stages.cache_sharing import SharedFetches
from lukhas.policy.caching.purges import Purge
from lukhas.storage.entries import EntryStore, EntryStoreStats
from lukhas.storage.memory_entries import MemoryEntryStore
from lukhas.storage.tiered_entries import TieredEntryStore
from lukhas.telemetry.health import PartHealth, PartState
from lukhas.telemetry.repeats import RepeatLog
from lukhas.units import MIB

if TYPE_CHECKING:
    from lukhas.storage.fetch_locks import FetchLocks
    from lukhas.storage.redis_entries import RedisEntryTier
    from lukhas.storage.redis_link import RedisLink

__all__ = ("SERVE_DISK_BYTES", "CacheTier", "HubCache", "disk_bytes_of")

SERVE_DISK_BYTES = 256 * MIB
"""What the node's tier of a gateway may take on disk if the settings do not say."""


@dataclass(frozen=True, slots=True)
class CacheTier:
    """What one tier holds.

    Attributes:
        name: memory or node.
        stats: its figures.
    """

    name: str
    stats: EntryStoreStats


class HubCache:
    """The entries and the stage that answers from them.

    In memory until `open`, and then in every tier that the settings ask for.

    Args:
        settings: see `cache` there.
        clock: the time.
        disk_bytes: what the node's tier may take if the settings do not say.
        repeats: takes what a lifetime would have let it answer; None for nobody.

    Attributes:
        entries: the store that the stage uses.
        stage: the stage.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        *,
        disk_bytes: int,
        repeats: RepeatLog | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        values = effective_values(settings.strategy, settings.cache)
        memory = MemoryEntryStore(values.size_bytes)
        self._disk_bytes = disk_bytes_of(settings, disk_bytes)
        # Without a tier below, nothing stands between the stage and memory.
        self._redis_url = settings.cache.redis
        is_tiered = self._disk_bytes or self._redis_url is not None
        self._tiers = TieredEntryStore(memory) if is_tiered else None
        self.entries: EntryStore = self._tiers or memory
        self.stage = CacheStage(
            self.entries,
            clock,
            collapse_wait_s=values.collapse_wait_s,
            facts=(("strategy", settings.strategy.value),),
            repeats=repeats,
        )

        self._locks: FetchLocks | None = None
        self._link: RedisLink | None = None
        self._remote: RedisEntryTier | None = None

    async def open(self) -> None:
        """Opens the tiers that the settings ask for.

        Raises:
            ConfigError: a setting cannot be used.
            StateDirError: the state directory cannot be used.
            StoreError: the file of the node's tier is open in this process already.
        """
        tiers = self._tiers
        if tiers is None:
            return
        if self._disk_bytes and tiers.node is None:
            # Here and not at the top: who has memory only needs none of it.
            from lukhas.storage.fetch_locks import open_fetch_locks
            from lukhas.storage.node_entries import NodeEntryStore
            from lukhas.storage.node_entry_opening import open_node_entry_file

            stated = self._settings.cache.body_files_bytes
            file = open_node_entry_file(
                self._settings.state_dir,
                self._disk_bytes,
                body_files_bytes=self._disk_bytes if stated is None else stated,
            )
            tiers.open_node(NodeEntryStore(file, space=_node_space(self._settings)))
            self._locks = open_fetch_locks(self._settings.state_dir)
        if self._redis_url is not None and self._link is None:
            await self._connect(tiers, self._redis_url.get_secret_value())
        sharing = SharedFetches(
            tiers,
            self.stage.flights,
            owner=os.urandom(16),
            space=self._settings.cache.namespace.encode(),
        )
        sharing.node, sharing.cluster = self._locks, self._remote
        self.stage.sharing = sharing

    async def _connect(self, tiers: TieredEntryStore, url: str) -> None:
        from lukhas.storage.redis_entries import RedisEntryTier
        from lukhas.storage.redis_link import RedisLink
        from lukhas.storage.redis_purges import ClusterPurges
        from lukhas.storage.redis_settings import settings_from_url

        deadline_s = self._settings.cache.redis_deadline_s
        self._link = RedisLink(replace(settings_from_url(url), deadline_s=deadline_s))
        await self._link.ready()
        name, known = tiers.node_name()
        purges = ClusterPurges(
            self._link,
            node_name=name,
            apply=tiers.apply_cluster,
            sequence=tiers.latest_ticket,
            known=known,
        )
        self._remote = RedisEntryTier(
            self._link, purges, self._clock, space=self._settings.cache.namespace.encode()
        )
        tiers.open_remote(self._remote)
        await self._remote.open()

    async def close(self) -> None:
        """Ends what runs in the background, and closes the lower tiers."""
        await self.stage.close()
        self.stage.sharing = None
        if self._remote is not None:
            await self._remote.close()
        if self._link is not None:
            await self._link.close()
        if self._locks is not None:
            self._locks.close()
        self._locks = self._link = self._remote = None
        if self._tiers is not None:
            self._tiers.close()

    def purge(self, purge: Purge) -> int:
        """Removes responses from every tier; see `EntryStore.purge`."""
        return self.entries.purge(purge)

    def tiers(self) -> tuple[CacheTier, ...]:
        """What each tier of this node holds, the uppermost first."""
        found = [CacheTier("memory", self.entries.stats())]
        node = None if self._tiers is None else self._tiers.node_stats()
        if node is not None:
            found.append(CacheTier("node", node))
        return tuple(found)

    def health(self) -> list[PartHealth]:
        """How the tiers below memory are."""
        parts = []
        if self._tiers is not None and self._disk_bytes:
            wrong = self._tiers.failure
            parts.append(PartHealth("node-cache", "degraded" if wrong else "ok", wrong))
        if self._link is not None:
            found = self._link.health()
            state: PartState = "ok" if found.state == "ok" else "degraded"
            parts.append(PartHealth("cluster-cache", state, found.detail))
        return parts


def _node_space(settings: Settings) -> bytes:
    """Whose entries they are: gateways of several APIs may have one state directory."""
    space = f"{settings.cache.namespace}\0{settings.upstream.url or ''}"
    # What a route got of one API is no answer of another that it is given to.
    named = [f"{upstream.name}={upstream.url}" for upstream in settings.upstreams]
    routed = [f"{route.name}={route.upstream}" for route in settings.routes if route.upstream]
    best = [
        f"{route.name}={'|'.join(sorted(route.best_of.upstreams))}"
        for route in settings.routes
        if route.best_of is not None
    ]
    return "\0".join((space, *named, *routed, *best)).encode()


def disk_bytes_of(settings: Settings, default: int) -> int:
    """What the node's tier may take on disk; 0 for no such tier."""
    stated = settings.cache.disk_bytes
    return default if stated is None else stated
