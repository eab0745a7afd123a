"""Workers of one node share stored responses, and hear of each other's purges."""

import asyncio
import signal
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from lukhas.units import MIB
from tests.integration.cache.kit import (
    GatewayProcess,
    cache_status,
    gateway_process,
    gateway_processes,
    origin,
)
from tests.integration.gateway.kit import Answer, Origin, Turn, until, whole

CACHE = {"disk_bytes": 16 * MIB}
FRESH = b"Cache-Control: public, max-age=600"
# What the product promises, with room for a busy machine: the look itself comes with the request.
COHERENT_S = 0.05


def two_workers(
    folder: Path, upstream_port: int, **settings: object
) -> AbstractAsyncContextManager[list[GatewayProcess]]:
    return gateway_processes(folder, folder, upstream_port=upstream_port, **settings)


def script(running: Origin, path: bytes, body: bytes, *lines: bytes) -> None:
    running.scripts[path] = Answer(whole(body, FRESH, *lines))


async def test_workers_share_responses_and_purges(tmp_path: Path) -> None:
    """What one stores the other serves, telling the tier; a PUT at one ends it at the other."""
    async with (
        origin() as upstream,
        two_workers(tmp_path, upstream.port, cache=CACHE) as (one, two),
    ):
        script(upstream, b"/a", b"old")
        assert b"stored" in cache_status(await one.get(b"/a"))
        first, second = await two.get(b"/a"), await two.get(b"/a")
        assert first.body == b"old"
        assert cache_status(first).endswith(b"; detail=node")
        assert cache_status(second) == b"lukhas; hit; ttl=600"
        assert len(upstream.seen) == 1
        script(upstream, b"/a", b"new")
        await one.put(b"/a")
        await asyncio.sleep(COHERENT_S)
        assert (await two.get(b"/a")).body == b"new"
        assert (await one.get(b"/a")).body == b"new"
        assert cache_status(await one.get(b"/a")) == b"lukhas; hit; ttl=600"


async def test_what_is_stored_outlives_a_restart(tmp_path: Path) -> None:
    """With its variants; a soft end of the process or a hard one."""
    async with origin() as upstream:
        script(upstream, b"/v", b"for all", b"Vary: X-Kind")
        async with gateway_process(tmp_path, upstream.port, cache=CACHE) as one:
            await one.get(b"/v", b"X-Kind: a")
            await one.get(b"/v", b"X-Kind: b")
            one.process.send_signal(signal.SIGKILL)
        async with gateway_process(tmp_path, upstream.port, cache=CACHE) as two:
            assert b"hit" in cache_status(await two.get(b"/v", b"X-Kind: a"))
            assert b"hit" in cache_status(await two.get(b"/v", b"X-Kind: b"))
            assert b"vary-miss" in cache_status(await two.get(b"/v", b"X-Kind: c"))
        assert len(upstream.seen) == 3


async def test_a_kill_during_writes_leaves_nothing_wrong(tmp_path: Path) -> None:
    """Each body served afterwards is the one of its address, whole."""
    body = {number: b"%d," % number * 700 for number in range(60)}
    async with origin() as upstream:
        for number, text in body.items():
            script(upstream, b"/%d" % number, text)
        for kill_after in (7, 23, 41):
            async with gateway_process(tmp_path, upstream.port, cache=CACHE) as one:
                asking = [asyncio.ensure_future(one.get(b"/%d" % number)) for number in body]
                for reply in asking[:kill_after]:
                    await reply
                one.process.send_signal(signal.SIGKILL)
                await asyncio.gather(*asking, return_exceptions=True)
        async with gateway_process(tmp_path, upstream.port, cache=CACHE) as two:
            replies = [await two.get(b"/%d" % number) for number in body]
        assert [reply.body for reply in replies] == list(body.values())
        assert sum(b"hit" in cache_status(reply) for reply in replies) >= 7


async def test_workers_fetch_together_only_once(tmp_path: Path) -> None:
    """Of a thousand concurrent misses on two workers one asks the origin."""
    async with (
        origin() as upstream,
        two_workers(tmp_path, upstream.port, cache=CACHE) as (one, two),
    ):

        async def slow(turn: Turn) -> None:
            await asyncio.sleep(0.5)
            await turn.send(whole(b"slow", FRESH))

        upstream.scripts[b"/slow"] = slow
        replies = await asyncio.gather(*(gate.get(b"/slow") for gate in (one, two) * 500))
        assert {reply.body for reply in replies} == {b"slow"}
        assert len(upstream.seen) == 1


async def test_nobody_waits_for_a_dead_worker(tmp_path: Path) -> None:
    """The kernel frees its lock; whoever waited asks the origin."""
    async with (
        origin() as upstream,
        two_workers(tmp_path, upstream.port, cache=CACHE | {"default_ttl_s": 60}) as (one, two),
    ):
        came = asyncio.Event()

        async def stuck_once(turn: Turn) -> None:
            if len(upstream.seen) == 1:
                came.set()
                await turn.gone()
            else:
                await turn.send(whole(b"alive", FRESH))

        upstream.scripts[b"/stuck"] = stuck_once
        first = asyncio.ensure_future(one.get(b"/stuck"))
        await came.wait()
        second = asyncio.ensure_future(two.get(b"/stuck"))
        await asyncio.sleep(0.1)
        assert len(upstream.seen) == 1
        one.process.send_signal(signal.SIGKILL)
        assert (await second).body == b"alive"
        await asyncio.gather(first, return_exceptions=True)


async def test_what_cannot_be_stored_holds_nobody_up(tmp_path: Path) -> None:
    """The leader gives its lock back as soon as the head of the answer says so."""
    async with (
        origin() as upstream,
        two_workers(tmp_path, upstream.port, cache=CACHE | {"default_ttl_s": 60}) as (one, two),
    ):
        release = asyncio.Event()

        async def private(turn: Turn) -> None:
            await turn.send(
                b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 2\r\n\r\n"
            )
            if len(upstream.seen) == 1:
                await release.wait()
            await turn.send(b"ok")

        upstream.scripts[b"/private"] = private
        first = asyncio.ensure_future(one.get(b"/private"))
        await until(lambda: upstream.seen)
        assert (await two.get(b"/private")).body == b"ok"
        release.set()
        assert (await first).body == b"ok"


async def test_the_command_line_purges_running_workers(tmp_path: Path) -> None:
    """It writes to the node's purge log; every worker sees it with its next look-up."""
    async with (
        origin() as upstream,
        two_workers(tmp_path, upstream.port, cache=CACHE) as (one, two),
    ):
        for path, choice, removed in (
            (b"/a", ("--url", "http://a.example/a"), b"removed 1 response\n"),
            (b"/b", ("--tag", "red"), b"removed 1 response\n"),
            # With those that were stored anew after they had been removed.
            (b"/c", ("--all",), b"removed 3 responses\n"),
        ):
            before = len(upstream.seen)
            script(upstream, path, b"old", b"Surrogate-Key: red")
            for gate in (one, two, one, two):
                await gate.get(path)
            assert len(upstream.seen) == before + 1
            script(upstream, path, b"new")
            command = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "lukhas", "purge", *choice,
                "--state-dir", str(tmp_path / "state"),
                stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            out, _ = await command.communicate()
            assert out == removed
            await asyncio.sleep(COHERENT_S)
            assert [(await gate.get(path)).body for gate in (two, one)] == [b"new", b"new"]
            assert len(upstream.seen) == before + 2
