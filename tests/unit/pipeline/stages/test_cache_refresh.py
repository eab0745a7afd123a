"""lukhas.pipeline.stages.cache_refresh and cache_second_look: rule R11, stale and early refresh."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from lukhas.errors import UpstreamConnectError
from lukhas.http.messages import Response
from lukhas.pipeline import driving
from lukhas.pipeline.exchange import Exchange
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.caching.purges import Purge
from tests.unit.pipeline.stages.cache_kit import Kit, pieces, response

SWR = "max-age=60, stale-while-revalidate=30"
DOWN = UpstreamConnectError("api", "no connection", sent=False)


@pytest.fixture
def kit() -> Kit:
    return Kit(draw=lambda: 0.0)


async def settled(kit: Kit) -> None:
    """Lets everything in the background come to its end."""
    for _ in range(50):
        if not len(kit.stage._refresher):
            return
        await asyncio.sleep(0)
    raise AssertionError("something in the background does not end")


async def filled(kit: Kit, directives: str = SWR, **fields: object) -> None:
    kit.answer = response(b"old", 200, cache_control=directives, **fields)
    await kit.ask()
    kit.answer = response(b"new", 200, cache_control=directives, **fields)


async def test_r11_rfc_5861_3_stale_is_served_while_it_is_refreshed(kit: Kit) -> None:
    """The client gets its answer before the origin is even asked; the next one is fresh."""
    await filled(kit)
    kit.clock.move(70)
    told = await kit.ask()
    assert (told.body, told.result, told.told) == (b"old", "stale", "lukhas; hit; ttl=-10")
    assert told.verdict.reason == "a stale response serves while the origin is asked"
    assert kit.calls == 1
    await settled(kit)
    assert kit.calls == 2
    assert (await kit.ask()).body == b"new"
    assert (await kit.ask()).result == "hit"


async def test_r11_one_background_fetch_for_each_key(kit: Kit) -> None:
    """However many clients are served stale meanwhile."""
    await filled(kit)
    kit.clock.move(70)
    opened = asyncio.Event()

    async def slow(exchange: Exchange) -> Response:
        await opened.wait()
        return response(b"new", cache_control=SWR)

    kit.answer = slow
    for _ in range(20):
        assert (await kit.ask()).body == b"old"
        await asyncio.sleep(0)
    assert (await kit.ask(method="HEAD")).result == "stale"
    assert kit.calls == 2
    opened.set()
    await settled(kit)
    assert (await kit.ask()).body == b"new"


async def test_r11_rfc_5861_3_the_window_ends(kit: Kit) -> None:
    """Beyond it the client waits."""
    await filled(kit)
    kit.clock.move(90)
    told = await kit.ask()
    assert (told.body, told.result) == (b"new", "miss")


@pytest.mark.parametrize(
    "forbids", ["must-revalidate", "proxy-revalidate", "s-maxage=60", "no-cache"]
)
async def test_r11_rfc_9111_4_2_4_stale_may_be_forbidden(kit: Kit, forbids: str) -> None:
    """Then stale-while-revalidate permits nothing."""
    await filled(kit, f"{SWR}, {forbids}")
    kit.clock.move(70)
    assert (await kit.ask()).body == b"new"


async def test_r11_clients_may_refuse_stale(kit: Kit) -> None:
    """max-age and min-fresh are theirs to say."""
    await filled(kit)
    kit.clock.move(70)
    assert (await kit.ask(cache_control="max-age=10")).body == b"new"


async def test_r11_a_refresh_asks_with_our_own_validators(kit: Kit) -> None:
    """Not with the client's; a 304 renews what is stored."""
    await filled(kit, etag='"a"')
    kit.clock.move(70)
    kit.answer = response(b"", 304, cache_control=SWR, etag='"a"')
    told = await kit.ask(if_none_match='"other"', range="bytes=0-0", x="kept")
    assert (told.status, told.body) == (206, b"o")
    await settled(kit)
    asked = kit.heads[-1].headers
    assert asked.get_all(b"if-none-match") == [b'"a"']
    assert (asked.get(b"range"), asked.get(b"x")) == (None, b"kept")
    again = await kit.ask()
    assert (again.body, again.result, again.told) == (b"old", "hit", "lukhas; hit; ttl=60")


@pytest.mark.parametrize("answer", [DOWN, response(status=503), RuntimeError("broken")])
async def test_r11_a_failed_refresh_is_tried_again_a_second_later(
    kit: Kit, answer: Response | BaseException
) -> None:
    """The stale response goes on serving, and a dead origin is not asked at every request."""
    await filled(kit)
    kit.clock.move(70)
    kit.answer = answer
    for _ in range(3):
        assert (await kit.ask()).body == b"old"
        await settled(kit)
    assert kit.calls == 2
    kit.clock.move(1)
    kit.answer = response(b"new", cache_control=SWR)
    await kit.ask()
    await settled(kit)
    assert (await kit.ask()).body == b"new"


async def test_r11_streams_are_read_to_their_end(kit: Kit) -> None:
    """Nobody else would."""
    await filled(kit)
    kit.clock.move(70)
    kit.answer = response(pieces(b"n", b"ew"), cache_control=SWR)
    await kit.ask()
    await settled(kit)
    assert (await kit.ask()).body == b"new"


async def test_r11_a_broken_stream_stores_nothing(kit: Kit) -> None:
    """And leaves nobody waiting."""

    async def broken() -> object:
        yield b"n"
        raise DOWN

    await filled(kit)
    kit.clock.move(70)
    kit.answer = response(broken(), cache_control=SWR)  # type: ignore[arg-type]
    await kit.ask()
    await settled(kit)
    assert (await kit.ask()).body == b"old"
    assert len(kit.stage.flights) == 0


async def test_r11_a_refresh_begun_before_a_purge_is_not_stored(kit: Kit) -> None:
    """It may bring what the purge was for."""
    await filled(kit)
    kit.clock.move(70)
    opened = asyncio.Event()

    async def slow(exchange: Exchange) -> Response:
        await opened.wait()
        return response(b"before the purge", cache_control=SWR)

    kit.answer = slow
    await kit.ask()
    await asyncio.sleep(0)
    kit.store.purge(Purge(tag="x"))
    kit.store.purge(Purge())
    opened.set()
    await settled(kit)
    assert kit.store.stats().entries == 0


async def test_r11_who_must_wait_waits_for_the_refresh(kit: Kit) -> None:
    """There is no second fetch for a client that takes nothing stale."""
    await filled(kit)
    kit.clock.move(70)
    opened = asyncio.Event()

    async def slow(exchange: Exchange) -> Response:
        await opened.wait()
        return response(b"new", cache_control=SWR)

    kit.answer = slow
    await kit.ask()
    kit.clock.move(30)
    waiting = asyncio.create_task(kit.ask())
    await asyncio.sleep(0)
    opened.set()
    assert (await waiting).body == b"new"
    assert kit.calls == 2


async def test_r11_the_operator_may_permit_stale(kit: Kit) -> None:
    """For responses that say nothing; 0 in the response wins."""
    kit.policy = CachePolicy(stale_while_revalidate_s=30)
    await filled(kit, "max-age=60")
    kit.clock.move(70)
    assert (await kit.ask()).result == "stale"
    await settled(kit)
    await filled(kit, "max-age=60, stale-while-revalidate=0")
    kit.store.purge(Purge())
    await kit.ask()
    kit.clock.move(70)
    assert (await kit.ask()).result == "miss"


async def test_r11_handlers_that_need_a_client_are_not_called_without_one(kit: Kit) -> None:
    """A wrapped app cannot be asked in the background: then the client waits, as without SWR."""
    await filled(kit)
    kit.clock.move(70)

    async def parks(exchange: Exchange) -> Response:
        return await driving.park()

    kit.answer = parks
    assert (await kit.ask()).body == b"old"
    await settled(kit)
    kit.answer = response(b"new", cache_control=SWR)
    assert (await kit.ask()).body == b"new"


async def test_r11_background_fetches_are_bounded(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond that, stale responses are just served."""
    for name in ("_MAX_RUNNING", "_MAX_PAUSES"):
        monkeypatch.setattr(f"lukhas.pipeline.stages.cache_refresh.{name}", 1)
    for path in ("/1", "/2", "/3"):
        kit.answer = response(cache_control=SWR)
        await kit.ask(path)
    kit.clock.move(70)
    kit.answer = DOWN
    for path in ("/1", "/2"):
        assert (await kit.ask(path)).result == "stale"
    assert len(kit.stage._refresher) == 1
    await settled(kit)
    await kit.ask("/3")
    await settled(kit)
    assert len(kit.stage._refresher._pauses) == 1


async def test_r11_closing_ends_the_background(kit: Kit) -> None:
    """Nothing runs on after the hub is closed."""
    await filled(kit)
    kit.clock.move(70)

    async def forever(exchange: Exchange) -> Response:
        await asyncio.Event().wait()
        raise AssertionError

    kit.answer = forever
    await kit.ask()
    await asyncio.sleep(0)
    await kit.stage.close()
    assert len(kit.stage._refresher) == len(kit.stage.flights) == 0


def slow_origin(kit: Kit, body: bytes) -> Callable[[Exchange], Awaitable[Response]]:
    async def answer(exchange: Exchange) -> Response:
        kit.clock.move(1)
        return response(body, cache_control="max-age=100")

    return answer


async def test_r11_xfetch_an_early_refresh_spares_the_wait() -> None:
    """Shortly before its end one use fetches a response again, by chance."""
    draws = [0.999, 0.0]
    kit = Kit(draw=lambda: draws[-1])
    kit.answer = slow_origin(kit, b"old")
    await kit.ask()
    kit.clock.move(98.5)
    kit.answer = slow_origin(kit, b"new")
    assert (await kit.ask()).body == b"old"
    await settled(kit)
    assert kit.calls == 1
    draws.pop()
    told = await kit.ask()
    assert (told.body, told.result) == (b"old", "hit")
    await settled(kit)
    assert kit.calls == 2
    assert (await kit.ask()).body == b"new"


# An origin that cannot be reached


async def test_r11_rfc_9111_4_2_4_stale_serves_for_a_while_when_the_origin_is_gone(
    kit: Kit,
) -> None:
    """Disconnected caches may serve stale without a permission; here for a bounded time."""
    await filled(kit, "max-age=60")
    kit.answer = DOWN
    kit.clock.move(119)
    told = await kit.ask()
    assert (told.body, told.result, told.told) == (b"old", "stale", "lukhas; fwd=stale; ttl=-59")


@pytest.mark.parametrize(
    "forbids", ["must-revalidate", "proxy-revalidate", "s-maxage=60", "no-cache"]
)
async def test_r11_rfc_9111_4_2_4_not_where_that_is_forbidden(kit: Kit, forbids: str) -> None:
    """Then the failure is told."""
    await filled(kit, f"max-age=60, {forbids}")
    kit.answer = DOWN
    kit.clock.move(61)
    with pytest.raises(Exception, match="no connection"):
        await kit.ask()


async def test_r11_a_failing_app_is_no_disconnection(kit: Kit) -> None:
    """Only stale-if-error permits to hide an error of the app."""
    await filled(kit, "max-age=60")
    kit.answer = RuntimeError("bug")
    kit.clock.move(61)
    with pytest.raises(Exception, match="bug"):
        await kit.ask()
