"""The cache of a hub: the tiers that the settings ask for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lukhas.config.settings import Settings
from lukhas.errors import StoreError
from lukhas.hub.hub import Hub
from lukhas.policy.caching.purges import Purge
from lukhas.storage.memory_entries import MemoryEntryStore
from lukhas.testing.redis_server import RedisServer
from lukhas.units import MIB
from tests.unit.storage.test_node_entries import entry


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


def hub(folder: Path, *, disk_bytes: int = 0, **cache: object) -> Hub:
    settings = Settings.model_validate({"state_dir": folder, "cache": cache})
    return Hub(settings, disk_bytes=disk_bytes)


def parts(one: Hub) -> dict[str, tuple[str, str]]:
    return {part.name: (part.state, part.detail) for part in one.parts()}


async def test_by_default_a_hub_has_memory_only(tmp_path: Path) -> None:
    """And nothing stands between it and the stage."""
    one = hub(tmp_path)
    await one.start(with_keys=False)
    assert isinstance(one.entries, MemoryEntryStore)
    assert [tier.name for tier in one.cache.tiers()] == ["memory"]
    assert not {"node-cache", "cluster-cache"} & set(parts(one))
    await one.close()


async def test_a_tier_on_disk_outlives_the_hub(tmp_path: Path) -> None:
    """Where the settings or the way in ask for it; a purge takes it away too."""
    stated = Settings.model_validate({"state_dir": tmp_path, "cache": {"disk_bytes": "16MiB"}})
    for is_second, one in enumerate((hub(tmp_path, disk_bytes=16 * MIB), Hub(stated))):
        await one.start(with_keys=False)
        await one.start(with_keys=False)
        assert (one.entries.get(entry().key) is not None) == bool(is_second)
        assert one.entries.put(entry(), one.entries.ticket())
        assert [tier.name for tier in one.cache.tiers()] == ["memory", "node"]
        assert parts(one)["node-cache"] == ("ok", "")
        await one.close()
    one = hub(tmp_path, disk_bytes=16 * MIB)
    await one.start(with_keys=False)
    assert one.purge(Purge()) == 1
    await one.close()
    await one.close()


async def test_the_settings_can_switch_it_off(tmp_path: Path) -> None:
    """Zero is nothing, whatever the way in has for a default."""
    settings = Settings.model_validate({"state_dir": tmp_path, "cache": {"disk_bytes": 0}})
    one = Hub(settings, disk_bytes=16 * MIB)
    assert isinstance(one.entries, MemoryEntryStore)


async def test_two_hubs_of_one_process_cannot_share_a_file(tmp_path: Path) -> None:
    """LMDB forbids it: it is told, and not found out by damage."""
    one, two = (hub(tmp_path, disk_bytes=16 * MIB) for _ in range(2))
    await one.start(with_keys=False)
    with pytest.raises(StoreError, match="already"):
        await two.start(with_keys=False)
    await two.close()
    await one.close()


async def test_a_redis_that_is_away_degrades(tmp_path: Path, server: RedisServer) -> None:
    """The hub starts and serves; health says what is wrong, without the address's password."""
    one = hub(tmp_path, redis=server.url)
    await one.start(with_keys=False)
    assert parts(one)["cluster-cache"] == ("ok", "")
    await one.close()
    server.kill()
    await one.start(with_keys=False)
    state, detail = parts(one)["cluster-cache"]
    assert state == "degraded"
    assert "cannot be connected" in detail
    assert one.entries.put(entry(), one.entries.ticket())
    assert one.entries.get(entry().key)
    await one.close()
