"""Bodies too large for memory: stored in files, served in pieces, by the same rules as others."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from lukhas.errors import StoreError, UpstreamConnectError
from lukhas.http.messages import Response
from lukhas.pipeline.stages.cache_bodies import read_out
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.caching.purges import Purge
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.storage.body_files import BodyPart
from lukhas.storage.entries import StoredResponse
from lukhas.storage.large_bodies import LargeBody
from lukhas.storage.memory_entries import MemoryEntryStore
from lukhas.storage.node_entries import NodeEntryStore
from lukhas.storage.node_entry_opening import BODIES_FOLDER, open_node_entry_file
from lukhas.storage.tiered_entries import TieredEntryStore
from lukhas.units import MIB
from tests.unit.pipeline.stages.cache_kit import Kit, drained, pieces, response

BODY = bytes(range(251)) * 2000
OTHER = BODY[::-1]
FRESH = {"cache_control": "public, max-age=60", "etag": '"1"'}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeEntryStore]:
    store = NodeEntryStore(open_node_entry_file(tmp_path, 8 * MIB, body_files_bytes=4 * MIB))
    yield store
    store.close()


@pytest.fixture
def kit(node: NodeEntryStore) -> Kit:
    store = TieredEntryStore(MemoryEntryStore(MIB))
    store.open_node(node)
    kit = Kit(store, draw=lambda: 1.0)
    kit.policy = CachePolicy(max_body_bytes=10_000)
    return kit


def streamed(body: bytes = BODY, **fields: str) -> Response:
    chunks = [body[at : at + 70_000] for at in range(0, len(body), 70_000)]
    return response(pieces(*chunks, b""), 200, **(FRESH | fields))


async def filled(kit: Kit, **fields: str) -> None:
    kit.answer = streamed(BODY, **fields)
    assert (await kit.ask()).told == "lukhas; fwd=uri-miss; stored"
    kit.answer = AssertionError("the origin is not asked again")


def folder(path: Path) -> list[Path]:
    return list((path / BODIES_FOLDER).iterdir())


def in_files(node: NodeEntryStore) -> int:
    return len(list(node._file.bodies._folder.iterdir()))


@pytest.mark.parametrize("length", [{}, {"content_length": str(len(BODY))}])
async def test_a_large_body_is_stored_and_served(
    kit: Kit, node: NodeEntryStore, length: dict[str, str]
) -> None:
    """Whether its length is known before or not; nothing of it stays in memory."""
    await filled(kit, **length)
    told = await kit.ask()
    assert (told.body, told.result) == (BODY, "hit")
    assert told.answer.headers.get_all(b"content-length") == [b"%d" % len(BODY)]
    assert in_files(node) == 1
    (entry,) = kit.store.get(("http", b"a.example", b"/x", b"", "")) or ()
    assert entry.body == b""
    assert entry.size_bytes < 5000
    assert kit.calls == 1


async def test_a_body_in_one_piece_is_stored_too(kit: Kit) -> None:
    """Where an app gives all of it at once."""
    kit.answer = response(BODY, 200, **FRESH)
    first = await kit.ask()
    for tap in first.answer.taps or ():
        tap.feed(BODY, last=True)
    assert (await kit.ask()).body == BODY
    assert kit.calls == 1


async def test_its_head_its_parts_and_304(kit: Kit) -> None:
    """R5, R12: as with any other response."""
    await filled(kit)
    head = await kit.ask(method="HEAD")
    assert (head.status, head.body) == (200, b"")
    part = await kit.ask(range="bytes=65000-66000")
    assert (part.status, part.body) == (206, BODY[65_000:66_001])
    assert part.answer.headers.get(b"content-range") == b"bytes 65000-66000/%d" % len(BODY)
    last = await kit.ask(range="bytes=-3")
    assert last.body == BODY[-3:]
    assert (await kit.ask(range="bytes=999999-")).status == 416
    assert (await kit.ask(if_none_match='"1"')).status == 304
    assert kit.calls == 1


async def test_a_confirmed_one_keeps_its_file(kit: Kit, node: NodeEntryStore) -> None:
    """The 304 of the origin updates the fields; the body is not fetched again."""
    await filled(kit)
    kit.clock.move(100)
    kit.answer = response(b"", 304, **FRESH)
    again = await kit.ask()
    assert (again.body, again.result) == (BODY, "revalidated")
    assert (await kit.ask()).result == "hit"
    assert kit.calls == 2
    assert in_files(node) == 1


async def test_a_confirmed_one_whose_entry_went_meanwhile_is_still_served(
    kit: Kit, node: NodeEntryStore
) -> None:
    """Its file was open by then."""
    await filled(kit)
    kit.clock.move(100)

    async def purged(_exchange: object) -> Response:
        node.purge(Purge())
        return response(b"", 304, **FRESH)

    kit.answer = purged
    again = await kit.ask()
    assert again.body == BODY
    assert again.told == "lukhas; fwd=stale; fwd-status=304; ttl=60"
    assert in_files(node) == 0


async def test_another_body_takes_its_place(kit: Kit, node: NodeEntryStore) -> None:
    await filled(kit)
    kit.clock.move(100)
    kit.answer = streamed(OTHER)
    assert (await kit.ask()).body == OTHER
    assert (await kit.ask()).body == OTHER
    assert in_files(node) == 1


async def test_a_stale_one_stands_in_for_an_error(kit: Kit) -> None:
    await filled(kit, cache_control="public, max-age=60, stale-if-error=600")
    kit.clock.move(100)
    kit.answer = response(b"broken", 503)
    assert (await kit.ask()).body == BODY
    kit.answer = UpstreamConnectError("api", "no connection", sent=False)
    assert (await kit.ask()).body == BODY


@pytest.mark.parametrize("answer", ["confirms", "replaces"])
async def test_it_is_refreshed_in_the_background(kit: Kit, answer: str) -> None:
    """Without being held in memory for it."""
    swr = "public, max-age=60, stale-while-revalidate=600"
    await filled(kit, cache_control=swr)
    kit.clock.move(100)
    new = BODY if answer == "confirms" else OTHER
    kit.answer = (
        response(b"", 304, cache_control=swr, etag='"1"')
        if answer == "confirms"
        else streamed(OTHER, cache_control=swr)
    )
    assert (await kit.ask()).body == BODY
    while len(kit.stage._refresher):  # noqa: ASYNC110 - the tasks know of no event
        await asyncio.sleep(0)
    told = await kit.ask()
    assert (told.body, told.result) == (new, "hit")
    assert kit.calls == 2


@pytest.mark.parametrize("harm", ["gone", "cut"])
async def test_an_entry_without_its_file_is_a_miss(kit: Kit, tmp_path: Path, harm: str) -> None:
    await filled(kit)
    (path,) = folder(tmp_path)
    if harm == "gone":
        path.unlink()
    else:
        os.truncate(path, 1000)
    kit.answer = streamed(OTHER)
    assert (await kit.ask()).body == OTHER
    assert (await kit.ask()).body == OTHER
    assert kit.calls == 2


async def test_damage_breaks_off_and_is_not_served_again(kit: Kit, tmp_path: Path) -> None:
    await filled(kit)
    (path,) = folder(tmp_path)
    data = bytearray(path.read_bytes())
    data[200_000] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreError, match="damaged"):
        await kit.ask()
    kit.answer = streamed(OTHER)
    assert (await kit.ask()).body == OTHER


async def test_a_purge_reaches_it(kit: Kit, node: NodeEntryStore) -> None:
    await filled(kit, surrogate_key="big")
    assert kit.store.purge(Purge(tag="big", soft=True)) == 1
    kit.answer = response(b"", 304, **FRESH)
    assert (await kit.ask()).result == "revalidated"
    assert kit.store.purge(Purge()) == 1
    assert in_files(node) == 0
    kit.answer = streamed()
    assert (await kit.ask()).result == "miss"


async def test_a_purge_while_it_is_fetched_keeps_it_out(kit: Kit, node: NodeEntryStore) -> None:
    async def purging() -> AsyncIterator[bytes]:
        yield BODY
        kit.store.purge(Purge())
        yield b""

    kit.answer = response(purging(), 200, **FRESH)
    await kit.ask()
    assert in_files(node) == 0
    assert kit.store.get(("http", b"a.example", b"/x", b"", "")) is None


async def test_a_client_that_goes_away_leaves_nothing(kit: Kit, node: NodeEntryStore) -> None:
    kit.answer = streamed()
    exchange = kit.exchange()
    answer = await kit.run(exchange)
    assert answer.taps is not None
    (tap,) = answer.taps
    tap.feed(BODY, last=False)
    assert in_files(node) == 1
    tap.abort()
    assert in_files(node) == 0


@pytest.mark.parametrize("known", [True, False])
async def test_what_is_larger_than_the_room_passes(
    kit: Kit, node: NodeEntryStore, *, known: bool
) -> None:
    """A quarter of the room is for one."""
    body = b"x" * (MIB + 1)
    length = {"content_length": str(len(body))} if known else {}
    kit.answer = streamed(body, **length)
    assert (await kit.ask()).body == body
    assert in_files(node) == 0
    assert kit.store.get(("http", b"a.example", b"/x", b"", "")) is None


async def test_a_route_may_keep_to_memory(kit: Kit, node: NodeEntryStore) -> None:
    kit.policy = CachePolicy(max_body_bytes=10_000, body_files=False)
    kit.answer = streamed()
    await kit.ask()
    assert in_files(node) == 0


async def test_without_a_node_there_are_no_files() -> None:
    kit = Kit()
    kit.policy = CachePolicy(max_body_bytes=10_000)
    kit.answer = streamed()
    assert (await kit.ask()).told == "lukhas; fwd=uri-miss; stored"
    kit.answer = streamed()
    assert (await kit.ask()).result == "miss"
    tiers = TieredEntryStore(MemoryEntryStore(MIB))
    assert tiers.begin_body() is None
    assert tiers.largest_file_bytes() == 0
    (entry,) = await stored(kit)
    assert (kit.store.open_body(entry), tiers.open_body(entry)) == (None, None)
    assert kit.store.begin_body() is None


async def stored(kit: Kit) -> tuple[StoredResponse, ...]:
    kit.answer = response(b"small", 200, **FRESH)
    await kit.ask("/small")
    return kit.store.get(("http", b"a.example", b"/small", b"", "")) or ()


async def test_a_small_body_has_no_file(kit: Kit, node: NodeEntryStore) -> None:
    (entry,) = await stored(kit)
    assert kit.store.open_body(entry) is None
    assert in_files(node) == 0


@pytest.mark.parametrize("when", ["begin", "write"])
async def test_a_full_disk_stores_nothing_and_serves(
    kit: Kit, node: NodeEntryStore, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    if when == "begin":
        monkeypatch.setattr(node._file.bodies, "begin", full)
    else:
        monkeypatch.setattr(BodyPart, "_write_frame", full)
    kit.answer = streamed()
    assert (await kit.ask()).body == BODY
    assert in_files(node) == 0
    assert kit.stage.flights is not None
    assert len(kit.stage.flights) == 0


async def test_room_is_bounded(kit: Kit, node: NodeEntryStore, tmp_path: Path) -> None:
    """Older ones make room, those that were asked for last."""
    for number in range(12):
        kit.answer = streamed()
        await kit.ask(f"/{number}")
        kit.answer = AssertionError("the first is always there")
        await kit.ask("/0")
    assert 6 <= in_files(node) <= 8
    assert sum(path.stat().st_size for path in folder(tmp_path)) <= 4 * MIB
    assert node.stats().used_bytes <= 4 * MIB


async def test_a_shared_large_body_is_seen_to_be_the_same_for_all(kit: Kit) -> None:
    """The leak guard compares digests; once it has seen enough, nobody asks the origin."""
    one, two, three = (Consumer(f"key:{name}", Tier.FREE) for name in "abc")

    async def answer(_exchange: object) -> Response:
        return streamed(cache_control="public, max-age=60")

    kit.answer = answer
    for consumer in (one, two, three) * 3:
        assert (await kit.ask(consumer=consumer)).body == BODY
        while len(kit.stage._refresher):  # noqa: ASYNC110 - the tasks know of no event
            await asyncio.sleep(0)
    calls = kit.calls
    for consumer in (one, two, three):
        assert (await kit.ask(consumer=consumer)).result == "hit"
    assert kit.calls == calls
    assert not kit.stage.guard.quarantined


async def test_a_shared_large_body_that_depends_on_who_asks_is_a_leak(kit: Kit) -> None:
    async def answer(exchange: object) -> Response:
        consumer = getattr(exchange, "consumer", None)
        return streamed(BODY if consumer == one else OTHER, cache_control="public, max-age=60")

    one, two, three = (Consumer(f"key:{name}", Tier.FREE) for name in "abc")
    kit.answer = answer
    for consumer in (one, two, three, one, two):
        await kit.ask(consumer=consumer)
        while len(kit.stage._refresher):  # noqa: ASYNC110 - the tasks know of no event
            await asyncio.sleep(0)
    assert kit.stage.guard.quarantined


@pytest.mark.parametrize("body", [BODY, pieces(BODY[:1000], BODY[1000:])])
async def test_a_body_is_read_out_by_digest(body: bytes | AsyncIterator[bytes]) -> None:
    read = await read_out(response(body), len(BODY))
    assert isinstance(read, LargeBody)
    assert read.size_bytes == len(BODY)


async def test_a_body_is_read_out_up_to_its_bounds() -> None:
    assert await read_out(response(b"12345"), 5, held_bytes=5) == b"12345"
    assert await read_out(response(pieces(b"123", b"45")), 4) is None


async def test_what_a_read_does_not_end_is_given_up(kit: Kit) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"1"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await read_out(response(broken()), 5)
    assert await drained(response(pieces(b"a"))) == b"a"
