"""Compression over sockets: what is stored, what goes out at once, and what is cut."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lukhas.policy.compression import CODINGS
from tests.integration.gateway.kit import Answer, Gateway, Turn, gateway, whole
from tests.unit.pipeline.decoding import decoded

TEXT = b"a line of text that repeats itself\n" * 200
TYPED = b"Content-Type: text/plain"
FRESH = b"Cache-Control: max-age=60"


@pytest.fixture
async def compressing(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway(tmp_path, compression={"mode": "enforce"}) as running:
        yield running
        assert running.state.unhandled == 0


def accepts(codings: bytes) -> bytes:
    return b"Accept-Encoding: " + codings


@pytest.mark.parametrize("coding", CODINGS)
async def test_each_coding_is_stored_once(compressing: Gateway, coding: bytes) -> None:
    """Another client that words the same wish in another way gets a hit, with the same bytes."""
    compressing.origin.scripts[b"/x"] = Answer(whole(TEXT, TYPED, FRESH, b'ETag: "q"'))
    first = await compressing.get(b"/x", accepts(coding))
    second = await compressing.get(b"/x", accepts(b"deflate, %b;q=0.9" % coding))
    for reply in (first, second):
        assert reply.values(b"content-encoding") == [coding]
        assert reply.values(b"content-length") == [b"%d" % len(reply.body)]
        assert reply.values(b"vary") == [b"accept-encoding"]
        assert reply.values(b"etag") == [b'W/"q"']
        assert decoded(reply.body, coding) == (TEXT, True)
    (seen,) = compressing.origin.seen
    assert seen.values(b"accept-encoding") == [coding]
    confirmed = await compressing.get(b"/x", accepts(coding), b'If-None-Match: W/"q"')
    assert (confirmed.status, len(compressing.origin.seen)) == (304, 1)
    plain = await compressing.get(b"/x")
    assert (plain.body, plain.values(b"content-encoding")) == (TEXT, [])
    assert len(compressing.origin.seen) == 2


async def test_events_go_out_one_by_one(compressing: Gateway) -> None:
    """The client can read each before the API sends the next."""
    heard = asyncio.Event()

    async def events(turn: Turn) -> None:
        await turn.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        for _ in range(3):
            await turn.send(b"9\r\ndata: 1\n\n\r\n")
            await heard.wait()
            heard.clear()
        await turn.send(b"0\r\n\r\n")

    compressing.origin.scripts[b"/events"] = events
    client = await compressing.client()
    await client.send(b"GET /events HTTP/1.1\r\nHost: a.example\r\nAccept-Encoding: br\r\n\r\n")
    head = await client.head()
    assert head.values(b"content-encoding") == [b"br"]
    made = b""
    async with asyncio.timeout(10):
        for number in range(1, 4):
            while decoded(made, b"br")[0] != b"data: 1\n\n" * number:
                size = int(await client.reader.readuntil(b"\r\n"), 16)
                made += (await client.reader.readexactly(size + 2))[:-2]
            assert not decoded(made, b"br")[1]
            heard.set()
        while size := int(await client.reader.readuntil(b"\r\n"), 16):
            made += (await client.reader.readexactly(size + 2))[:-2]
    assert decoded(made, b"br") == (b"data: 1\n\n" * 3, True)


@pytest.mark.parametrize("coding", CODINGS)
async def test_a_large_stream_comes_whole(compressing: Gateway, coding: bytes) -> None:
    """4 MiB of which each piece is another one."""
    pieces = [b"%08d" % number * 8192 for number in range(64)]

    async def large(turn: Turn) -> None:
        await turn.send(b"HTTP/1.1 200 OK\r\n%b\r\nContent-Length: 4194304\r\n\r\n" % TYPED)
        for piece in pieces:
            await turn.send(piece)

    compressing.origin.scripts[b"/large"] = large
    reply = await compressing.get(b"/large", accepts(coding))
    assert reply.values(b"content-length") == []
    assert len(reply.body) < 400_000
    assert decoded(reply.body, coding) == (b"".join(pieces), True)


@pytest.mark.parametrize("coding", CODINGS)
async def test_what_is_cut_has_no_end(compressing: Gateway, coding: bytes) -> None:
    """Neither that of the encoded stream nor that of the message, and it is not stored."""

    async def cut(turn: Turn) -> None:
        await turn.send(
            b"HTTP/1.1 200 OK\r\n%b\r\n%b\r\nContent-Length: 900000\r\n\r\n" % (TYPED, FRESH)
        )
        await turn.send(TEXT * 20)
        turn.writer.close()

    compressing.origin.scripts[b"/cut"] = cut
    for count in (1, 2):
        client = await compressing.client()
        lines = accepts(coding)
        await client.send(b"GET /cut HTTP/1.1\r\nHost: a.example\r\n%b\r\n\r\n" % lines)
        rest = await client.rest()
        head, _, chunks = rest.partition(b"\r\n\r\n")
        assert (b"content-encoding: " + coding) in head.lower()
        assert not chunks.endswith(b"0\r\n\r\n")
        assert len(compressing.origin.seen) == count


async def test_a_part_is_a_part_of_what_it_was(compressing: Gateway) -> None:
    """What the API answers to a range is not encoded."""
    part = whole(b"abc", TYPED, b"Content-Range: bytes 0-2/7000", status=b"206 Partial Content")
    compressing.origin.scripts[b"/part"] = Answer(part)
    reply = await compressing.get(b"/part", accepts(b"br"), b"Range: bytes=0-2")
    assert (reply.status, reply.body) == (206, b"abc")
    assert reply.values(b"content-encoding") == []


async def test_head_tells_what_get_would(compressing: Gateway) -> None:
    """Coding, tag and Vary, and no length of what is not known yet."""
    compressing.origin.scripts[b"/x"] = Answer(whole(TEXT, TYPED, b'ETag: "q"')[: -len(TEXT)])
    client = await compressing.client()
    reply = await client.ask(b"HEAD /x HTTP/1.1\r\nHost: a.example\r\nAccept-Encoding: br\r\n\r\n")
    assert reply.values(b"content-encoding") == [b"br"]
    assert reply.values(b"etag") == [b'W/"q"']
    assert reply.values(b"content-length") == []
    assert (await client.get()).status == 200
