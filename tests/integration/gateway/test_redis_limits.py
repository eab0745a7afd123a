"""Limits that are counted in Redis, while it works and while it does not."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from lukhas.testing.fault_proxy import Fault, FaultProxy
from lukhas.testing.redis_cluster import RedisClusterServers
from lukhas.testing.redis_server import RedisServer
from tests.integration.gateway.kit import Gateway, Reply, gateway, until

_FAULTS: dict[str, tuple[Fault, dict[str, Any]]] = {
    "refused": (Fault.REFUSE, {}),
    "hung": (Fault.HANG, {}),
    "delayed": (Fault.DELAY, {"delay_s": 5.0}),
    "garbage": (Fault.GARBAGE, {}),
    "reset": (Fault.RESET, {}),
    "cut": (Fault.CUT, {"after_bytes": 3}),
}
_WORKS_S = 20.0


@pytest.fixture(scope="module")
def shared() -> Iterator[RedisServer]:
    """A server that tests only fill."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def server(shared: RedisServer) -> RedisServer:
    """The shared server, empty."""
    assert shared.ask("FLUSHALL").startswith(b"+OK")
    return shared


@contextlib.asynccontextmanager
async def _running(
    folder: Path, store: str, *, limit: str = "100/minute", on_error: str = "allow",
    **counters: object,
) -> AsyncIterator[Gateway]:  # fmt: skip
    """A gateway that counts there; its origin answers each request."""
    settings: dict[str, Any] = {
        "tiers": {"free": limit, "on_store_error": on_error},
        "routes": [{"name": "open", "path": "/open", "exempt": True}],
        "counters": {"store": store, "deadline_s": _WORKS_S} | counters,
    }
    async with gateway(folder, **settings) as running:
        await running.hub.start()
        try:
            yield running
        finally:
            await running.hub.close()
        assert running.state.unhandled == 0


async def _many(running: Gateway, count: int) -> list[Reply]:
    """So many requests, 20 at once."""
    client_count = 20

    async def some(number: int) -> list[Reply]:
        client = await running.client()
        return [await client.get() for _ in range(number, count, client_count)]

    found = await asyncio.gather(*[some(number) for number in range(client_count)])
    return [reply for replies in found for reply in replies]


def _statuses(replies: list[Reply]) -> dict[int, int]:
    statuses = [reply.status for reply in replies]
    return {status: statuses.count(status) for status in sorted(set(statuses))}


def _health(running: Gateway) -> str:
    (part,) = [part for part in running.hub.parts() if part.name == "counters"]
    return part.state


async def _recovers(running: Gateway, *, left: bytes) -> None:
    """By itself, and then requests are counted there again."""

    async def counts() -> bool:
        reply = await running.get()
        return reply.status == 200 and any(left in value for value in reply.values(b"ratelimit"))

    async with asyncio.timeout(30):
        while not await counts() or _health(running) != "ok":  # noqa: ASYNC110 - in another process
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("fault", _FAULTS)
@pytest.mark.parametrize("on_error", ["allow", "deny", "local"])
async def test_a_store_that_fails_fails_no_request(
    server: RedisServer, tmp_path: Path, fault: str, on_error: str
) -> None:
    """It is as the policy says: never a bare 500, never a loop that waits; counted, and shown."""
    kind, figures = _FAULTS[fault]
    async with FaultProxy(server.port) as proxy:
        store = f"redis://127.0.0.1:{proxy.port}"
        async with _running(
            tmp_path, store, on_error=on_error, nodes=10, deadline_s=0.2
        ) as running:
            assert (await running.get()).status == 200
            assert _health(running) == "ok"
            await proxy.switch(kind, **figures)
            asking = asyncio.ensure_future(_many(running, 60))
            # Meanwhile whoever needs no counter is answered.
            assert (await running.get(b"/open")).status == 200
            replies = await asking
            found = _statuses(replies)
            if on_error == "allow":
                assert found == {200: 60}
            elif on_error == "deny":
                assert found == {503: 60}
                assert b"temporary-reduced-capacity" in replies[0].body
                assert replies[0].values(b"retry-after")
            else:
                # A tenth of 100, on this node alone.
                assert found == {200: 10, 429: 50}
            assert running.hub.counters.failures >= 60
            assert _health(running) == "degraded"
            await proxy.switch(Fault.PASS)
            await _recovers(running, left=b"r=")


async def test_a_full_server_is_a_failure_of_the_store(tmp_path: Path) -> None:
    """OOM with noeviction: requests go by the policy, and counting goes on when there is room."""
    with RedisServer() as full:
        async with _running(tmp_path, full.url, on_error="local", nodes=50) as running:
            assert (await running.get()).status == 200
            full.ask("CONFIG", "SET", "maxmemory", "1")
            assert _statuses(await _many(running, 20)) == {200: 2, 429: 18}
            assert _health(running) == "degraded"
            full.ask("CONFIG", "SET", "maxmemory", "0")
            await _recovers(running, left=b"r=")


async def test_a_replica_that_cannot_be_written_is_a_failure(tmp_path: Path) -> None:
    """READONLY after a failover that the address does not follow."""
    with RedisServer() as master, RedisServer() as replica:
        replica.ask("REPLICAOF", "127.0.0.1", str(master.port))
        async with _running(tmp_path, replica.url, on_error="local", nodes=50) as running:
            assert _statuses(await _many(running, 20)) == {200: 2, 429: 18}
            assert _health(running) == "degraded"
            replica.ask("REPLICAOF", "NO", "ONE")
            await _recovers(running, left=b"r=")


async def test_a_wrong_password_stops_nothing_but_counting(tmp_path: Path) -> None:
    """The gateway starts, serves by the policy, and does not show the password."""
    with RedisServer(("--requirepass", "right")) as locked:
        store = f"redis://:wrong-one@127.0.0.1:{locked.port}"
        async with _running(tmp_path, store) as running:
            assert _statuses(await _many(running, 20)) == {200: 20}
            (part,) = [part for part in running.hub.parts() if part.name == "counters"]
            assert part.state == "degraded"
            assert "wrong-one" not in part.detail


async def test_a_restart_is_survived(tmp_path: Path) -> None:
    """The server comes back empty; counting goes on by itself."""
    with RedisServer() as own:
        async with _running(tmp_path, own.url) as running:
            assert (await running.get()).status == 200
            own.kill()
            assert _statuses(await _many(running, 20)) == {200: 20}
            assert _health(running) == "degraded"
            own.start()
            await _recovers(running, left=b"r=9")


@pytest.mark.parametrize(("lease", "least"), [(False, 100), (True, 90)])
async def test_two_nodes_keep_one_limit(
    server: RedisServer, tmp_path: Path, lease: bool, least: int
) -> None:
    """Of 400 requests to two nodes at once, exactly as many pass as the limit says."""
    async with (
        _running(tmp_path / "a", server.url, lease=lease, nodes=2) as one,
        _running(tmp_path / "b", server.url, lease=lease, nodes=2) as two,
    ):
        found = await asyncio.gather(_many(one, 200), _many(two, 200))
        statuses = _statuses([reply for replies in found for reply in replies])
        assert set(statuses) == {200, 429}
        assert least <= statuses[200] <= 100
        assert one.hub.counters.failures == two.hub.counters.failures == 0


async def test_a_master_that_dies_under_load_fails_no_request(tmp_path: Path) -> None:
    """A cluster fails over: no error reaches a client, and this node keeps to its share."""
    with RedisClusterServers() as servers:
        async with _running(
            tmp_path, servers.url, limit="50/hour", on_error="local", deadline_s=0.2
        ) as running:
            ended = asyncio.Event()

            async def load() -> list[Reply]:
                replies = []
                client = await running.client()
                while not ended.is_set():
                    replies.append(await client.get())
                return replies

            loads = [asyncio.ensure_future(load()) for _ in range(4)]
            await until(lambda: any(len(s.ask("KEYS", "lukhas:*")) > 5 for s in servers.masters))
            holding = next(
                index
                for index, master in enumerate(servers.masters)
                if len(master.ask("KEYS", "lukhas:*")) > 5
            )
            await asyncio.to_thread(servers.fail_over, holding)
            await until(lambda: _health(running) == "ok")
            ended.set()
            replies = [reply for replies in await asyncio.gather(*loads) for reply in replies]
            statuses = _statuses(replies)
            assert set(statuses) == {200, 429}
            # The limit, and once more this only node's share of it while the counters were away.
            assert 50 <= statuses[200] <= 100
            assert running.hub.counters.failures > 0
