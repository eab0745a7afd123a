"""Plain answers: the pattern gives what the parser gives, or nothing."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lukhas.errors import UpstreamError
from lukhas.gateway.outbox import Outbox
from lukhas.gateway.plain_answers import PlainAnswers
from lukhas.gateway.upstream_connection import UpstreamConnection, UpstreamTimeouts
from lukhas.http.messages import Response
from tests.unit.gateway.transport_kit import Transport, called

PLAIN = (
    b"HTTP/1.1 200 OK\r\nDate: now\r\nContent-Type:text/plain\r\nContent-Length: 2\r\n"
    b"Connection: keep-alive\r\nKeep-Alive: timeout=5\r\nX-Request-Id: theirs\r\nX-A: b\r\n\r\nab"
)


def test_a_plain_answer_is_read() -> None:
    """Names in lower case, without the fields that are not relayed; and ready to be sent."""
    answers = PlainAnswers()
    answer = answers.read(PLAIN)
    assert answer is not None
    assert (answer.status, answer.length, answer.size) == (200, 2, len(PLAIN) - 2)
    assert answer.headers.raw == [
        (b"date", b"now"),
        (b"content-type", b"text/plain"),
        (b"content-length", b"2"),
        (b"x-a", b"b"),
    ]
    assert answer.ready_head == (
        b"HTTP/1.1 200 OK\r\ndate: now\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n"
        b"x-a: b\r\n"
    )
    assert answers.read(bytes(bytearray(PLAIN))) is answer


def test_without_a_date_no_head_is_ready() -> None:
    """The front server has to add one."""
    answer = PlainAnswers().read(PLAIN.replace(b"Date", b"X-Date"))
    assert answer is not None
    assert answer.ready_head is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTT",
        PLAIN[:-1],
        PLAIN + b"x",
        PLAIN + PLAIN,
        b"\r\n" + PLAIN,
        PLAIN.replace(b"1.1", b"1.0"),
        PLAIN.replace(b"200", b"100"),
        PLAIN.replace(b"200", b"204"),
        PLAIN.replace(b"200", b"304"),
        PLAIN.replace(b"200", b"600"),
        PLAIN.replace(b"\r\n", b"\n"),
        PLAIN.replace(b"X-A:", b"X-A :"),
        PLAIN.replace(b"X-A:", b" X-A:"),
        PLAIN.replace(b"X-A: b", b"X-A: b\r\n c"),
        PLAIN.replace(b"X-A: b", b"X-A: b\rc"),
        PLAIN.replace(b"X-A: b", b"X-A: b\0c"),
        PLAIN.replace(b"X-A: b", b"X-A:  b"),
        PLAIN.replace(b"X-A: b", b"X-A: b "),
        PLAIN.replace(b"X-A: b", b"X-A:"),
        PLAIN.replace(b"X-A: b", b"X-A: \xff"),
        PLAIN.replace(b"X-A: b", b"X-A: " + b"x" * 3000),
        PLAIN.replace(b"X-A: b", b"Content-Length: 2"),
        PLAIN.replace(b"X-A: b", b"Content-Length: 3"),
        PLAIN.replace(b"X-A: b", b"Transfer-Encoding: chunked"),
        PLAIN.replace(b"X-A: b", b"Trailer: x"),
        PLAIN.replace(b"X-A: b", b"UPGRADE: h2c"),
        PLAIN.replace(b"Content-Length: 2", b"X-Length: 2"),
        PLAIN.replace(b"Content-Length: 2", b"Content-Length: +2"),
        PLAIN.replace(b"Content-Length: 2", b"Content-Length: 2, 2"),
        PLAIN.replace(b"Content-Length: 2", b"Content-Length: 0x2"),
        PLAIN.replace(b"Content-Length: 2", b"Content-Length: 0000000000000002"),
        PLAIN.replace(b"keep-alive", b"close"),
        PLAIN.replace(b"keep-alive", b"keep-alive, x-a"),
    ],
)
def test_everything_else_is_left_to_the_parser(data: bytes) -> None:
    """Whether it is invalid, or only written in another way, or not one whole response."""
    answers = PlainAnswers()
    for _ in range(2):  # What was remembered says the same.
        assert answers.read(data) is None


def test_one_head_may_stand_before_bodies_that_are_not_whole() -> None:
    """What is remembered of a head says nothing about how much came with it."""
    answers = PlainAnswers()
    for _ in range(2):
        assert answers.read(PLAIN[:-1]) is None
        assert answers.read(PLAIN) is not None
        assert answers.read(PLAIN + b"c") is None


def test_what_is_remembered_is_bounded() -> None:
    """Heads and lines, in number; and they change nothing."""
    answers = PlainAnswers()
    for number in range(2000):
        answer = answers.read(PLAIN.replace(b"X-A: b", b"X-A: %d" % number))
        assert answer is not None
        assert answer.headers.get(b"x-a") == b"%d" % number
        assert len(answers._known) <= 128
        assert len(answers._lines) <= 256
    known = len(answers._lines)
    assert answers.read(PLAIN.replace(b"X-A: b", b"X-A: " + b"y" * 300)) is not None
    assert len(answers._lines) == known


# -- beside the parser ---------------------------------------------------------------------------


def connected_to(
    transport: Any, on_free: Callable[[UpstreamConnection], None] = lambda _: None
) -> UpstreamConnection:
    loop = asyncio.get_running_loop()
    connection = UpstreamConnection(
        loop,
        "origin",
        UpstreamTimeouts(),
        Outbox(loop),
        PlainAnswers(),
        on_free=on_free,
        on_gone=lambda _: None,
    )
    connection.connection_made(transport)
    return connection


class Asked:
    """A connection with a request on it, and what became of it."""

    def __init__(self, *pieces: bytes) -> None:
        self.freed = 0
        self.transport = Transport()
        self.ended: Response | UpstreamError | None = None
        self.loop = asyncio.new_event_loop()
        try:
            self.loop.run_until_complete(self._ask(pieces))
        finally:
            self.loop.close()

    async def _ask(self, pieces: tuple[bytes, ...]) -> None:
        connection = connected_to(self.transport, on_free=self._freed)
        run: Any = called(connection)
        task = self.loop.create_task(run)
        await asyncio.sleep(0)
        for piece in pieces:
            if not self.transport.closed:
                connection.data_received(piece)
        await asyncio.sleep(0)
        if self.transport.closed:
            connection.connection_lost(None)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if not task.done():
            task.cancel()
        try:
            self.ended = await task
        except UpstreamError as error:
            self.ended = error
        except asyncio.CancelledError:
            self.ended = None

    def _freed(self, _connection: object) -> None:
        self.freed += 1

    def told(self) -> tuple[object, ...]:
        ended = self.ended
        if isinstance(ended, Response) and isinstance(ended.body, bytes):
            return (ended.status, ended.headers.raw, ended.body, self.freed, self.transport.closed)
        return (type(ended), self.freed, self.transport.closed)


_ODD = st.sampled_from(
    [b"\r\n", b"\n", b"\r", b" ", b"\t", b"\0", b":", b"\xff", b"HTTP/1.1 200 OK\r\n"]
)
_TEXT = st.text("abAB019-_.!#%/?&=;,:* ", max_size=8).map(str.encode)
_NAMES = st.sampled_from(
    [
        b"Date",
        b"X-A",
        b"Set-Cookie",
        b"Content-Length",
        b"Connection",
        b"Keep-Alive",
        b"Transfer-Encoding",
        b"X-Request-Id",
        b"Trailer",
        b"TE",
    ]
)
_LINES = st.one_of(
    st.tuples(_NAMES, st.sampled_from([b":", b": ", b":  ", b" : "]), _TEXT).map(b"".join),
    st.sampled_from([b"Connection: keep-alive", b"connection: Keep-Alive", b"Date: now"]),
)
_STATUSES = st.sampled_from([b"100", b"200", b"204", b"206", b"301", b"304", b"404", b"503"])


@given(
    status=_STATUSES,
    lines=st.lists(_LINES, max_size=5),
    body=_TEXT,
    odd=_ODD,
    at=st.integers(-200, 200),
)
@example(status=b"200", lines=[], body=b"", odd=b"\r\n", at=17)
@example(status=b"200", lines=[b"Connection: keep-alive", b"Date: now"], body=b"ab", odd=b"", at=0)
def test_the_parser_reads_the_same(
    status: bytes, lines: list[bytes], body: bytes, odd: bytes, at: int
) -> None:
    """Whatever is read by the pattern the parser reads alike, and the connection fares alike."""
    length = b"Content-Length: %d" % len(body)
    data = b"\r\n".join((b"HTTP/1.1 %b OK" % status, length, *lines, b"", body))
    if 0 <= at <= len(data):
        data = data[:at] + odd + data[at:]
    if PlainAnswers().read(data) is None:
        return
    # Cut in two, no piece is a whole response, so that the parser gets it.
    cut = data.index(b"\r\n\r\n") + 2
    asked = Asked(data)
    assert isinstance(asked.ended, Response)
    assert asked.told() == Asked(data[:cut], data[cut:]).told()


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nc\r\n0\r\n\r\n"


async def test_both_ways_share_a_connection() -> None:
    """The parser knows nothing of what was read without it, and need not."""
    transport = Transport()
    connection = connected_to(transport)
    for data, body in ((PLAIN, b"ab"), (CHUNKED, b"c"), (CHUNKED, b"c"), (PLAIN, b"ab")):
        run = called(connection)
        task = asyncio.create_task(run)
        await asyncio.sleep(0)
        connection.data_received(data)
        assert (await task).body == body
        assert not connection.is_closing()
    assert connection.exchanges == 4
    connection.data_received(PLAIN)
    assert transport.aborted


async def test_the_answer_to_a_head_request_is_left_to_the_parser() -> None:
    """It has no body, though it tells its length; and one that comes all the same is not used."""
    transport = Transport()
    connection = connected_to(transport)
    run = called(connection, "HEAD")
    task = asyncio.create_task(run)
    await asyncio.sleep(0)
    connection.data_received(PLAIN)
    assert (await task).body == b""
    assert transport.closed
