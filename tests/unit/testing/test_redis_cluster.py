"""The cluster that tests start."""

import pytest

from lukhas.errors import StoreError
from lukhas.testing.redis_cluster import RedisClusterServers


@pytest.mark.slow
def test_it_is_whole_when_made_and_survives_a_master() -> None:
    """Every master has a replica that takes over."""
    with RedisClusterServers() as cluster:
        assert [master.ask("ROLE")[4:14] for master in cluster.masters] == [b"$6\r\nmaster"] * 3
        assert cluster.url.count(",") == 5
        heir = cluster.fail_over(2)
        assert heir is cluster.replicas[2]
        assert b"master" in heir.ask("ROLE")
        for server in (*cluster.masters[:2], *cluster.replicas):
            assert b"cluster_slots_ok:16384" in server.ask("CLUSTER", "INFO")


def test_servers_that_make_no_cluster_are_told() -> None:
    """And nothing keeps running."""
    with pytest.raises(StoreError, match="cannot be made"):
        RedisClusterServers(("--cluster-enabled", "no"))
