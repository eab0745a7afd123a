"""However the bytes of a client are cut into pieces, the gateway reads the same in them."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from lukhas.gateway.front_state import FrontState
from lukhas.http.headers import Headers
from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange
from tests.integration.gateway.framing_cases import CASES
from tests.unit.gateway.transport_kit import at_rest, connected

SMALL = [case.raw for case in CASES if len(case.raw) < 2000]
WORDS = [
    b"GET ",
    b"POST ",
    b"/x",
    b"http://a.example/",
    b" HTTP/1.1\r\n",
    b" HTTP/1.0\r\n",
    b"Host: a.example\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 0\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"Connection: upgrade\r\nUpgrade: h2c\r\n",
    b"Expect: 100-continue\r\n",
    b"\r\n",
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b"hello",
    b"\0",
    b"\n",
    b" ",
]


async def echo(exchange: Exchange) -> Response:
    """Answers with what was understood, as soon as the body is whole."""
    body = b""
    if exchange.body is not None:
        body = b"".join([piece async for piece in exchange.body])
    head = exchange.head
    names = b",".join(name for name, _ in head.headers)
    text = b"|".join((head.method.encode(), head.authority, head.path, names, body))
    return Response(200, Headers([(b"content-length", b"%d" % len(text))]), text)


async def served(
    pieces: list[bytes],
    handler: Callable[[Exchange], Awaitable[Response]],
    known: FrontState | None = None,
) -> tuple[bytes, int, FrontState]:
    """What a client gets for these pieces, once the loop has come to rest."""
    connection, transport, state = connected(handler, state=known)
    before = state.requests
    for piece in pieces:
        connection.data_received(piece)
        await at_rest(connection)
    answered = transport.written
    connection.connection_lost(None)
    await at_rest(connection)
    assert not state.connections
    return answered, state.requests - before, state


def without_ids(answer: bytes) -> list[bytes]:
    """The answers without what differs by nature: ids, and when `100 Continue` was sent."""
    answer = answer.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")
    return [line for line in answer.split(b"\r\n") if not line.startswith(b"x-request-id")]


def cut(raw: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted({place % (len(raw) + 1) for place in places}), len(raw)]
    return [raw[start:end] for start, end in pairwise(edges) if end > start]


STREAMS = st.one_of(
    st.sampled_from(SMALL),
    st.lists(st.sampled_from(SMALL), min_size=2, max_size=3).map(b"".join),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=20).map(b"".join),
)


@settings(max_examples=400)
@given(raw=STREAMS, places=st.lists(st.integers(0, 5000), max_size=30))
def test_splits_change_nothing(raw: bytes, places: list[int]) -> None:
    """Any stream, valid or not, gives the same answers in any pieces (RFC 9112 section 2.2)."""
    at_once, requests, state = asyncio.run(served([raw], echo))
    in_pieces, requests_in_pieces, state_in_pieces = asyncio.run(served(cut(raw, places), echo))
    assert without_ids(in_pieces) == without_ids(at_once)
    assert requests_in_pieces == requests
    assert state.unhandled == state_in_pieces.unhandled == 0


REPEATED = [b"GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n", b"GET /y HTTP/1.1\r\nHost: b\r\n\r\n"]


@settings(max_examples=300)
@given(
    pieces=st.lists(
        st.one_of(st.sampled_from(REPEATED), st.sampled_from(SMALL), st.sampled_from(WORDS)),
        min_size=1,
        max_size=8,
    )
)
def test_what_is_remembered_changes_nothing(pieces: list[bytes]) -> None:
    """Bytes that were read before are read the same again, whatever stands before them."""

    async def twice() -> None:
        fresh, requests, _ = await served(pieces, echo)
        _, _, state = await served([*REPEATED, *pieces], echo)
        again, requests_again, _ = await served(pieces, echo, state)
        assert without_ids(again) == without_ids(fresh)
        assert requests_again == requests

    asyncio.run(twice())


@settings(max_examples=400)
@given(
    pieces=st.lists(
        st.one_of(st.binary(max_size=200), st.sampled_from(WORDS), st.sampled_from(SMALL)),
        max_size=12,
    )
)
def test_random_bytes_never_fail_the_server(pieces: list[bytes]) -> None:
    """Whatever comes, the answer is a response or a closed connection, never a failure."""
    answer, _, state = asyncio.run(served([piece for piece in pieces if piece], echo))
    assert state.unhandled == 0
    assert answer == b"" or answer.startswith(b"HTTP/1.1 ")
