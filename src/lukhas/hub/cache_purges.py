"""Purging the cache of a running gateway from another process: the admin plane, the command line.

It writes to the node's purge log, which every worker reads, and tells the cluster.
"""

import os
from dataclasses import dataclass, replace
from typing import Self

from lukhas.config.settings import Settings
from lukhas.errors import ConfigError
from lukhas.hub.cache import SERVE_DISK_BYTES, disk_bytes_of
from lukhas.policy.caching.purges import Purge, purge_of_url
from lukhas.storage.entries import EntryStoreStats
from lukhas.storage.node_entries import ClusterMark, NodeEntryStore
from lukhas.storage.node_entry_file import NodeEntryFile
from lukhas.storage.node_entry_opening import open_node_entry_file
from lukhas.storage.node_listing import ListedEntry, largest_entries
from lukhas.storage.redis_link import RedisLink
from lukhas.storage.redis_purges import ClusterPurges
from lukhas.storage.redis_settings import settings_from_url

__all__ = ("CachePurges", "PurgeReport", "chosen_purge")

# Nobody's request waits for it: it may take longer than a look-up.
_DEADLINE_S = 2.0


@dataclass(frozen=True, slots=True)
class PurgeReport:
    """What a purge did.

    Attributes:
        met: how many responses of this node it met.
        cluster: whether the other nodes were told; False where there are none to tell.
    """

    met: int
    cluster: bool


def chosen_purge(
    *,
    url: str | None = None,
    tag: str | None = None,
    prefix: str | None = None,
    everything: bool = False,
    soft: bool = False,
) -> Purge:
    """The purge that exactly one of the choices stands for.

    Args:
        url: one address, all its variants.
        tag: a tag.
        prefix: how addresses begin: a URL, or a path for all hosts.
        everything: whether everything is meant.
        soft: see `Purge`.

    Raises:
        ConfigError: not exactly one choice is given, or one cannot be read.
    """
    given = [choice for choice in (url, tag, prefix) if choice is not None]
    if len(given) + everything != 1:
        raise ConfigError("it must be said what to purge", hint="give one of url, tag, prefix, all")
    if url is not None:
        return purge_of_url(url, soft=soft)
    if tag is not None:
        if not tag:
            raise ConfigError("a tag has at least one character", hint="name the tag")
        return Purge(tag=tag, soft=soft)
    if prefix is None:
        return Purge(soft=soft)
    if prefix.startswith("/") and prefix.isascii():
        return Purge(path_prefix=prefix.encode("ascii"), soft=soft)
    return purge_of_url(prefix, prefix=True, soft=soft)


class CachePurges:
    """Purges what the workers of a node share, and the cluster; use it as a context.

    Args:
        settings: those of the gateway.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._file: NodeEntryFile | None = None
        self._node: NodeEntryStore | None = None
        self._link: RedisLink | None = None
        self._cluster: ClusterPurges | None = None

    async def __aenter__(self) -> Self:
        """Opens what the settings name.

        Raises:
            ConfigError: the settings name nothing that processes share.
            StateDirError: the state directory cannot be used.
            StoreError: the file of the node cannot be used.
        """
        settings = self._settings
        disk_bytes = disk_bytes_of(settings, SERVE_DISK_BYTES)
        redis = settings.cache.redis
        if not disk_bytes and redis is None:
            raise ConfigError(
                "each worker has its cache for itself: nobody else can purge it",
                where="cache.disk_bytes",
                hint="set it, or cache.redis",
            )
        if disk_bytes:
            self._file = open_node_entry_file(settings.state_dir, disk_bytes)
            self._node = NodeEntryStore(self._file)
        if redis is not None:
            address = settings_from_url(redis.get_secret_value())
            self._link = RedisLink(replace(address, deadline_s=_DEADLINE_S))
            await self._link.ready()
            # Without a node of its own nobody has purged anything yet: then every node does.
            name = os.urandom(8) if self._node is None else self._node.name()
            self._cluster = ClusterPurges(
                self._link, node_name=name, apply=_nothing, sequence=lambda: 0
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._link is not None:
            await self._link.close()
        if self._node is not None:
            self._node.close()
        self._link = self._cluster = self._node = self._file = None

    async def purge(self, purge: Purge) -> PurgeReport:
        """Purges.

        Raises:
            StoreError: the node's purge could not be written, or the cluster could not be told.
        """
        met = 0 if self._node is None else self._node.purge(purge)
        if self._cluster is not None:
            self._cluster.owe(purge)
            await self._cluster.flush()
        return PurgeReport(met, self._cluster is not None)

    def node_stats(self) -> EntryStoreStats | None:
        """What the node's tier holds; None if there is none.

        Raises:
            StoreError: it cannot be read.
        """
        return None if self._node is None else self._node.stats()

    def largest(self, most: int) -> list[ListedEntry]:
        """The largest of the newest entries in the node's tier; none where there is no such tier.

        Raises:
            StoreError: it cannot be read.
        """
        return [] if self._file is None else largest_entries(self._file, most)

    def cluster_state(self) -> str | None:
        """How well the cluster can be reached; None if there is none."""
        return None if self._link is None else self._link.health().state


def _nothing(_purge: Purge | None, _mark: ClusterMark) -> None:
    """The workers follow the cluster themselves."""
