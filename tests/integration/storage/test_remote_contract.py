"""Counters across the network keep the contract: one server, a cluster, and leases over either."""

from collections.abc import AsyncIterator

import pytest

from lukhas.policy.rate_limiting.leases import LeaseSettings
from lukhas.storage.counters import RemoteCounterStore
from lukhas.storage.leased_counters import LeasedCounters
from lukhas.storage.redis_counters import RedisCounterStore
from lukhas.testing.redis_cluster import RedisClusterServers
from lukhas.testing.redis_server import RedisServer
from lukhas.testing.remote_contracts import RemoteCounterStoreContract
from tests.integration.storage.kit import opened


class _OverRedis(RemoteCounterStoreContract):
    async def settled(self, store: RemoteCounterStore) -> None:
        """Waits for the server."""
        assert isinstance(store, RedisCounterStore)
        await store.settled()
        assert store.settle_failures == 0


class TestSingleServer(_OverRedis):
    """RedisCounterStore on one server."""

    @pytest.fixture
    async def store(self, server: RedisServer) -> AsyncIterator[RedisCounterStore]:
        """Empty counters."""
        async with opened(server.url) as link:
            yield RedisCounterStore(link)


class TestCluster(_OverRedis):
    """RedisCounterStore on a cluster, where subjects lie on several servers."""

    @pytest.fixture
    async def store(self, cluster: RedisClusterServers) -> AsyncIterator[RedisCounterStore]:
        """Empty counters."""
        for master in cluster.masters:
            assert master.ask("FLUSHALL").startswith(b"+OK")
        async with opened(cluster.url) as link:
            yield RedisCounterStore(link)


class TestLeases(RemoteCounterStoreContract):
    """LeasedCounters of the only node over one server."""

    @pytest.fixture
    async def store(self, server: RedisServer) -> AsyncIterator[LeasedCounters]:
        """Empty counters."""
        async with opened(server.url) as link:
            self._counted = RedisCounterStore(link)
            leased = LeasedCounters(self._counted, LeaseSettings())
            yield leased
            await leased.close()
            await self._counted.settled()

    async def settled(self, store: RemoteCounterStore) -> None:
        """Waits for the server."""
        await self._counted.settled()
