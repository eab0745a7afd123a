"""A front connection at its edges: handlers that fail, park, stream or tap."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from lukhas.errors import BodyAbortedError, HandlerError, UpstreamProtocolError
from lukhas.gateway.framing import FrontLimits
from lukhas.http.headers import Headers
from lukhas.http.messages import Response
from lukhas.pipeline import driving
from lukhas.pipeline.exchange import Exchange
from tests.unit.gateway.transport_kit import Transport, at_rest, connected

GET = b"GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n"
HEAD = b"HEAD /x HTTP/1.1\r\nHost: a.example\r\n\r\n"
OLD = b"GET /x HTTP/1.0\r\nHost: a.example\r\n\r\n"


class Stream:
    """A streamed response, and what became of it."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self.pieces = pieces
        self.closed = 0
        self.aborted = 0

    async def body(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            await asyncio.sleep(0)
            if isinstance(piece, Exception):
                raise piece
            yield piece

    def response(self, *taps: object) -> Response:
        return Response(
            200,
            Headers([]),
            self.body(),
            taps=[self, *taps],  # type: ignore[list-item]
            on_close=self.on_close,
        )

    def on_close(self) -> None:
        self.closed += 1

    def feed(self, chunk: bytes, *, last: bool) -> bytes:
        return chunk

    def abort(self) -> None:
        self.aborted += 1


class Upper:
    """A tap that changes what passes and adds something at the end."""

    def feed(self, chunk: bytes, *, last: bool) -> bytes:
        if last:
            return chunk.upper() + b"!"
        return b"" if chunk == b"drop" else chunk.upper()

    def abort(self) -> None:
        pass


async def answered(response: Response, request: bytes = GET) -> tuple[Transport, int]:
    """What goes out for this response, and how many requests went unhandled."""

    async def handler(_exchange: Exchange) -> Response:
        return response

    connection, transport, state = connected(handler)
    connection.data_received(request)
    for _ in range(10):
        await at_rest(connection)
    return transport, state.unhandled


async def test_stream_is_chunked() -> None:
    """A stream without a length goes out in chunks and is closed once."""
    stream = Stream(b"one", b"two")
    transport, _ = await answered(stream.response())
    assert transport.written.endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
    assert (stream.closed, stream.aborted, transport.closed) == (1, 0, False)


@pytest.mark.parametrize(
    ("request_head", "end"),
    [(GET, b"3\r\nONE\r\n1\r\n!\r\n0\r\n\r\n"), (OLD, b"ONE!")],
    ids=["chunked", "close"],
)
async def test_taps_change_a_stream(request_head: bytes, end: bytes) -> None:
    """What taps make of a body is what goes out, the rest they held back too."""
    transport, _ = await answered(Stream(b"one", b"drop").response(Upper()), request_head)
    assert transport.written.endswith(b"\r\n\r\n" + end)


async def test_taps_change_a_whole_body() -> None:
    """Taps see a whole body as its last piece, and the length is that of what they made."""
    response = Response(200, Headers([]), b"one", taps=[Upper()])
    transport, _ = await answered(response)
    assert b"content-length: 4\r\n" in transport.written
    assert transport.written.endswith(b"ONE!")


async def test_stream_for_head_is_given_up() -> None:
    """HEAD has no use for a body, so whatever it holds is freed."""
    stream = Stream(b"one")
    transport, _ = await answered(stream.response(), HEAD)
    assert transport.written.endswith(b"\r\n\r\n")
    assert (stream.closed, stream.aborted, transport.closed) == (1, 1, False)


@pytest.mark.parametrize(("request_head", "aborted"), [(GET, False), (OLD, True)])
async def test_stream_that_breaks_off(request_head: bytes, *, aborted: bool) -> None:
    """A failing upstream ends the connection so that the client can see the cut."""
    stream = Stream(b"one", UpstreamProtocolError("default", "closed", sent=True))
    transport, unhandled = await answered(stream.response(), request_head)
    assert not transport.written.endswith(b"0\r\n\r\n")
    assert (stream.closed, stream.aborted) == (1, 1)
    assert (transport.closed, transport.aborted, unhandled) == (True, aborted, 0)


async def test_stream_that_fails_for_no_known_reason() -> None:
    """A failure of our own drops the connection, is counted, and frees what was held."""
    stream = Stream(b"one", ValueError("no reason"))
    transport, unhandled = await answered(stream.response())
    assert (transport.aborted, unhandled) == (True, 1)
    assert (stream.closed, stream.aborted) == (1, 1)


@pytest.mark.parametrize("wait", [False, True], ids=["at-once", "later"])
@pytest.mark.parametrize(
    ("error", "status", "unhandled"),
    [
        (HandlerError(ValueError("x")), 500, 1),
        (ValueError("x"), 500, 1),
        (HandlerError(BodyAbortedError("x")), 400, 0),
    ],
)
async def test_failing_handlers(
    error: Exception, status: int, unhandled: int, *, wait: bool
) -> None:
    """A request that fails in the gateway gets a 500; one whose own body failed, a 400."""

    async def handler(_exchange: Exchange) -> Response:
        if wait:
            await asyncio.sleep(0)
        raise error

    connection, transport, state = connected(handler)
    connection.data_received(GET + GET)
    await at_rest(connection)
    await at_rest(connection)
    assert transport.written.count(b"HTTP/1.1 %d " % status) == 2
    assert b"ValueError" not in transport.written
    assert state.unhandled == 2 * unhandled
    assert not transport.closed


@pytest.mark.parametrize("wait", [False, True], ids=["at-once", "later"])
async def test_parked_runs_are_failures(*, wait: bool) -> None:
    """Nobody would resume a run that parks inside the gateway."""

    async def handler(_exchange: Exchange) -> Response:
        if wait:
            await asyncio.sleep(0)
        return await driving.park()

    connection, transport, state = connected(handler)
    connection.data_received(GET)
    await at_rest(connection)
    assert transport.written.startswith(b"HTTP/1.1 500 ")
    assert state.unhandled == 1


async def test_whole_answers_are_closed() -> None:
    """`on_close` of a whole response is called when it is on its way."""
    stream = Stream()
    await answered(Response(200, Headers([]), b"x", on_close=stream.on_close))
    assert stream.closed == 1


async def test_unix_peers_have_a_name() -> None:
    """A connection without an IP address is called `unix`."""
    peers = []

    async def handler(exchange: Exchange) -> Response:
        peers.append(exchange.peer)
        return Response(200, Headers([]), b"x")

    connection, _, _ = connected(handler, Transport(peername=""))
    connection.data_received(GET)
    assert peers == ["unix"]


async def test_requests_behind_one_under_way_are_forgotten_with_the_client() -> None:
    """When the client goes, what waited is dropped and what runs is cancelled."""
    ended = []

    async def handler(exchange: Exchange) -> Response:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            ended.append(exchange)
            raise
        raise AssertionError("unreachable")

    connection, transport, state = connected(handler)
    connection.data_received(GET * 3)
    await at_rest_once()
    assert not transport.reading
    connection.connection_lost(None)
    await at_rest_once()
    assert len(ended) == 1
    assert state.requests == 1
    connection.resume_reading()
    connection.send_continue()


async def at_rest_once() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_body_grace_leaves_a_write_deadline_alone() -> None:
    """A client that does not take its answers keeps the longer time it has for that."""

    async def handler(_exchange: Exchange) -> Response:
        return Response(200, Headers([]), b"x")

    limits = FrontLimits(body_grace_s=1.0, write_timeout_s=60.0)
    connection, transport, state = connected(handler, limits=limits)
    connection.pause_writing()
    deadline = connection.deadline
    assert deadline == state.now_s + 60.0
    connection.data_received(
        b"POST /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 100000\r\n\r\n"
    )
    assert connection.deadline == deadline
    connection.resume_writing()
    state.outbox.flush()
    assert transport.reading
    assert transport.written


async def test_data_after_the_end_is_ignored() -> None:
    """Once broken, nothing more is read into a connection."""

    async def handler(_exchange: Exchange) -> Response:
        return Response(200, Headers([]), b"x")

    connection, transport, state = connected(handler)
    connection.data_received(b"nonsense\r\n\r\n")
    written = transport.written
    assert written.startswith(b"HTTP/1.1 501 ")
    connection.data_received(GET)
    connection.data_received(b"x" * 2_000_000)
    assert transport.written == written
    assert transport.aborted
    assert state.requests == 0


class Upstream:
    """Lets each request wait outside any task, and notes what became of the wait."""

    def __init__(self) -> None:
        self.waits: list[driving.DirectFuture] = []
        self.cancelled = 0
        self.in_task: list[bool] = []
        self.instead: Response | None = None
        self.waits_again = False

    async def __call__(self, _exchange: Exchange) -> Response:
        future = driving.DirectFuture(loop=asyncio.get_running_loop())
        self.waits.append(future)
        try:
            response = await future
        except asyncio.CancelledError:
            self.cancelled += 1
            if self.waits_again:
                await asyncio.sleep(0)
            if self.instead is not None:
                return self.instead
            raise
        self.in_task.append(asyncio.current_task() is not None)
        return response


async def test_the_wait_for_the_upstream_needs_no_task() -> None:
    """And the requests behind it are answered in their turn."""
    upstream = Upstream()
    connection, transport, _ = connected(upstream)
    connection.data_received(GET + GET)
    await at_rest(connection)
    assert (len(upstream.waits), transport.written) == (1, b"")
    for number in range(2):
        # From a callback of the loop, as where a response comes in.
        response = Response(200, Headers([]), b"%d" % number)
        asyncio.get_running_loop().call_soon(upstream.waits[number].set_result, response)
        await asyncio.sleep(0)
        await at_rest(connection)
    assert transport.written.count(b"HTTP/1.1 200 OK") == 2
    assert transport.written.endswith(b"1")
    assert upstream.in_task == [False, False]
    assert connection._task is None


async def test_a_failure_after_the_wait_is_answered() -> None:
    """Like one before it."""
    upstream = Upstream()
    connection, transport, state = connected(upstream)
    connection.data_received(GET)
    upstream.waits[0].set_exception(ValueError("no"))
    await at_rest(connection)
    assert transport.written.startswith(b"HTTP/1.1 500 ")
    assert state.unhandled == 1


@pytest.mark.parametrize("instead", [None, b"", b"instead"])
@pytest.mark.parametrize("waits_again", [False, True])
async def test_a_client_that_goes_away_ends_the_wait(
    instead: bytes | None, *, waits_again: bool
) -> None:
    """As a task is cancelled; what answers all the same is given up, and nothing is written."""
    upstream = Upstream()
    given_up = Stream()
    if instead is not None:
        upstream.instead = Response(200, Headers([]), instead, on_close=given_up.on_close)
    upstream.waits_again = waits_again
    connection, transport, _ = connected(upstream)
    connection.data_received(GET)
    connection.connection_lost(None)
    assert upstream.cancelled == 1
    assert given_up.closed == (instead is not None and not waits_again)
    upstream.waits[0].set_result(Response(200, Headers([])))
    await at_rest(connection)
    assert transport.written == b""


async def test_a_head_read_before_is_answered_alike() -> None:
    """Whether the answer is ready, has to be made, waits, or fails."""
    ready = Response(200, Headers([]), b"ok", b"HTTP/1.1 200 OK\r\nx: y\r\n")
    answers: list[Response | Exception] = [ready] * 3
    answers += [Response(404, Headers([]), b"no"), ValueError("no")]

    async def handler(_exchange: Exchange) -> Response:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    connection, transport, state = connected(handler)
    for status in (b"200", b"200", b"200", b"404", b"500"):
        before = len(transport.written)
        connection.data_received(GET)
        await at_rest(connection)
        assert transport.written[before:].startswith(b"HTTP/1.1 " + status)
        assert b"x-request-id: " in transport.written[before:]
    assert (len(state.known_heads), state.requests) == (1, 5)


async def test_the_end_of_a_body_is_no_part_of_the_head_behind_it() -> None:
    """What came in one piece with it is no request at the beginning of another connection."""

    async def handler(exchange: Exchange) -> Response:
        if exchange.body is not None:
            async for _piece in exchange.body:
                pass
        return Response(200, Headers([]), b"ok")

    connection, transport, state = connected(handler)
    chunked = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nh"
    rest = b"ello\r\n0\r\n\r\n" + GET
    for _ in range(3):
        connection.data_received(chunked)
        await at_rest(connection)
        connection.data_received(rest)
        await at_rest(connection)
    assert state.requests == 6
    assert state.known_heads.get(rest) is None
    before = len(transport.written)
    connection.data_received(rest)
    await at_rest(connection)
    assert transport.written[before:].startswith(b"HTTP/1.1 501 ")
    assert state.requests == 6
