"""Workers of one node share stored responses, and hear of each other's purges."""

import asyncio
import signal
from pathlib import Path

from lukhas.units import MIB
from tests.integration.cache.kit import cache_status, gateway_process, origin
from tests.integration.gateway.kit import Answer, Origin, whole

CACHE = {"disk_bytes": 16 * MIB}
FRESH = b"Cache-Control: public, max-age=600"
# What the product promises, with room for a busy machine: the look itself comes with the request.
COHERENT_S = 0.05


def script(running: Origin, path: bytes, body: bytes, *lines: bytes) -> None:
    running.scripts[path] = Answer(whole(body, FRESH, *lines))


async def test_workers_share_responses_and_purges(tmp_path: Path) -> None:
    """What one stores the other serves, telling the tier; a PUT at one ends it at the other."""
    async with (
        origin() as upstream,
        gateway_process(tmp_path, upstream.port, cache=CACHE) as one,
        gateway_process(tmp_path, upstream.port, cache=CACHE) as two,
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
