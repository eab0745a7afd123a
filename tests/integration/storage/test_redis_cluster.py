"""The link to a real Redis Cluster."""

import asyncio
from collections import Counter

import pytest

from lukhas.errors import StoreError, StoreReplyError, StoreUnavailableError
from lukhas.storage.redis_link import RedisLink
from lukhas.storage.redis_slots import key_slot
from lukhas.testing.redis_cluster import RedisClusterServers
from lukhas.testing.redis_server import RedisServer, free_port
from tests.integration.storage.kit import ADD, failure_of, opened, scripted, until

KEYS = [b"k:%d" % number for number in range(60)]


def owner_of(cluster: RedisClusterServers, key: bytes) -> int:
    return min(key_slot(key) * 3 // 16_384, 2)


async def test_keys_go_to_their_masters(cluster: RedisClusterServers) -> None:
    """Each call goes to the master that keeps its key, at once; one write a master."""
    async with opened(cluster.url) as link:
        await asyncio.gather(*(link.call("SET", key, key) for key in KEYS))
        assert await asyncio.gather(*(link.call("GET", key) for key in KEYS)) == KEYS
        assert link.counters.redirects == 0
        assert link.counters.batches == 6
        assert link.health().state == "ok"


async def test_scripts_are_sent_to_each_master_once(cluster: RedisClusterServers) -> None:
    """Each master learns the script when it first needs it."""
    for master in cluster.masters:
        master.ask("SCRIPT", "FLUSH")
    async with opened(cluster.url) as link:
        for _ in range(2):
            await asyncio.gather(*(link.script(ADD, [key + b":n"], [1]) for key in KEYS))
        assert link.counters.reloads == 3


async def test_commands_without_a_key(cluster: RedisClusterServers) -> None:
    """Any master answers them; a key may also be named."""
    async with opened(cluster.url) as link:
        assert await link.call("PING") == b"PONG"
        assert await link.call("EVAL", "return KEYS[1]", 1, "k:1") == b"k:1"
        assert await link.call("MEMORY", "USAGE", "absent", key=b"absent") is None


async def test_keys_of_two_masters_are_refused(cluster: RedisClusterServers) -> None:
    """It is said how keys are kept together; keys with one hash tag are."""
    async with opened(cluster.url) as link:
        with pytest.raises(StoreReplyError, match="braces"):
            await link.script(ADD, [b"a", b"b"], [1])
        assert await link.script(ADD, [b"{t}a", b"{t}b"], [0]) == 0


async def test_a_slot_that_moved(cluster: RedisClusterServers) -> None:
    """MOVED and ASK are followed, and a move that is done is learnt."""
    key = KEYS[0]
    source = cluster.masters[owner_of(cluster, key)]
    target = cluster.masters[(owner_of(cluster, key) + 1) % 3]
    slot = str(key_slot(key))
    ids = {
        server.port: server.ask("CLUSTER", "MYID").split(b"\r\n")[1].decode()
        for server in (source, target)
    }
    async with opened(cluster.url) as link:
        await link.call("DEL", key)
        target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source.port])
        source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target.port])
        try:
            # It is not at the source any more, so each call is sent on with ASK.
            assert [await link.script(ADD, [key], [1]) for _ in range(3)] == [1, 2, 3]
            assert link.counters.redirects >= 3
            _assign(cluster, slot, ids[target.port])
            assert [await link.script(ADD, [key], [1]) for _ in range(3)] == [4, 5, 6]
            asked = link.counters.redirects
            assert await link.call("GET", key) == b"6"
            assert link.counters.redirects == asked
            await link.call("DEL", key)
        finally:
            _assign(cluster, slot, ids[source.port])


def _assign(cluster: RedisClusterServers, slot: str, owner: str) -> None:
    for master in cluster.masters:
        master.ask("CLUSTER", "SETSLOT", slot, "NODE", owner)
        if owner.encode() in master.ask("CLUSTER", "MYID"):
            # Else what the others still say about the slot may win over this.
            master.ask("CLUSTER", "BUMPEPOCH")


@pytest.mark.slow
async def test_the_death_of_a_master_under_load() -> None:
    """Calls fail with a StoreError only, and all of them work again after the fail-over."""
    with RedisClusterServers() as cluster:
        async with opened(cluster.url, deadline_s=1.0) as link:
            stop = asyncio.Event()
            seen: Counter[str] = Counter()
            load = [asyncio.create_task(_load(link, stop, seen)) for _ in range(4)]
            await until(lambda: seen["ok"] > 500)
            await asyncio.to_thread(cluster.fail_over, 1)
            await until(lambda: link.health().state == "ok")
            done = seen["ok"]
            await until(lambda: seen["ok"] > done + 500)
            stop.set()
            await asyncio.gather(*load)
            assert seen["failed"] > 0
            replies = await asyncio.gather(*(link.script(ADD, [key], [0]) for key in KEYS))
            assert all(reply > 0 for reply in replies)


async def _load(link: RedisLink, stop: asyncio.Event, seen: Counter[str]) -> None:
    number = 0
    while not stop.is_set():
        number += 1
        try:
            await link.script(ADD, [KEYS[number % len(KEYS)]], [1])
            seen["ok"] += 1
        except StoreError:
            seen["failed"] += 1
        await asyncio.sleep(0.001)


async def test_no_node_can_be_reached() -> None:
    """Calls fail at once and name the addresses."""
    port = free_port()
    async with opened(f"redis+cluster://127.0.0.1:{port}") as link:
        error = await failure_of(link, "PING")
        assert f"127.0.0.1:{port}" in str(error)
        assert "Connection refused" in str(error)
        assert link.health().state == "failed"


async def test_a_server_that_is_no_cluster(server: RedisServer) -> None:
    """It is said that it does not know the cluster commands."""
    async with opened(f"redis+cluster://127.0.0.1:{server.port}") as link:
        assert "cluster support disabled" in str(await failure_of(link, "GET", "k"))


async def test_a_closed_cluster_fails_at_once(cluster: RedisClusterServers) -> None:
    """No call waits for what will never come."""
    async with opened(cluster.url) as link:
        await link.close()
        assert "was closed" in str(await failure_of(link, "GET", "k"))


def slots_of(port: int, *, last: int = 16_383) -> bytes:
    """CLUSTER SLOTS of a server that keeps all, and does not know its own name."""
    return b"*1\r\n*3\r\n:0\r\n:%d\r\n*3\r\n$-1\r\n:%d\r\n$2\r\nid\r\n" % (last, port)


async def test_a_server_that_does_not_know_its_name_is_called_as_it_was_asked() -> None:
    """A host of null means the one that was connected to (CLUSTER SLOTS)."""
    ports: list[int] = []

    def answer(command: list[bytes]) -> bytes:
        return slots_of(ports[0]) if command[0] == b"CLUSTER" else b"+fine\r\n"

    async with scripted(answer) as port:
        ports.append(port)
        async with opened(f"redis+cluster://127.0.0.1:{port}") as link:
            assert await link.call("GET", "k") == b"fine"


async def test_keys_on_their_way_are_asked_for_again() -> None:
    """TRYAGAIN is not told to the caller unless it never ends."""
    ports: list[int] = []
    left = 3

    def answer(command: list[bytes]) -> bytes:
        nonlocal left
        if command[0] == b"CLUSTER":
            return slots_of(ports[0])
        left -= 1
        return b"+fine\r\n" if left < 0 else b"-TRYAGAIN Multiple keys request\r\n"

    async with scripted(answer) as port:
        ports.append(port)
        async with opened(f"redis+cluster://127.0.0.1:{port}") as link:
            assert await link.call("MGET", "{k}1", "{k}2") == b"fine"
            left = 1000
            assert "TRYAGAIN" in str(await failure_of(link, "MGET", "{k}1", "{k}2"))
            given_up = asyncio.ensure_future(link.call("MGET", "{k}1", "{k}2"))
            await until(lambda: left < 990)
            given_up.cancel()


async def test_moves_in_a_circle_end() -> None:
    """A cluster that sends calls to and fro fails them; one that sends nowhere, too."""
    ports: list[int] = []
    place = b"127.0.0.1:%d"

    def answer(command: list[bytes]) -> bytes:
        if command[0] == b"CLUSTER":
            return slots_of(ports[0])
        return b"-MOVED 0 " + (place % ports[0] if command[0] == b"GET" else b"nowhere") + b"\r\n"

    async with scripted(answer) as port:
        ports.append(port)
        async with opened(f"redis+cluster://127.0.0.1:{port}") as link:
            assert "MOVED" in str(await failure_of(link, "GET", "k"))
            assert "MOVED 0 nowhere" in str(await failure_of(link, "SET", "k", 1))


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (b"+OK\r\n", "cannot be read"),
        (b"*1\r\n*1\r\n:0\r\n", "cannot be read"),
        (b"*0\r\n", "knows of no master"),
    ],
)
async def test_answers_that_name_no_master(reply: bytes, words: str) -> None:
    """It is told what is wrong with them."""
    async with (
        scripted(lambda _: reply) as port,
        opened(f"redis+cluster://127.0.0.1:{port}") as link,
    ):
        assert words in str(await failure_of(link, "GET", "k"))
        assert link.health().state == "failed"


async def test_a_server_that_does_not_answer_about_the_cluster() -> None:
    """It is not waited for without end."""
    async with (
        scripted(lambda _: b"") as port,
        opened(f"redis+cluster://127.0.0.1:{port}", connect_timeout_s=0.2) as link,
    ):
        assert "CLUSTER SLOTS" in str(await failure_of(link, "GET", "k"))


async def test_slots_without_a_master() -> None:
    """Calls for them fail at once, calls for others are answered, and health tells."""
    ports: list[int] = []

    def answer(command: list[bytes]) -> bytes:
        return slots_of(ports[0], last=99) if command[0] == b"CLUSTER" else b"+fine\r\n"

    async with scripted(answer) as port:
        ports.append(port)
        async with opened(f"redis+cluster://127.0.0.1:{port}") as link:
            assert await link.call("PING") == b"OK"
            error = await failure_of(link, "GET", "k")
            assert isinstance(error, StoreUnavailableError)
            assert "16284 slots have no master" in str(error)
            assert link.health().state == "degraded"
            assert "slots have no master" in link.health().detail
