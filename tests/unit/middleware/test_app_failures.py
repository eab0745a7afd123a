"""What happens when the app fails, stops halfway, or its client goes away."""

import asyncio
import traceback
from typing import Any

import pytest

from lukhas.errors import HandlerError
from lukhas.http.headers import Headers
from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stage import Handler
from tests.unit.middleware.kit import Wire, call, http_scope, optimized
from tests.unit.middleware.stages import Closing, Inner, Tap, body, fails, hello, over, start


async def test_a_tap_that_fails_frees_the_response() -> None:
    """The error of a tap reaches the app, and all taps are told."""
    around = Closing()

    class Failing(Tap):
        def feed(self, chunk: bytes, *, last: bool) -> bytes:
            raise ValueError(f"{chunk!r} {last}")

    around.tap = Failing()
    with pytest.raises(ValueError, match="hello"):
        await call(over(hello, around))
    assert (around.tap.aborted, around.closed) == (1, 1)


async def test_an_error_of_the_app_goes_on_unchanged() -> None:
    """The very exception comes out, with nothing of the pipeline in its traceback."""
    with pytest.raises(LookupError, match="the app's own") as caught:
        await call(optimized(fails))
    frames = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert frames[-2:] == ["_call_app", "fails"]
    assert caught.value.__cause__ is None


async def test_a_stage_may_answer_for_an_app_that_failed() -> None:
    """Before the app has sent a head, a stage may have another answer; it sees the cause."""
    causes: list[BaseException] = []

    async def around(exchange: Exchange, call_next: Handler) -> Response:
        try:
            return await call_next(exchange)
        except HandlerError as error:
            causes.append(error.cause)
            await asyncio.sleep(0)
            return Response(200, Headers([]), b"stale")

    wire = await call(over(fails, around))
    assert (wire.status, wire.body) == (200, b"stale")
    assert isinstance(causes[0], LookupError)


async def test_an_app_that_fails_after_its_head_frees_the_response() -> None:
    """After the head the error goes on, the taps are told, and the response is closed once."""
    around = Closing()

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send(start())
        await send(body(b"a", more=True))
        raise LookupError("late")

    with pytest.raises(LookupError, match="late"):
        await call(over(app, around))
    assert (around.tap.aborted, around.closed) == (1, 1)


async def test_an_app_that_fails_after_its_body_closes_nothing_twice() -> None:
    """A failure after the whole response, as of a background task, only goes on."""
    around = Closing()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await hello(scope, receive, send)
        raise LookupError("background")

    with pytest.raises(LookupError, match="background"):
        await call(over(app, around))
    assert (around.tap.aborted, around.closed) == (0, 1)


async def test_a_client_that_goes_away_frees_the_response() -> None:
    """When the server's send fails, the response is given up."""
    around = Closing()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            raise OSError("gone")

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send(start())
        await send(body(b"a", more=True))

    with pytest.raises(OSError, match="gone"):
        await over(app, around)(http_scope(), Wire().receive, send)
    assert (around.tap.aborted, around.closed) == (1, 1)


async def test_cancellation_frees_the_response_and_ends_the_run() -> None:
    """A cancelled request leaves nothing open: not the taps, not the stages."""
    around = Closing()
    left: list[str] = []
    reached = asyncio.Event()

    async def outer(exchange: Exchange, call_next: Handler) -> Response:
        try:
            return await call_next(exchange)
        finally:
            left.append("outer")

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        if scope["path"] == "/started":
            await send(start())
            await send(body(b"a", more=True))
        reached.set()
        await asyncio.Event().wait()

    for path, aborted in (("/started", 1), ("/silent", 1)):
        middleware = optimized(app, extra=(Inner(outer),), inner=(Inner(around),))
        task = asyncio.create_task(middleware(http_scope(path), Wire().receive, Wire().send))
        await reached.wait()
        reached.clear()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert around.tap.aborted == aborted
    assert left == ["outer", "outer"]
    assert around.closed == 1


async def test_cancellation_while_a_stage_waits_frees_the_response() -> None:
    """A request cancelled in a stage's after-part gives up the app's response."""
    tap = Tap()
    waiting = asyncio.Event()

    async def around(exchange: Exchange, call_next: Handler) -> Response:
        response = await call_next(exchange)
        response.taps = [tap]
        waiting.set()
        await asyncio.Event().wait()
        return response

    task = asyncio.create_task(call(over(hello, around)))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert tap.aborted == 1


async def test_an_app_without_a_response_fails_the_run() -> None:
    """An app that returns without a head sends nothing, unless a stage has an answer."""
    left: list[BaseException] = []

    async def around(exchange: Exchange, call_next: Handler) -> Response:
        try:
            return await call_next(exchange)
        except HandlerError as error:
            left.append(error.cause)
            raise

    async def app(*_: Any) -> None:
        return

    wire = await call(over(app, around))
    assert wire.sent == []
    assert isinstance(left[0], RuntimeError)


async def test_an_app_that_stops_halfway_frees_the_response() -> None:
    """A body that never ends leaves nothing open."""
    around = Closing()

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send(start())
        await send(body(b"a", more=True))

    await call(over(app, around))
    assert (around.tap.aborted, around.closed) == (1, 1)


async def test_a_stage_that_asks_again_for_an_app_that_failed_gets_nothing() -> None:
    """The app is not called again after an error; the error goes on."""

    async def around(exchange: Exchange, call_next: Handler) -> Response:
        try:
            return await call_next(exchange)
        except HandlerError:
            return await call_next(exchange)

    with pytest.raises(LookupError):
        await call(over(fails, around))


async def test_a_client_that_goes_away_before_a_file_frees_the_response() -> None:
    """A file that cannot be sent closes the response all the same."""
    around = Closing()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.pathsend":
            raise OSError("gone")

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send(start())
        await send({"type": "http.response.pathsend", "path": "/file"})

    with pytest.raises(OSError, match="gone"):
        await over(app, around)(http_scope(), Wire().receive, send)
    assert around.closed == 1
