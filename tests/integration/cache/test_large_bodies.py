"""Bodies too large for memory through real gateways: shared, whole, and never held."""

import asyncio
import signal
from hashlib import sha256
from pathlib import Path

import pytest

from lukhas.storage.node_entry_opening import BODIES_FOLDER
from lukhas.units import MIB
from tests.integration.cache.kit import (
    GatewayProcess,
    cache_status,
    gateway_process,
    gateway_processes,
    origin,
)
from tests.integration.gateway.kit import Answer, Turn, until, whole

CACHE = {"disk_bytes": 16 * MIB, "body_files_bytes": 64 * MIB}
FRESH = b"Cache-Control: public, max-age=600"
BODY = sha256(b"large").digest() * (5 * MIB // 32)


def private_bytes(gateway: GatewayProcess) -> int:
    """What a process has in memory of its own, without pages of files."""
    text = Path(f"/proc/{gateway.process.pid}/status").read_text()
    (line,) = (line for line in text.splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024


def files(folder: Path) -> list[Path]:
    (bodies,) = folder.rglob(BODIES_FOLDER)
    return sorted(bodies.iterdir())


async def test_workers_share_large_bodies(tmp_path: Path) -> None:
    """Whole, in parts, and not at all where the client has it; a purge reaches them."""
    async with (
        origin() as upstream,
        gateway_processes(tmp_path, tmp_path, upstream_port=upstream.port, cache=CACHE) as (
            one,
            two,
        ),
    ):
        upstream.scripts[b"/a"] = Answer(whole(BODY, FRESH, b'ETag: "1"'))
        first = await one.get(b"/a")
        assert first.body == BODY
        assert b"stored" in cache_status(first)
        assert len(files(tmp_path)) == 1
        for gate in (one, two):
            reply = await gate.get(b"/a")
            assert reply.body == BODY
            assert b"hit" in cache_status(reply)
            part = await gate.get(b"/a", b"Range: bytes=1000000-2999999")
            assert part.status == 206
            assert part.body == BODY[1_000_000:3_000_000]
            assert (await gate.get(b"/a", b'If-None-Match: "1"')).status == 304
        assert len(upstream.seen) == 1
        upstream.scripts[b"/a"] = Answer(whole(BODY[::-1], FRESH))
        await two.put(b"/a")
        await asyncio.sleep(0.05)
        assert files(tmp_path) == []
        assert (await one.get(b"/a")).body == BODY[::-1]


async def test_a_large_body_is_never_held(tmp_path: Path) -> None:
    """Not while it is stored, and not while it is served; one of unknown length neither."""
    size_bytes = 96 * MIB
    cache = CACHE | {"body_files_bytes": 512 * MIB}
    piece = BODY[:MIB]

    async def endless(turn: Turn) -> None:
        await turn.send(b"HTTP/1.1 200 OK\r\n" + FRESH + b"\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(size_bytes // MIB):
            await turn.send(b"%x\r\n%b\r\n" % (MIB, piece))
        await turn.send(b"0\r\n\r\n")

    async with (
        origin() as upstream,
        gateway_process(tmp_path, upstream.port, cache=cache) as gate,
    ):
        upstream.scripts[b"/big"] = endless
        await gate.get(b"/small")
        before_bytes = private_bytes(gate)
        digest = sha256(piece * (size_bytes // MIB)).digest()
        for _ in range(3):
            assert sha256((await gate.get(b"/big")).body).digest() == digest
        assert len([seen for seen in upstream.seen if b"/big" in seen.line]) == 1
        assert private_bytes(gate) - before_bytes < 24 * MIB


async def test_a_kill_while_it_is_written_leaves_nothing_wrong(tmp_path: Path) -> None:
    """What was not whole is thrown away at the next start; what was, is served."""
    async with origin() as upstream:
        release = asyncio.Event()

        async def slow(turn: Turn) -> None:
            head = b"HTTP/1.1 200 OK\r\n%b\r\nContent-Length: %d\r\n\r\n" % (FRESH, len(BODY))
            await turn.send(head + BODY[: 3 * MIB])
            await release.wait()
            await turn.send(BODY[3 * MIB :])

        upstream.scripts[b"/whole"] = Answer(whole(BODY, FRESH))
        upstream.scripts[b"/half"] = slow
        async with gateway_process(tmp_path, upstream.port, cache=CACHE) as one:
            await one.get(b"/whole")
            asking = asyncio.ensure_future(one.get(b"/half"))
            await until(lambda: sum(each.stat().st_size for each in files(tmp_path)) > 7 * MIB)
            one.process.send_signal(signal.SIGKILL)
            await asyncio.gather(asking, return_exceptions=True)
        release.set()
        assert len(files(tmp_path)) == 2
        async with gateway_process(tmp_path, upstream.port, cache=CACHE) as two:
            assert len(files(tmp_path)) == 1
            again = await two.get(b"/whole")
            assert b"hit" in cache_status(again)
            assert again.body == BODY
            assert (await two.get(b"/half")).body == BODY
            assert b"hit" in cache_status(await two.get(b"/half"))


async def test_a_damaged_file_breaks_off_and_is_fetched_anew(tmp_path: Path) -> None:
    """No damaged byte reaches a client."""
    async with (
        origin() as upstream,
        gateway_process(tmp_path, upstream.port, cache=CACHE) as gate,
    ):
        upstream.scripts[b"/a"] = Answer(whole(BODY, FRESH))
        await gate.get(b"/a")
        (path,) = files(tmp_path)
        with path.open("r+b") as file:
            file.seek(4 * MIB)
            file.write(b"\0" * 100)
        with pytest.raises(asyncio.IncompleteReadError) as broken:
            await gate.get(b"/a")
        assert BODY.startswith(broken.value.partial)
        assert (await gate.get(b"/a")).body == BODY
        assert b"hit" in cache_status(await gate.get(b"/a"))
        assert len(upstream.seen) == 2
