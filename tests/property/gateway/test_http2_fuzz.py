"""Random frames to an HTTP/2 connection: no exception, no hang, and no more than was asked."""

import asyncio
import struct

from hypothesis import given
from hypothesis import strategies as st

from lukhas.clock import SystemClock
from lukhas.gateway.framing import FrontLimits
from lukhas.gateway.front_state import FrontState
from lukhas.gateway.http2 import Http2Connection
from lukhas.gateway.http2_shared import Http2Shared
from lukhas.http.headers import Headers
from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.intake import Intake
from tests.unit.gateway.transport_kit import Transport

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
GOOD = b"\x82\x86\x84\x41\x09a.example"
BLOCKS = st.one_of(
    st.sampled_from([GOOD, b"\x82\x86\x84\xbe", GOOD + b"\x00\x06cookie\x03a=1", b"\x20" + GOOD]),
    st.binary(max_size=40),
    st.binary(max_size=20).map(lambda rest: GOOD + rest),
)
STREAMS = st.one_of(st.integers(0, 9), st.integers(0, 2**31 - 1))


@st.composite
def _frames(draw: st.DrawFn) -> bytes:
    kind = draw(st.one_of(st.sampled_from([0, 1, 1, 1, 3, 8, 9]), st.integers(0, 255)))
    flags = draw(st.one_of(st.sampled_from([0, 1, 4, 5, 8, 0xD, 0x25]), st.integers(0, 255)))
    stream = draw(STREAMS)
    if kind in {1, 9}:
        payload = draw(BLOCKS)
    elif kind in {2, 3, 6, 8}:
        payload = draw(st.binary(min_size=4, max_size=8))
    else:
        payload = draw(st.binary(max_size=100))
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


async def _talk(pieces: list[bytes]) -> None:
    asked = 0

    async def handler(exchange: Exchange) -> Response:
        nonlocal asked
        asked += 1
        body = exchange.body
        if body is not None:
            async for _ in body:
                await asyncio.sleep(0)
        return Response(200, Headers([]), b"ok")

    intake = Intake(SystemClock(), "p")
    state = FrontState(handler, intake, FrontLimits())
    state.date = b"now"
    connection = Http2Connection(Http2Shared(state, 8), "192.0.2.1", intake)
    transport = Transport()
    connection.connection_made(transport)
    opened = sum(piece[3:4] == b"\x01" for piece in pieces)
    connection.data_received(PREFACE + b"\0\0\0\4\0\0\0\0\0")
    for piece in pieces:
        connection.data_received(piece)
        await asyncio.sleep(0)
    connection.connection_lost(None)
    for _ in range(5):
        await asyncio.sleep(0)
    assert asked <= opened
    assert state.unhandled == 0
    assert not state.connections
    assert len(asyncio.all_tasks()) == 1


@given(st.lists(_frames(), max_size=12))
def test_frames_in_any_order(pieces: list[bytes]) -> None:
    """Whole frames, right and wrong; all that was begun ends with the connection."""
    asyncio.run(_talk(pieces))


@given(st.binary(max_size=300), st.integers(1, 40))
def test_bytes_of_any_kind(data: bytes, size: int) -> None:
    """Not even frames."""
    asyncio.run(_talk([data[at : at + size] for at in range(0, len(data), size)]))
