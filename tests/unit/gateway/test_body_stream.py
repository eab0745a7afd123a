"""Bodies on their way through."""

import asyncio
import gc
import weakref

import pytest

from lukhas.errors import BodyAbortedError, UpstreamProtocolError
from lukhas.gateway.body_stream import BodyStream


class Watched(BodyStream):
    """A stream that can be watched."""

    __slots__ = ("__weakref__",)


def stream() -> Watched:
    return Watched(asyncio.get_running_loop(), pause=lambda: None, resume=lambda: None)


async def read(body: BodyStream) -> bytes:
    return b"".join([piece async for piece in body])


async def test_a_body_that_breaks_off_gives_what_came_then_the_error() -> None:
    """And an error again to whoever asks again: never an end that looks clean."""
    body = stream()
    body.feed(b"part")
    body.abort(UpstreamProtocolError("x", "gone", sent=True))
    assert await anext(body) == b"part"
    with pytest.raises(UpstreamProtocolError, match="gone"):
        await anext(body)
    for _ in range(2):
        with pytest.raises(BodyAbortedError):
            await anext(body)


async def test_a_body_that_broke_off_waits_for_no_garbage_collector() -> None:
    """Its error holds the frames that read it; the stream must not hold the error in turn."""
    body = stream()
    body.abort(UpstreamProtocolError("x", "gone", sent=True))
    gone = weakref.ref(body)
    gc.disable()
    try:
        with pytest.raises(UpstreamProtocolError):
            await read(body)
        del body
        assert gone() is None
    finally:
        gc.enable()
