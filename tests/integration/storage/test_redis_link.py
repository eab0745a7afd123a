"""The link to a server that works."""

import asyncio
import gc
from collections import Counter
from typing import Any

import pytest

from lukhas.errors import StoreReplyError
from lukhas.pipeline.driving import Run, Waiting, finish, start
from lukhas.policy.breaker import BreakerSettings
from lukhas.storage.redis_link import RedisLink
from lukhas.storage.redis_scripts import Script
from lukhas.storage.redis_settings import settings_from_url
from lukhas.testing.fault_proxy import FaultProxy
from lukhas.testing.redis_server import RedisServer
from tests.integration.storage.kit import ADD, failure_of, opened, until


async def test_a_command_gives_its_reply(link: RedisLink) -> None:
    """Words of any type go out; strings come back as bytes."""
    assert await link.call("SET", b"k", 1) == b"OK"
    assert await link.call("GET", "k") == b"1"
    assert await link.call("GET", "absent") is None
    assert await link.call("INCRBYFLOAT", "k", 0.5) == b"1.5"
    assert link.health().state == "ok"


async def test_replies_go_to_their_callers(link: RedisLink) -> None:
    """However many calls are under way, each gets the reply to its own command."""
    replies = await asyncio.gather(*(link.call("ECHO", number) for number in range(500)))
    assert replies == [b"%d" % number for number in range(500)]


async def test_calls_of_one_turn_are_one_write(server: RedisServer, proxy: FaultProxy) -> None:
    """All calls of one turn of the loop go out together, scripts among them."""
    async with opened(f"redis://127.0.0.1:{proxy.port}") as link:
        await link.script(ADD, [b"k"], [1])
        batches = link.counters.batches
        proxy.pieces.clear()
        calls: list[Any] = [link.call("PING") for _ in range(16)]
        calls += [link.script(ADD, [b"k"], [1]) for _ in range(16)]
        await asyncio.gather(*calls)
        assert link.counters.batches == batches + 1
        assert [piece.count(b"PING") + piece.count(b"EVALSHA") for piece in proxy.pieces] == [32]


async def test_writes_do_not_wait_for_answers(server: RedisServer, proxy: FaultProxy) -> None:
    """The calls of the next turn go out although those of the last have no answer yet."""
    async with opened(f"redis://127.0.0.1:{proxy.port}") as link:
        first = asyncio.ensure_future(link.call("BLPOP", "nothing", "0.2"))
        await until(lambda: any(b"BLPOP" in piece for piece in proxy.pieces))
        second = asyncio.ensure_future(link.call("PING"))
        await until(lambda: b"PING" in proxy.pieces[-1])
        assert not first.done()
        assert await first is None
        assert await second == b"PONG"


async def test_an_error_is_that_of_its_own_caller(link: RedisLink) -> None:
    """A refused command fails; those written with it do not."""
    await link.call("SET", "text", "x")
    replies = await asyncio.gather(
        link.call("PING"), link.call("INCR", "text"), link.call("PING"), return_exceptions=True
    )
    assert (replies[0], replies[2]) == (b"PONG", b"PONG")
    assert isinstance(replies[1], StoreReplyError)
    assert "not an integer" in replies[1].what
    assert link.health().state == "ok"


async def test_errors_do_not_repeat_arguments(link: RedisLink) -> None:
    """The server repeats arguments of a command it does not know; the error does not."""
    error = await failure_of(link, "NOSUCH", "s3cret")
    assert "unknown command" in str(error)
    assert "s3cret" not in str(error)


@pytest.mark.parametrize("protocol", [2, 3])
async def test_both_versions_of_the_protocol(server: RedisServer, protocol: int) -> None:
    """RESP 2 and 3 carry the same calls."""
    async with opened(f"{server.socket_url}?protocol={protocol}") as link:
        assert await link.script(ADD, [b"k"], [7]) == 7
        kind = dict if protocol == 3 else list
        await link.call("HSET", "h", "f", 1)
        assert isinstance(await link.call("HGETALL", "h"), kind)


async def test_the_database_of_the_address_is_used(server: RedisServer) -> None:
    """Each connection selects the database that the address names."""
    async with opened(f"{server.url}/3") as three, opened(server.url) as zero:
        await three.call("SET", "k", "three")
        assert await zero.call("GET", "k") is None


async def test_a_script_is_sent_once_and_then_called_by_digest(
    server: RedisServer, link: RedisLink
) -> None:
    """Also when its first calls come all at once."""
    script = Script("return {KEYS[1], ARGV[1], redis.call('INCR', KEYS[1])}")
    replies = await asyncio.gather(*(link.script(script, [b"k"], [b"a"]) for _ in range(32)))
    assert sorted(reply[2] for reply in replies) == list(range(1, 33))
    await link.script(script, [b"k"], [b"a"])
    assert link.counters.reloads == 1
    assert server.ask("INFO", "commandstats").count(b"cmdstat_script|load:calls=1,") == 1


async def test_a_script_that_the_server_forgot_is_sent_again(
    server: RedisServer, link: RedisLink
) -> None:
    """SCRIPT FLUSH by whomever costs a round trip and no error."""
    await link.script(ADD, [b"k"], [1])
    await link.call("SCRIPT", "FLUSH")
    assert await link.script(ADD, [b"k"], [1]) == 2


async def test_a_script_that_cannot_be_compiled_is_an_error(link: RedisLink) -> None:
    """It fails its callers and nothing else."""
    with pytest.raises(StoreReplyError) as caught:
        await link.script(Script("this is no Lua"), [b"k"])
    assert caught.value.code == "NOSCRIPT"
    assert await link.call("PING") == b"PONG"


async def test_errors_inside_of_replies_are_our_own(link: RedisLink) -> None:
    """A script may return an error among other values."""
    script = Script("return {1, redis.pcall('NOSUCH')}")
    reply = await link.script(script, [b"k"])
    assert isinstance(reply[1], StoreReplyError)


async def test_large_values_and_many_of_them(link: RedisLink) -> None:
    """More than a socket takes at once waits and comes through whole."""
    value = bytes(range(256)) * 4096
    await asyncio.gather(*(link.call("SET", number, value) for number in range(16)))
    replies = await asyncio.gather(*(link.call("GET", number) for number in range(16)))
    assert Counter(reply == value for reply in replies) == {True: 16}


async def test_no_more_calls_wait_than_allowed(server: RedisServer) -> None:
    """The one too many fails at once; the others are answered."""
    async with opened(server.socket_url, calls_at_once=3) as link:
        replies = await asyncio.gather(
            *(link.call("PING") for _ in range(5)), return_exceptions=True
        )
        assert replies[:3] == [b"PONG"] * 3
        assert all("3 calls wait for it already" in str(reply) for reply in replies[3:])


async def test_it_can_be_called_before_the_first_wait_of_a_run(link: RedisLink) -> None:
    """A pipeline run has no task of its own until it waits; the link asks for none."""
    loop = asyncio.get_running_loop()
    begun: asyncio.Future[tuple[Run, Any]] = loop.create_future()

    async def stage() -> Any:
        return [await link.call("PING"), await link.script(ADD, [b"k"], [1], deadline_s=9.0)]

    def callback() -> None:
        assert asyncio.current_task() is None
        run = stage()
        begun.set_result((run, start(run)))

    loop.call_soon(callback)
    run, step = await begun
    assert isinstance(step, Waiting)
    reply: Any = await finish(run, step)
    assert reply == [b"PONG", 1]


async def test_a_caller_may_go_away(link: RedisLink) -> None:
    """The reply of a cancelled or closed call is dropped in its turn."""
    cancelled = asyncio.ensure_future(link.call("ECHO", "a"))
    closed: Any = link.call("INCR", b"k", "too", "many")
    closed.send(None)
    await asyncio.sleep(0)
    cancelled.cancel()
    closed.close()
    assert await link.call("ECHO", "b") == b"b"
    gc.collect()


async def test_close_fails_what_waits_and_can_be_repeated(server: RedisServer) -> None:
    """Nobody waits for ever, and later calls fail at once."""
    async with opened(server.socket_url) as link:
        waiting = asyncio.ensure_future(link.call("BLPOP", "nothing", 0))
        await asyncio.sleep(0)
        await link.close()
        outcome = (await asyncio.gather(waiting, return_exceptions=True))[0]
        assert "was closed" in str(outcome)
        assert "was closed" in str(await failure_of(link, "PING"))
        await link.close()


async def test_a_link_may_be_used_as_a_block(server: RedisServer) -> None:
    """It is tried when the block begins, and closed when it ends."""
    async with RedisLink(settings_from_url(server.socket_url)) as link:
        assert link.health().state == "ok"
    assert link.health().state == "failed"


async def test_a_link_that_was_not_tried_yet_says_so(server: RedisServer) -> None:
    """It is not well before it was."""
    async with opened(server.socket_url, ready=False) as link:
        assert link.health().detail == "connecting"


async def test_a_share_of_failures_counts_too(server: RedisServer) -> None:
    """With a breaker that looks at shares, answers are counted as well."""
    breaker = BreakerSettings(failures=1000, share=0.5)
    async with opened(server.socket_url, breaker=breaker) as link:
        for _ in range(30):
            await link.call("PING")
        assert link.health().state == "ok"
