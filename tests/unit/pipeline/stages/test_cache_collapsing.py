"""lukhas.pipeline.stages.cache: concurrent misses, and bodies that pass by."""

import asyncio
from collections.abc import AsyncIterator
from typing import NoReturn, Unpack

import pytest

from lukhas.errors import HandlerError
from lukhas.http.messages import BodyTap, Pushed, Response
from lukhas.pipeline.exchange import Exchange
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.caching.purges import Purge
from lukhas.policy.rate_limiting.tiers import Tier
from tests.unit.pipeline.stages.cache_kit import Asked, Kit, Told, drained, pieces, response


@pytest.fixture
def kit() -> Kit:
    return Kit()


class Gate:
    """An origin whose answers wait to be let go; the n-th call gets the n-th answer."""

    def __init__(self, kit: Kit, *answers: Response | Exception) -> None:
        self._answers = list(answers)
        self.opened = asyncio.Event()
        self.asked = asyncio.Queue[Exchange]()
        kit.answer = self

    async def __call__(self, exchange: Exchange) -> Response:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        self.asked.put_nowait(exchange)
        await self.opened.wait()
        if isinstance(answer, Exception):
            raise answer
        return answer


async def settle() -> None:
    """Lets everything that can run do so."""
    for _ in range(20):
        await asyncio.sleep(0)


def fresh(body: bytes = b"body") -> Response:
    return response(body, cache_control="max-age=60")


async def many(
    kit: Kit, count: int, path: str = "/x", **asked: Unpack[Asked]
) -> list[asyncio.Task[Told]]:
    tasks = [asyncio.create_task(kit.ask(path, **asked)) for _ in range(count)]
    await settle()
    return tasks


def tap_of(answer: Response) -> BodyTap:
    """What the stage made the body pass through."""
    assert answer.taps
    return answer.taps[0]


async def test_twenty_concurrent_misses_make_one_call(kit: Kit) -> None:
    """One asks the origin, nineteen wait and get its response."""
    gate = Gate(kit, fresh())
    tasks = await many(kit, 20)
    assert kit.calls == 1
    gate.opened.set()
    told = await asyncio.gather(*tasks)
    assert kit.calls == 1
    assert [each.body for each in told] == [b"body"] * 20
    assert sorted(each.result for each in told) == ["hit"] * 19 + ["miss"]
    collapsed = [each for each in told if each.result == "hit"]
    assert {each.told for each in collapsed} == {"lukhas; fwd=uri-miss; collapsed; ttl=60"}
    assert {each.age for each in collapsed} == {0}


async def test_concurrent_revalidations_make_one_call(kit: Kit) -> None:
    """Also where a stale response is stored, and whatever the clients' conditions."""
    kit.answer = response(cache_control="max-age=60", etag='"a"')
    await kit.ask()
    kit.clock.move(61)
    gate = Gate(kit, response(b"", 304, cache_control="max-age=60"))
    tasks = await many(kit, 10, if_none_match='"a"')
    gate.opened.set()
    told = await asyncio.gather(*tasks)
    assert kit.calls == 2
    assert {each.status for each in told} == {304}


async def test_waiters_of_an_uncacheable_leader_are_released_at_once(kit: Kit) -> None:
    """They ask for themselves, all at the same time, and later ones do not wait at all."""
    gate = Gate(kit, response(cache_control="no-store"))
    tasks = await many(kit, 10)
    assert kit.calls == 1
    gate.opened.set()
    await asyncio.gather(*tasks)
    assert kit.calls == 10
    gate.opened.clear()
    tasks = await many(kit, 10)
    assert kit.calls == 20
    gate.opened.set()
    await asyncio.gather(*tasks)


async def test_waiting_starts_again_when_answers_are_stored_again(kit: Kit) -> None:
    """An uncacheable answer is remembered for a while only, and a stored one forgets it."""
    kit.answer = response(cache_control="no-store")
    await kit.ask()
    kit.answer = fresh()
    await kit.ask()
    kit.clock.move(61)
    gate = Gate(kit, fresh())
    tasks = await many(kit, 5)
    assert kit.calls == 3
    gate.opened.set()
    await asyncio.gather(*tasks)


async def test_waiters_of_a_failed_leader_are_released_at_once(kit: Kit) -> None:
    """Each one asks for itself."""
    gate = Gate(kit, ConnectionError("down"))
    tasks = await many(kit, 5)
    assert kit.calls == 1
    gate.opened.set()
    told = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(each) for each in told} == {HandlerError}
    assert kit.calls == 5
    kit.answer = fresh()
    assert (await kit.ask()).body == b"body"


async def test_when_the_leader_is_cancelled_another_leads(kit: Kit) -> None:
    """Its client went away; the others still share one call."""
    gate = Gate(kit, fresh(b"1"), fresh(b"2"))
    leader, *waiters = await many(kit, 10)
    leader.cancel()
    await settle()
    assert kit.calls == 2
    gate.opened.set()
    told = await asyncio.gather(*waiters)
    assert kit.calls == 2
    assert {each.body for each in told} == {b"2"}
    assert leader.cancelled()


async def test_a_cancelled_waiter_takes_nobody_with_it(kit: Kit) -> None:
    """Neither the leader nor the other waiters notice."""
    gate = Gate(kit, fresh())
    leader, goes, stays = await many(kit, 3)
    goes.cancel()
    await settle()
    gate.opened.set()
    assert (await leader).result == "miss"
    assert (await stays).result == "hit"
    assert kit.calls == 1


async def test_nobody_waits_for_another_principal(kit: Kit) -> None:
    """What one principal gets is most likely not for the others."""
    gate = Gate(kit, fresh())
    everybody: tuple[Asked, ...] = (
        {"authorization": "A"},
        {"authorization": "B"},
        {"cookie": "s=1"},
        {"consumer": Consumer(key="key:a", tier=Tier.FREE)},
        {"consumer": Consumer(key="key:b", tier=Tier.FREE)},
        {},
    )
    tasks = [asyncio.create_task(kit.ask(**who)) for who in everybody]
    await settle()
    assert kit.calls == 6
    gate.opened.set()
    await asyncio.gather(*tasks)


async def test_principals_wait_for_what_was_public_before(kit: Kit) -> None:
    """An expired response that was explicitly shared is fetched once for all."""
    kit.answer = response(cache_control="public, max-age=60")
    await kit.ask()
    kit.clock.move(61)
    gate = Gate(kit, response(cache_control="public, max-age=60"))
    tasks = [asyncio.create_task(kit.ask(authorization=who)) for who in "ABC"]
    await settle()
    assert kit.calls == 2
    gate.opened.set()
    told = await asyncio.gather(*tasks)
    assert [each.told.partition(";")[2].split(";")[1].strip() for each in told] == [
        "stored",
        "collapsed",
        "collapsed",
    ]


async def test_a_private_partition_collapses_for_its_principal(kit: Kit) -> None:
    """The requests of one consumer may share, with a private policy."""
    kit.policy = CachePolicy(private=True)
    gate = Gate(kit, fresh())
    tasks = await many(kit, 3, authorization="A")
    assert kit.calls == 1
    gate.opened.set()
    await asyncio.gather(*tasks)
    assert kit.calls == 1


async def test_requests_that_ask_for_fresh_do_not_wait(kit: Kit) -> None:
    """A fetch that began before the request is not what it wants; HEAD gets no body anyway."""
    gate = Gate(kit, fresh())
    kit.answer = fresh()
    await kit.ask()
    kit.answer = gate
    tasks = await many(kit, 2, cache_control="no-cache")
    assert kit.calls == 3
    heads = await many(kit, 2, path="/head", method="HEAD")
    assert kit.calls == 5
    gate.opened.set()
    await asyncio.gather(*tasks, *heads)


async def test_a_condition_of_a_client_does_not_lead(kit: Kit) -> None:
    """Its 304 could serve nobody else; but it may wait for another one's response."""
    gate = Gate(kit, response(cache_control="max-age=60", etag='"a"'))
    own = await many(kit, 2, if_none_match='"x"')
    assert kit.calls == 2
    leader = await many(kit, 1)
    waiter = await many(kit, 1, if_none_match='"a"')
    assert kit.calls == 3
    gate.opened.set()
    await asyncio.gather(*own, *leader)
    assert (await waiter[0]).status == 304


async def test_a_304_to_a_client_does_not_end_collapsing(kit: Kit) -> None:
    """It says nothing about whether the response can be stored."""
    kit.answer = response(b"", 304)
    await kit.ask(if_none_match='"a"')
    gate = Gate(kit, fresh())
    tasks = await many(kit, 3)
    assert kit.calls == 2
    gate.opened.set()
    await asyncio.gather(*tasks)


async def test_nobody_joins_a_fetch_from_before_an_invalidation(kit: Kit) -> None:
    """After a write, a read must not get what was fetched before it."""
    gate = Gate(kit, fresh(b"old"), fresh(b"new"))
    before = await many(kit, 2)
    kit.store.purge(Purge(resource=("http", b"a.example", b"/x", b"")))
    after = await many(kit, 2)
    assert kit.calls == 2
    gate.opened.set()
    told = await asyncio.gather(*after)
    assert {each.body for each in told} == {b"new"}
    await asyncio.gather(*before)
    assert (await kit.ask()).body == b"new"


async def test_variants_that_do_not_fit_fetch_for_themselves(kit: Kit) -> None:
    """Who waited for another variant asks in turn, and is not held up for ever."""

    async def by_x(exchange: Exchange) -> Response:
        await asyncio.sleep(0)
        value = exchange.head.headers.get(b"x")
        assert value is not None
        return response(value, cache_control="max-age=60", vary="x")

    kit.answer = by_x
    told = await asyncio.gather(*(kit.ask(x=str(number)) for number in range(8)))
    assert [each.body for each in told] == [b"%d" % number for number in range(8)]
    assert kit.calls == 8


async def test_waiting_has_a_limit() -> None:
    """A leader that is slow does not hold up the others, nor those who come later."""
    kit = Kit(collapse_wait_s=0.01)
    gate = Gate(kit, fresh())
    tasks = await many(kit, 2)
    assert kit.calls == 1
    for _ in tasks:
        await gate.asked.get()
    later = await many(kit, 1)
    assert kit.calls == 3
    gate.opened.set()
    await asyncio.gather(*tasks, *later)


async def test_a_failing_stage_releases_its_waiters(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that raises must leave nobody waiting."""
    gate = Gate(kit, fresh())
    tasks = await many(kit, 3)

    def fail_once(*_: object) -> NoReturn:
        monkeypatch.undo()
        raise RuntimeError

    monkeypatch.setattr(kit.store, "put", fail_once)
    gate.opened.set()
    told = await asyncio.gather(*tasks)
    assert [each.body for each in told] == [b"body"] * 3
    assert len(kit.contained) == 1


async def test_a_failing_decision_releases_its_waiters(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever fails after the answer came, another one leads."""
    gate = Gate(kit, fresh())
    tasks = await many(kit, 3)
    name = "lukhas.pipeline.stages.cache_keeping.decide_storing"

    def fail(*_: object, **__: object) -> NoReturn:
        monkeypatch.undo()
        raise RuntimeError

    monkeypatch.setattr(name, fail)
    gate.opened.set()
    await asyncio.gather(*tasks)
    assert (len(kit.contained), kit.calls) == (1, 2)


# Bodies that pass by


async def test_a_streamed_body_is_stored_when_it_is_whole(kit: Kit) -> None:
    """The pieces pass unchanged; the stored copy has a length."""
    kit.answer = response(
        pieces(b"one ", b"", b"two"), cache_control="max-age=60", transfer_encoding="chunked"
    )
    told = await kit.ask()
    assert (told.body, told.told) == (b"one two", "lukhas; fwd=uri-miss; stored")
    hit = await kit.ask()
    assert (hit.body, hit.result) == (b"one two", "hit")
    assert hit.answer.headers.get(b"content-length") == b"7"
    assert b"transfer-encoding" not in hit.answer.headers


async def test_waiters_of_a_stream_get_it_whole(kit: Kit) -> None:
    """They wait for the last piece."""
    kit.answer = response(pieces(b"a", b"b"), cache_control="max-age=60")
    told = await asyncio.gather(*(kit.ask() for _ in range(5)))
    assert {each.body for each in told} == {b"ab"}
    assert kit.calls == 1


async def test_a_body_changed_by_an_inner_tap_is_stored_changed(kit: Kit) -> None:
    """The copy is what comes out of the taps further in, even if the body was whole."""

    class Upper:
        def feed(self, chunk: bytes, *, last: bool) -> bytes:
            return chunk.upper()

        def abort(self) -> None:
            raise AssertionError

    answer = response(b"abc", cache_control="max-age=60")
    answer.taps = [Upper()]
    kit.answer = answer
    exchange = kit.exchange()
    sent = await kit.send(exchange)
    sent.body = pieces(b"abc")
    assert await drained(sent) == b"ABC"
    assert (await kit.ask()).body == b"ABC"


async def test_an_oversized_body_passes_but_is_not_stored(kit: Kit) -> None:
    """Whole, announced by its length, or found too long on the way."""
    kit.policy = CachePolicy(max_body_bytes=5)
    oversized: tuple[tuple[bytes | AsyncIterator[bytes], dict[str, str]], ...] = (
        (b"123456", {}),
        (pieces(b"123", b"456"), {"content_length": "6"}),
        (pieces(b"123", b"456", b"789"), {}),
    )
    for body, fields in oversized:
        kit.answer = response(body, 200, cache_control="max-age=60", **fields)
        told = await kit.ask()
        assert told.body.startswith(b"123456")
        assert kit.store.stats().entries == 0
    kit.answer = response(b"12345", cache_control="max-age=60")
    await kit.ask()
    assert kit.store.stats().entries == 1


async def test_waiters_of_an_oversized_body_are_released(kit: Kit) -> None:
    """As soon as it is found too large, not at its end."""
    kit.policy = CachePolicy(max_body_bytes=5)
    kit.answer = response(Pushed(), cache_control="max-age=60")
    tap = tap_of(await kit.run(kit.exchange()))
    kit.answer = fresh(b"1")
    waiters = await many(kit, 3)
    assert kit.calls == 1
    assert tap.feed(b"123456", last=False) == b"123456"
    told = await asyncio.gather(*waiters)
    assert {each.body for each in told} == {b"1"}
    assert tap.feed(b"more", last=True) == b"more"
    tap.abort()


async def test_a_cut_off_body_is_not_stored(kit: Kit) -> None:
    """Shorter than its Content-Length, or given up: never stored as whole."""
    kit.answer = response(pieces(b"123"), cache_control="max-age=60", content_length="4")
    await kit.ask()
    assert kit.store.stats().entries == 0
    assert len(kit.stage.flights) == 0


async def test_when_a_leaders_body_is_given_up_another_leads(kit: Kit) -> None:
    """The client of the leader went away in the middle of the body."""
    kit.answer = response(Pushed(), cache_control="max-age=60")
    tap = tap_of(await kit.run(kit.exchange()))
    kit.answer = fresh()
    waiters = await many(kit, 3)
    assert kit.calls == 1
    tap.feed(b"half", last=False)
    tap.abort()
    told = await asyncio.gather(*waiters)
    assert kit.calls == 2
    assert {each.body for each in told} == {b"body"}


async def test_a_failing_store_does_not_break_a_body(
    kit: Kit, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client gets its stream; the failure is logged, nobody is left waiting."""

    def fail(*_: object) -> NoReturn:
        raise RuntimeError

    monkeypatch.setattr(kit.store, "put", fail)
    kit.answer = response(pieces(b"a", b"b"), cache_control="max-age=60")
    assert (await kit.ask()).body == b"ab"
    assert "could not be stored" in caplog.text
    assert len(kit.stage.flights) == 0


async def test_bodies_on_their_way_are_bounded_together() -> None:
    """What many slow clients make us keep has one limit; room is given back."""
    kit = Kit(capture_limit_bytes=10)
    kit.answer = response(Pushed(), cache_control="max-age=60")
    one = tap_of(await kit.run(kit.exchange("/1")))
    two = tap_of(await kit.run(kit.exchange("/2")))
    one.feed(b"123456", last=False)
    two.feed(b"123456", last=True)
    one.feed(b"78", last=True)
    assert kit.store.stats().entries == 1
    three = tap_of(await kit.run(kit.exchange("/3")))
    three.feed(b"1234567890", last=True)
    assert kit.store.stats().entries == 2


async def test_nobody_waits_for_the_end_of_a_stream_of_events(kit: Kit) -> None:
    """With its head it shows that it is for one; a lifetime of the settings changes nothing."""
    kit.policy = CachePolicy(default_ttl_s=60)
    kit.answer = response(Pushed(), content_type="text/event-stream")
    leader = await kit.run(kit.exchange())
    assert not leader.taps
    kit.answer = response(b"of its own", content_type="text/event-stream")
    for told in await asyncio.gather(*await many(kit, 2)):
        assert told.body == b"of its own"
    assert kit.calls == 3
