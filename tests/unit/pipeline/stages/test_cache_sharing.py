"""lukhas.pipeline.stages.cache_sharing: what others have or fetch is not fetched here."""

import asyncio
from collections.abc import Callable

import pytest

from lukhas.pipeline.stages.cache_sharing import SharedFetches
from lukhas.policy.caching.keys import CacheKey
from lukhas.storage.entries import StoredResponse
from lukhas.storage.memory_entries import MemoryEntryStore
from lukhas.storage.tiered_entries import TieredEntryStore
from lukhas.units import MIB
from tests.unit.pipeline.stages.cache_kit import Kit, response


class Locks:
    """Locks of a node, some of them taken by other workers."""

    def __init__(self) -> None:
        self.own: set[bytes] = set()
        self.tries = 0
        self.held_for = 0
        self.on_free: Callable[[], object] = lambda: None

    def take(self, name: bytes) -> bool:
        self.tries += 1
        if self.held_for > 0:
            self.held_for -= 1
            if not self.held_for:
                self.on_free()
            return False
        self.own.add(name)
        return True

    def give_back(self, name: bytes) -> None:
        self.own.discard(name)


class Cluster:
    """What nodes share: entries, and a lock that others may hold."""

    def __init__(self) -> None:
        self.entries: tuple[StoredResponse, ...] = ()
        self.locked_for = 0
        self.answers = True
        self.own: set[bytes] = set()
        self.on_free: Callable[[], object] = lambda: None

    async def find(self, key: CacheKey) -> tuple[StoredResponse, ...]:
        await asyncio.sleep(0)
        return self.entries

    async def lock(self, name: bytes, owner: bytes, ttl_ms: int) -> bool | None:
        assert ttl_ms > 0
        if not self.answers:
            return None
        if self.locked_for:
            return False
        self.own.add(name)
        return True

    def unlock(self, name: bytes, owner: bytes) -> None:
        self.own.discard(name)

    async def is_locked(self, name: bytes) -> bool:
        self.locked_for -= 1
        if not self.locked_for:
            self.on_free()
        return self.locked_for > 0


class Sharing:
    """A kit whose stage shares its fetches."""

    def __init__(self, *, wait_s: float = 5.0, patience_s: float = 60.0) -> None:
        memory = MemoryEntryStore(8 * MIB)
        self.kit = Kit(memory, collapse_wait_s=wait_s, collapse_patience_s=patience_s)
        store = TieredEntryStore(memory)
        self.shared = SharedFetches(store, self.kit.stage.flights, owner=b"me")
        self.kit.stage.sharing = self.shared
        self.locks = Locks()
        self.cluster = Cluster()
        self.kit.answer = response(b"origin", cache_control="max-age=60")

    async def entry(self) -> StoredResponse:
        """An entry as another process would have it; it is not in the store afterwards."""
        other = Kit()
        other.answer = response(b"other", cache_control="max-age=60")
        await other.ask("/x")
        (found,) = other.store.get(("http", b"a.example", b"/x", b"", "")) or ()
        return found

    def appear(self, entry: StoredResponse) -> None:
        """Another worker has stored it."""
        assert self.kit.store.put(entry, self.kit.store.ticket())


@pytest.fixture
def sharing() -> Sharing:
    return Sharing()


async def test_a_leader_gives_its_locks_back_when_its_fetch_ends(sharing: Sharing) -> None:
    """Those of the node and of the cluster, whether something was stored or not."""
    sharing.shared.node, sharing.shared.cluster = sharing.locks, sharing.cluster
    held = []

    async def answer(_exchange: object) -> object:
        held.append((len(sharing.locks.own), len(sharing.cluster.own)))
        return response(b"origin", cache_control="no-store" if len(held) > 1 else "max-age=60")

    sharing.kit.answer = answer  # type: ignore[assignment]
    assert (await sharing.kit.ask("/x")).body == b"origin"
    assert (await sharing.kit.ask("/y")).body == b"origin"
    assert held == [(1, 1), (1, 1)]
    assert not sharing.locks.own
    assert not sharing.cluster.own


async def test_what_another_worker_fetches_is_waited_for(sharing: Sharing) -> None:
    """Its answer serves, and the lock is left."""
    entry = await sharing.entry()
    sharing.shared.node = sharing.locks
    sharing.locks.held_for = 2
    sharing.locks.on_free = lambda: sharing.appear(entry)
    assert (await sharing.kit.ask("/x")).body == b"other"
    assert sharing.kit.calls == 0
    assert not sharing.locks.own
    assert sharing.shared.waited == 1


async def test_where_nothing_was_stored_everybody_asks(sharing: Sharing) -> None:
    """After one wait, without a lock: so nobody queues behind another one."""
    sharing.shared.node = sharing.locks
    sharing.locks.held_for = 1
    assert (await sharing.kit.ask("/x")).body == b"origin"
    assert sharing.kit.calls == 1
    assert sharing.locks.tries == 2
    assert not sharing.locks.own


@pytest.mark.parametrize("times", [{"wait_s": 0.0}, {"patience_s": 0.0}])
async def test_waiting_has_an_end(times: dict[str, float]) -> None:
    """Short where nothing promises that the answer is for sharing, never long."""
    sharing = Sharing(**times)
    sharing.shared.node, sharing.shared.cluster = sharing.locks, sharing.cluster
    sharing.locks.held_for = 1_000_000
    assert (await sharing.kit.ask("/x")).body == b"origin"
    sharing.locks.held_for = 0
    sharing.cluster.locked_for = 1_000_000
    assert (await sharing.kit.ask("/y")).body == b"origin"


@pytest.mark.parametrize("by_cluster", [False, True])
async def test_those_who_wait_with_a_leader_in_vain_do_not_all_ask(by_cluster: bool) -> None:
    """When the leader has waited long enough for another process, it asks for all of them."""
    sharing = Sharing(wait_s=0.02)
    if by_cluster:
        sharing.shared.cluster, sharing.cluster.locked_for = sharing.cluster, 1_000_000
    else:
        sharing.shared.node, sharing.locks.held_for = sharing.locks, 1_000_000
    told = await asyncio.gather(*(sharing.kit.ask("/x") for _ in range(20)))
    assert {each.body for each in told} == {b"origin"}
    assert sharing.kit.calls == 1


async def test_what_a_node_has_is_taken_over(sharing: Sharing) -> None:
    """It serves here from now on."""
    sharing.shared.cluster = sharing.cluster
    sharing.cluster.entries = (await sharing.entry(),)
    sharing.cluster.entries[0].tier = "redis"
    told = await sharing.kit.ask("/x")
    assert told.body == b"other"
    assert told.told == "lukhas; hit; ttl=60; detail=redis"
    assert told.verdict.facts == (("tier", "redis"),)
    sharing.cluster.entries = ()
    assert (await sharing.kit.ask("/x")).told == "lukhas; hit; ttl=60"
    assert sharing.kit.calls == 0


async def test_what_another_node_fetches_is_waited_for(sharing: Sharing) -> None:
    """And asked for once it is there."""
    entry = await sharing.entry()
    sharing.shared.cluster = sharing.cluster
    sharing.cluster.locked_for = 2

    def free() -> None:
        sharing.cluster.entries = (entry,)

    sharing.cluster.on_free = free
    assert (await sharing.kit.ask("/x")).body == b"other"
    assert sharing.kit.calls == 0


async def test_a_cluster_that_does_not_answer_is_no_hindrance(sharing: Sharing) -> None:
    """The origin is asked."""
    sharing.shared.cluster = sharing.cluster
    sharing.cluster.answers = False
    assert (await sharing.kit.ask("/x")).body == b"origin"


async def test_what_is_known_to_be_stale_is_no_news(sharing: Sharing) -> None:
    """A stale entry is only replaced by one that came later."""
    sharing.shared.cluster = sharing.cluster
    sharing.kit.answer = response(b"first", cache_control="max-age=60", etag='"1"')
    await sharing.kit.ask("/x")
    (known,) = sharing.kit.store.get(("http", b"a.example", b"/x", b"", "")) or ()
    sharing.cluster.entries = (known,)
    sharing.kit.clock.move(61)
    sharing.kit.answer = response(b"second", cache_control="max-age=60")
    assert (await sharing.kit.ask("/x")).body == b"second"


async def test_a_leader_that_goes_away_lets_others_lead(sharing: Sharing) -> None:
    """While it waits for another process."""
    sharing.shared.node = sharing.locks
    sharing.locks.held_for = 1_000_000
    leader = asyncio.create_task(sharing.kit.ask("/x"))
    follower = asyncio.create_task(sharing.kit.ask("/x"))
    for _ in range(5):
        await asyncio.sleep(0)
    leader.cancel()
    sharing.locks.held_for = 0
    assert (await follower).body == b"origin"
    with pytest.raises(asyncio.CancelledError):
        await leader


async def test_requests_that_lead_nothing_share_nothing(sharing: Sharing) -> None:
    """A client that demands an answer of its own asks at once."""
    sharing.shared.node = sharing.locks
    assert (await sharing.kit.ask("/x", cache_control="no-cache")).body == b"origin"
    assert not sharing.locks.tries


# -- what is stale here --------------------------------------------------------------------------


class Refreshing(Sharing):
    """A kit whose response is stale, and may serve while it is refreshed or has to be replaced."""

    def __init__(self, directives: str) -> None:
        super().__init__()
        self.directives = directives

    async def fill(self) -> None:
        self.kit.answer = response(b"old", cache_control=self.directives)
        await self.kit.ask("/x")
        self.kit.answer = response(b"origin", cache_control=self.directives)
        self.kit.clock.move(70)

    async def settle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)
        assert not len(self.kit.stage._refresher)

    async def renew(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Another worker has brought a newer response."""
        other = Kit()
        other.clock.move(70)
        other.answer = response(b"other", cache_control=self.directives)
        await other.ask("/x")
        (newer,) = other.store.get(("http", b"a.example", b"/x", b"", "")) or ()

        def renewed(_store: TieredEntryStore, entry: StoredResponse) -> bool:
            return entry.body == b"old" and self.kit.store.put(
                newer, self.kit.store.ticket(), (entry,)
            )

        monkeypatch.setattr(TieredEntryStore, "renewed", renewed)


SWR = "max-age=60, stale-while-revalidate=600"


async def test_what_another_worker_has_renewed_serves_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The origin is not asked once a worker, but once; unless the client demands it."""
    sharing = Refreshing("max-age=60")
    await sharing.fill()
    await sharing.renew(monkeypatch)
    assert (await sharing.kit.ask("/x")).body == b"other"
    assert sharing.kit.calls == 1
    assert (await sharing.kit.ask("/x", cache_control="no-cache")).body == b"origin"


async def test_what_another_worker_has_refreshed_is_not_refreshed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is stale only here: the next client gets what came."""
    sharing = Refreshing(SWR)
    await sharing.fill()
    await sharing.renew(monkeypatch)
    assert (await sharing.kit.ask("/x")).body == b"old"
    await sharing.settle()
    assert (await sharing.kit.ask("/x")).body == b"other"
    assert sharing.kit.calls == 1


@pytest.mark.parametrize("by_cluster", [False, True])
async def test_one_process_refreshes(by_cluster: bool) -> None:
    """While it does, the others serve what they have, and look again a moment later."""
    sharing = Refreshing(SWR)
    await sharing.fill()
    sharing.shared.node = sharing.locks
    if by_cluster:
        sharing.shared.cluster, sharing.cluster.locked_for = sharing.cluster, 1
    else:
        sharing.locks.held_for = 1
    tries = sharing.locks.tries
    for _ in range(3):
        assert (await sharing.kit.ask("/x")).body == b"old"
        await sharing.settle()
    assert (sharing.kit.calls, sharing.locks.tries) == (1, tries + 1)
    assert not sharing.locks.own
    sharing.cluster.locked_for = 0
    sharing.kit.clock.move(0.03)
    assert (await sharing.kit.ask("/x")).body == b"old"
    await sharing.settle()
    assert (await sharing.kit.ask("/x")).body == b"origin"
    assert (sharing.kit.calls, sharing.locks.own, sharing.cluster.own) == (2, set(), set())


async def test_what_another_node_has_refreshed_is_taken_over() -> None:
    """In place of a refresh of our own."""
    sharing = Refreshing(SWR)
    await sharing.fill()
    other = Kit()
    other.clock.move(70)
    other.answer = response(b"other", cache_control=SWR)
    await other.ask("/x")
    sharing.shared.cluster = sharing.cluster
    sharing.cluster.entries = other.store.get(("http", b"a.example", b"/x", b"", "")) or ()
    assert (await sharing.kit.ask("/x")).body == b"old"
    await sharing.settle()
    assert (await sharing.kit.ask("/x")).body == b"other"
    assert sharing.kit.calls == 1


async def test_a_cluster_that_does_not_answer_keeps_nobody_from_refreshing() -> None:
    """Twice is better than never."""
    sharing = Refreshing(SWR)
    await sharing.fill()
    sharing.shared.cluster = sharing.cluster
    sharing.cluster.answers = False
    assert (await sharing.kit.ask("/x")).body == b"old"
    await sharing.settle()
    assert (await sharing.kit.ask("/x")).body == b"origin"
