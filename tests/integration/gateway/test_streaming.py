"""Bodies on their way through: backpressure, order, truncation and cancellation."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from lukhas.gateway.body_stream import BodyStream, RequestBody
from lukhas.gateway.upstream_connection import UpstreamConnection, UpstreamTimeouts
from tests.integration.gateway.kit import Answer, Client, Gateway, Turn, gateway, until, whole

HOST = b"Host: a.example\r\n"
PIECE = bytes(range(256)) * 256
MIB = 2**20


def upstream(gate: Gateway) -> UpstreamConnection:
    """The only upstream connection."""
    (connection,) = gate.pool._all
    return connection


async def ask(client: Client, path: bytes = b"/x") -> None:
    await client.send(b"GET %b HTTP/1.1\r\n%b\r\n" % (path, HOST))


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
async def test_a_large_download_to_a_slow_reader(gate: Gateway, *, chunked: bool) -> None:
    """64 MiB pass through with bounded buffers, and the upstream is held back meanwhile."""
    count = 64 * MIB // len(PIECE)
    sent = 0

    async def large(turn: Turn) -> None:
        nonlocal sent
        framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % (64 * MIB)
        await turn.send(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % framing)
        for _ in range(count):
            await turn.send(b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if chunked else PIECE)
            sent += len(PIECE)
        await turn.send(b"0\r\n\r\n" if chunked else b"")

    gate.origin.scripts[b"/large"] = large
    client = await gate.client()
    await ask(client, b"/large")
    head = await client.head()
    await until(lambda: upstream(gate)._body and upstream(gate)._body.flow_stopped)  # type: ignore[union-attr]
    body = upstream(gate)._body
    assert body is not None
    (connection,) = gate.state.connections
    buffered = connection._transport.get_write_buffer_size()  # type: ignore[attr-defined]
    assert buffered < 512 * 1024
    assert body._buffered < 512 * 1024
    assert not upstream(gate)._transport.is_reading()
    assert sent < 32 * MIB
    received = 0
    if chunked:
        while size := int(await client.reader.readuntil(b"\r\n"), 16):
            await client.reader.readexactly(size + 2)
            received += size
        await client.reader.readuntil(b"\r\n")
    else:
        assert head.values(b"content-length") == [b"%d" % (64 * MIB)]
        while received < 64 * MIB:
            received += len(await client.reader.read(MIB))
    assert received == 64 * MIB
    assert (await client.get()).status == 200
    assert gate.origin.connections == 1


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
async def test_a_large_upload_to_a_slow_origin(gate: Gateway, *, chunked: bool) -> None:
    """32 MiB go up with bounded buffers, and the client is held back meanwhile."""
    total = 32 * MIB
    go = asyncio.Event()
    got = 0

    async def slow(turn: Turn) -> None:
        nonlocal got
        await go.wait()
        got = len(await turn.body())
        await turn.send(whole(b"done"))

    gate.origin.scripts[b"/up"] = slow
    client = await gate.client()
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % total

    async def upload() -> None:
        for _ in range(total // len(PIECE)):
            client.writer.write(b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if chunked else PIECE)
            await client.writer.drain()
        client.writer.write(b"0\r\n\r\n" if chunked else b"")

    await client.send(b"POST /up HTTP/1.1\r\n%b%b\r\n\r\n" % (HOST, framing))
    sending = asyncio.create_task(upload())
    await until(lambda: gate.origin.seen)
    (connection,) = gate.state.connections
    await until(lambda: connection._read_pauses)  # type: ignore[attr-defined]
    request = connection._active  # type: ignore[attr-defined]
    assert request.body.flow_stopped
    assert request.body._buffered < 512 * 1024
    assert upstream(gate)._transport.get_write_buffer_size() < 512 * 1024
    assert not sending.done()
    # Held back by us, the client is not blamed for being slow.
    connection.check_deadline(gate.state.now_s)
    connection.check_deadline(gate.state.now_s + 100)
    go.set()
    assert (await client.reply()).body == b"done"
    await sending
    assert got == total
    assert (await client.get()).status == 200


async def test_a_finished_body_does_not_resume_the_next(tmp_path: Path) -> None:
    """A reader of a body that is whole has no say over the connection's next exchange."""
    first_size, second_size = 3 * MIB, 16 * MIB
    async with gateway(tmp_path, connections=1) as gate:
        gate.origin.scripts[b"/first"] = Answer(whole(b"a" * first_size))
        gate.origin.scripts[b"/second"] = Answer(whole(b"b" * second_size))
        one, two = await gate.client(limit=1024), await gate.client(limit=1024)
        await ask(one, b"/first")
        await one.head()
        await ask(two, b"/second")
        received = 0
        while not two.reader._buffer:  # type: ignore[attr-defined]
            received += len(await one.reader.read(4096))
            await asyncio.sleep(0)
        await until(lambda: upstream(gate)._body and upstream(gate)._body.flow_stopped)  # type: ignore[union-attr]
        body = upstream(gate)._body
        assert body is not None
        while received < first_size:
            received += len(await one.reader.read(65536))
        for _ in range(50):
            await asyncio.sleep(0.001)
        assert body._buffered < 512 * 1024
        assert len((await two.reply()).body) == second_size


async def test_events_arrive_one_by_one(gate: Gateway) -> None:
    """An event is passed on before the next is there; nothing waits for a full buffer."""
    more = asyncio.Event()

    async def events(turn: Turn) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked"
        await turn.send(head + b"\r\n\r\n")
        for number in range(5):
            await more.wait()
            more.clear()
            await turn.send(b"9\r\ndata: %d\n\n\r\n" % number)
        await turn.send(b"0\r\n\r\n")

    gate.origin.scripts[b"/events"] = events
    client = await gate.client()
    await ask(client, b"/events")
    head = await client.head()
    assert head.values(b"content-type") == [b"text/event-stream"]
    for number in range(5):
        more.set()
        assert await client.reader.readuntil(b"\n\n") == b"9\r\ndata: %d\n\n" % number
        await client.reader.readexactly(2)
    assert await client.reader.readuntil(b"\r\n\r\n") == b"0\r\n\r\n"


async def test_client_gone_while_waiting(gate: Gateway) -> None:
    """A client that goes away ends the upstream's work as well."""
    let_go = []

    async def hang(turn: Turn) -> None:
        let_go.append(await turn.gone())

    gate.origin.scripts[b"/hang"] = hang
    client = await gate.client()
    await ask(client, b"/hang")
    await until(lambda: gate.origin.seen)
    client.abort()
    await until(lambda: let_go)
    await until(lambda: gate.pool.counts() == (0, 0))
    assert gate.hub.recorder.in_flight == 0


@pytest.mark.parametrize("framing", [b"Content-Length: 1000000", b"Transfer-Encoding: chunked"])
async def test_client_gone_in_the_stream(gate: Gateway, framing: bytes) -> None:
    """So it does in the middle of a response."""
    let_go = []

    async def half(turn: Turn) -> None:
        await turn.send(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n5\r\nhello\r\n" % framing)
        let_go.append(await turn.gone())

    gate.origin.scripts[b"/half"] = half
    client = await gate.client()
    await ask(client, b"/half")
    await client.head()
    client.abort()
    await until(lambda: let_go)
    await until(lambda: gate.pool.counts() == (0, 0))
    assert gate.hub.recorder.in_flight == 0


async def test_client_gone_while_not_reading(gate: Gateway) -> None:
    """So it does when the gateway waits for the client to take something."""
    let_go = []

    async def large(turn: Turn) -> None:
        await turn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 90000000\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                await turn.send(PIECE)
        let_go.append(True)

    gate.origin.scripts[b"/large"] = large
    client = await gate.client(limit=1024)
    await ask(client, b"/large")
    await client.head()
    await until(lambda: upstream(gate)._body and upstream(gate)._body.flow_stopped)  # type: ignore[union-attr]
    client.abort()
    await until(lambda: let_go)
    await until(lambda: gate.pool.counts() == (0, 0))


async def test_client_that_takes_nothing_is_cut_off(gate: Gateway) -> None:
    """A response that the client does not take for too long ends its connection."""
    let_go = []

    async def large(turn: Turn) -> None:
        await turn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 90000000\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                await turn.send(PIECE)
        let_go.append(True)

    gate.origin.scripts[b"/large"] = large
    client = await gate.client(limit=1024)
    await ask(client, b"/large")
    await client.head()
    (connection,) = gate.state.connections
    await until(lambda: connection._writer.paused)  # type: ignore[attr-defined]
    assert connection.deadline >= gate.state.now_s + gate.state.limits.write_timeout_s - 1
    connection.check_deadline(connection.deadline)
    await until(lambda: let_go)
    await until(lambda: not gate.state.connections)


async def test_client_gone_in_its_body(gate: Gateway) -> None:
    """A client that goes away in the middle of its body leaves no half request behind."""
    let_go = []

    async def up(turn: Turn) -> None:
        let_go.append(await turn.gone())

    gate.origin.scripts[b"/up"] = up
    client = await gate.client()
    await client.send(b"POST /up HTTP/1.1\r\n%bContent-Length: 1000000\r\n\r\nhello" % HOST)
    await until(lambda: gate.origin.seen)
    client.abort()
    await until(lambda: let_go)
    await until(lambda: gate.pool.counts() == (0, 0))


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize(
    ("framing", "start"),
    [(b"Content-Length: 1000", b"hello"), (b"Transfer-Encoding: chunked", b"5\r\nhello\r\n")],
    ids=["length", "chunked"],
)
async def test_cut_upstream_is_seen_as_cut(
    gate: Gateway, framing: bytes, start: bytes, *, reset: bool
) -> None:
    """A body that breaks off never ends cleanly for the client (RFC 9112 section 8)."""
    cut = asyncio.Event()

    async def half(turn: Turn) -> None:
        await turn.send(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n%b" % (framing, start))
        await cut.wait()
        if reset:
            turn.reset()
        else:
            turn.writer.close()

    gate.origin.scripts[b"/half"] = half
    client = await gate.client()
    await ask(client, b"/half")
    await client.head()
    assert await client.reader.readexactly(len(start)) == start
    cut.set()
    assert await client.rest() == b""
    assert (await gate.get()).status == 200


async def test_bad_chunk_in_the_stream_is_seen_as_cut(gate: Gateway) -> None:
    """So does one that turns out to be no valid chunked body."""
    more = asyncio.Event()

    async def bad(turn: Turn) -> None:
        await turn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await more.wait()
        await turn.send(b"nonsense\r\n")

    gate.origin.scripts[b"/bad"] = bad
    client = await gate.client()
    await ask(client, b"/bad")
    await client.head()
    more.set()
    assert await client.rest() == b"5\r\nhello\r\n"


async def test_stalled_upstream_is_cut(tmp_path: Path) -> None:
    """A body that stops coming is given up after the idle time."""

    async def stall(turn: Turn) -> None:
        await turn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhello")
        await turn.gone()

    timeouts = UpstreamTimeouts(connect_s=1.0, response_s=1.0, idle_s=0.2)
    async with gateway(tmp_path, timeouts=timeouts) as gate:
        gate.origin.scripts[b"/stall"] = stall
        client = await gate.client()
        await ask(client, b"/stall")
        await client.head()
        assert await client.rest() == b"hello"


async def test_slow_client_is_not_the_upstreams_fault(gate: Gateway) -> None:
    """While the client is the slow one, the upstream's deadline moves on."""
    gate.origin.scripts[b"/large"] = Answer(whole(b"x" * 16 * MIB))
    client = await gate.client(limit=1024)
    await ask(client, b"/large")
    await client.head()
    await until(lambda: upstream(gate)._body and upstream(gate)._body.flow_stopped)  # type: ignore[union-attr]
    upstream(gate).check_deadline(upstream(gate).deadline_s)
    received = 0
    while received < 16 * MIB:
        received += len(await client.reader.read(MIB))


async def test_close_delimited_response_becomes_chunked(gate: Gateway) -> None:
    """A body that ends with the upstream's connection is framed anew (RFC 9112 section 6.3)."""
    gate.origin.scripts[b"/old"] = Answer(b"HTTP/1.0 200 OK\r\n\r\nhello", close=True)
    client = await gate.client()
    reply = await client.get(b"/old")
    assert (reply.body, reply.values(b"transfer-encoding")) == (b"hello", [b"chunked"])
    assert (await client.get()).body == b"ok"


async def test_close_delimited_response_that_is_reset(gate: Gateway) -> None:
    """A reset is no clean end of such a body."""
    cut = asyncio.Event()

    async def old(turn: Turn) -> None:
        await turn.send(b"HTTP/1.0 200 OK\r\n\r\nhello")
        await cut.wait()
        turn.reset()

    gate.origin.scripts[b"/old"] = old
    client = await gate.client()
    await ask(client, b"/old")
    await client.head()
    assert await client.reader.readexactly(10) == b"5\r\nhello\r\n"
    cut.set()
    assert await client.rest() == b""


async def test_http_1_0_client_gets_close_delimited(gate: Gateway) -> None:
    """A client that knows no chunks gets the body until the connection ends."""
    gate.origin.scripts[b"/chunks"] = Answer(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n"
    )

    async def in_pieces(turn: Turn) -> None:
        await turn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await asyncio.sleep(0.01)
        await turn.send(b"5\r\nworld\r\n0\r\n\r\n")

    gate.origin.scripts[b"/pieces"] = in_pieces
    for path in (b"/chunks", b"/pieces"):
        client = await gate.client()
        request = b"GET %b HTTP/1.0\r\n%bConnection: keep-alive\r\n\r\n" % (path, HOST)
        reply = await client.ask(request)
        assert reply.body == b"helloworld"
        assert not reply.values(b"transfer-encoding")


async def test_http_1_0_client_sees_a_cut_body(gate: Gateway) -> None:
    """Where only a reset can tell that a body is cut, there is a reset."""
    cut = asyncio.Event()

    async def half(turn: Turn) -> None:
        await turn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await cut.wait()
        turn.reset()

    gate.origin.scripts[b"/half"] = half
    client = await gate.client()
    await client.send(b"GET /half HTTP/1.0\r\n%b\r\n" % HOST)
    await client.head()
    cut.set()
    assert (await client.reader.readuntil(b"hello")).endswith(b"hello")
    with pytest.raises(ConnectionResetError):
        await client.reader.read(100)


async def test_head_of_a_stream(gate: Gateway) -> None:
    """HEAD of something streamed gets its head only."""
    gate.origin.scripts[b"/x"] = Answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    client = await gate.client()
    reply = await client.ask(b"HEAD /x HTTP/1.1\r\n%b\r\n" % HOST)
    assert reply.status == 200
    assert (await client.get()).body == b"ok"


async def test_early_answer_of_the_origin_to_an_upload(gate: Gateway) -> None:
    """An origin that refuses an upload half-way is heard, and its connection not used again."""

    async def refuse(turn: Turn) -> None:
        await turn.send(whole(b"no", status=b"403 Forbidden"))
        await turn.gone()

    gate.origin.scripts[b"/up"] = refuse
    client = await gate.client()
    await client.send(b"POST /up HTTP/1.1\r\n%bContent-Length: 900000\r\n\r\nhello" % HOST)
    reply = await client.reply()
    assert (reply.status, reply.values(b"connection")) == (403, [b"close"])
    assert await client.rest() == b""
    await until(lambda: gate.pool.counts() == (0, 0))


async def test_upload_and_download_at_once(gate: Gateway) -> None:
    """An origin may answer while it still reads; both directions flow."""

    async def echo(turn: Turn) -> None:
        await turn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(3):
            piece = await turn.reader.readexactly(10_000)
            await turn.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        await turn.send(b"0\r\n\r\n")

    gate.origin.scripts[b"/echo"] = echo
    client = await gate.client()
    await client.send(b"POST /echo HTTP/1.1\r\n%bContent-Length: 70000\r\n\r\n" % HOST)
    await client.head()
    for letter in (b"a", b"b", b"c"):
        await client.send(letter * 10_000)
        size = int(await client.reader.readuntil(b"\r\n"), 16)
        assert await client.reader.readexactly(size + 2) == letter * 10_000 + b"\r\n"


async def test_body_stream_feeds_and_aborts() -> None:
    """A reader gets what came, then the error; nothing after the end changes it."""
    loop = asyncio.get_running_loop()
    calls: list[str] = []
    stream = BodyStream(
        loop, pause=lambda: calls.append("pause"), resume=lambda: calls.append("resume")
    )
    stream.feed(b"x" * 100_000)
    stream.feed(b"y" * 100_000)
    assert calls == ["pause"]
    assert stream.flow_stopped
    stream.finish()
    assert calls == ["pause", "resume"]
    stream.abort(RuntimeError())  # type: ignore[arg-type]
    assert [len(piece) async for piece in stream] == [100_000, 100_000]
    assert calls == ["pause", "resume"]


async def test_request_body_counts_what_it_drops() -> None:
    """After a discard nothing is kept."""
    loop = asyncio.get_running_loop()
    body = RequestBody(
        loop, 10, pause=lambda: None, resume=lambda: None, on_first_read=lambda: None
    )
    assert body.client_waits
    body.feed(b"abc")
    assert not body.client_waits
    body.discard()
    body.feed(b"de")
    assert (body.received, body.discarded, body.take_all()) == (5, True, b"")
