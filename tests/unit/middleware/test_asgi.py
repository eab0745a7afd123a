"""The middleware as an ASGI app: what passes, and what is answered."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lukhas.config.settings import Settings
from lukhas.errors import ConfigError
from lukhas.http.headers import Headers
from lukhas.http.messages import Pushed, Response
from lukhas.middleware.asgi import OptimizerMiddleware
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.pipeline import Pipeline
from lukhas.pipeline.stage import Handler
from tests.unit.middleware.kit import HandClock, Wire, call, http_scope, make_pipeline, optimized
from tests.unit.middleware.stages import Closing, Tap, body, fails, hello, over, start


async def test_a_response_passes_with_the_added_fields() -> None:
    """Status, fields and body stay; the pipeline's fields follow, names in lower case."""
    wire = await call(optimized(hello, free="5/minute"))
    assert wire.kinds == ["start", "body"]
    names = [name for name, _ in wire.headers]
    assert names[:3] == [b"content-type", b"x-two", b"x-two"]
    assert {b"x-request-id", b"ratelimit", b"ratelimit-policy"} <= set(names)
    assert wire.body == b"hello"


async def test_the_start_is_not_held_back() -> None:
    """The head goes out as soon as the app sends it."""
    wire = Wire()
    kinds: list[list[str]] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send(start())
        kinds.append(wire.kinds)
        await send(body(b"x"))

    await optimized(app)(http_scope(), wire.receive, wire.send)
    assert kinds == [["start"]]


async def test_a_refused_request_does_not_reach_the_app() -> None:
    """The app is not called for what is refused."""
    calls: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        calls.append(scope)
        await hello(scope, receive, send)

    middleware = optimized(app, free="1/minute")
    assert [(await call(middleware)).status for _ in range(2)] == [200, 429]
    assert len(calls) == 1


async def test_taps_see_every_piece_and_change_it() -> None:
    """Each piece passes through the taps; the last closes the response."""
    around = Closing()

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send(start())
        await send(body(b"a", more=True))
        await send(body(memoryview(b"b")))  # type: ignore[arg-type]

    wire = await call(over(app, around))
    assert wire.body == b"AB"
    assert around.tap.seen == [(b"a", False), (b"b", True)]
    assert (around.tap.aborted, around.closed) == (0, 1)


async def test_a_piece_that_a_tap_keeps_is_not_sent_empty() -> None:
    """A tap that gives nothing yet leads to no empty message in the middle."""

    class Keeping(Tap):
        def feed(self, chunk: bytes, *, last: bool) -> bytes:
            self.seen.append((chunk, last))
            return b"".join(piece for piece, _ in self.seen) if last else b""

    around = Closing()
    around.tap = Keeping()

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send(start())
        await send(body(b"a", more=True))
        await send(body(b"b"))

    wire = await call(over(app, around))
    assert (wire.kinds, wire.body) == (["start", "body"], b"ab")


async def test_a_stage_may_answer_in_place_of_the_app() -> None:
    """What a stage gives instead goes out whole; the app's own body is swallowed."""

    async def around(exchange: Exchange, call_next: Handler) -> Response:
        await call_next(exchange)
        return Response(304, Headers([(b"etag", b'"1"')]))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await hello(scope, receive, send)
        await send({"type": "http.response.trailers", "headers": []})

    wire = await call(over(app, around))
    assert (wire.kinds, wire.status, wire.body) == (["start", "body"], 304, b"")


async def test_a_stage_that_waits_after_the_app_holds_only_its_own_response() -> None:
    """The after-part of a stage may wait for the loop, in whatever task the app sends from."""

    async def around(exchange: Exchange, call_next: Handler) -> Response:
        await asyncio.sleep(0)
        response = await call_next(exchange)
        await asyncio.sleep(0)
        return response

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.create_task(hello(scope, receive, send))

    wire = await call(over(app, around))
    assert (wire.status, wire.body) == (200, b"hello")


async def test_a_stage_may_ask_the_app_twice() -> None:
    """An answer of no use is swallowed, and the app called again with the new head."""
    heads: list[Any] = []

    async def around(exchange: Exchange, call_next: Handler) -> Response:
        head = exchange.head
        changed = Headers([*head.headers.raw, (b"if-none-match", b'"1"')])
        exchange.head = type(head)("GET", "http", b"test", b"/", b"", changed)
        first = await call_next(exchange)
        assert first.status == 304
        exchange.head = head
        return await call_next(exchange)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        heads.append(dict(scope["headers"]).get(b"if-none-match"))
        message = await receive()
        assert message == {"type": "http.request", "body": b"", "more_body": False}
        if heads[-1]:
            await send(start(304))
            await send(body(b""))
        else:
            await hello(scope, receive, send)

    wire = await call(over(app, around))
    assert heads == [b'"1"', None]
    assert (wire.kinds, wire.body) == (["start", "body"], b"hello")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_stage_may_answer_with_pieces(method: str) -> None:
    """An iterator goes out piece by piece, and is closed; HEAD gets none of it."""
    around = Closing()
    closed: list[bool] = []

    async def pieces() -> AsyncIterator[bytes]:
        try:
            yield b"a"
            yield b"b"
        finally:
            closed.append(True)

    async def answers(_exchange: Exchange, _call_next: Handler) -> Response:
        return Response(200, Headers([]), pieces(), taps=[around.tap], on_close=around.on_close)

    wire = await call(over(fails, answers), http_scope(method=method))
    if method == "GET":
        assert wire.body == b"AB"
        assert around.tap.seen == [(b"a", False), (b"b", False), (b"", True)]
        assert closed == [True]
    else:
        assert (wire.body, around.tap.aborted) == (b"", 1)
    assert not wire.sent[-1].get("more_body", False)
    assert around.closed == 1


async def test_head_gets_the_fields_without_the_body() -> None:
    """A stored body is not sent in answer to HEAD; its length is (RFC 9110 section 9.3.2)."""
    tap = Tap()

    async def answers(_exchange: Exchange, _call_next: Handler) -> Response:
        return Response(200, Headers([(b"content-length", b"3")]), b"abc", taps=[tap])

    wire = await call(over(fails, answers), http_scope(method="HEAD"))
    assert (b"content-length", b"3") in wire.headers
    assert (wire.body, tap.aborted) == (b"", 1)
    got = await call(over(fails, answers))
    assert got.body == b"ABC"


@pytest.mark.parametrize("kind", ["pathsend", "zerocopysend"])
async def test_bodies_sent_by_the_server_pass_untouched(kind: str) -> None:
    """A file that the server reads itself passes; taps are told that they will not see it."""
    around = Closing()
    last = {"type": f"http.response.{kind}", "path": "/file"}

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send(start())
        if kind == "zerocopysend":
            await send({**last, "more_body": True})
        await send(last)

    wire = await call(over(app, around))
    assert set(wire.kinds[1:]) == {kind}
    assert wire.sent[-1]["path"] == "/file"
    assert (around.tap.aborted, around.closed) == (1, 1)


async def test_trailers_and_early_hints_pass() -> None:
    """Messages of extensions pass in their place."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.early_hint", "links": []})
        await send({**start(), "trailers": True})
        await send(body(b"x"))
        await send({"type": "http.response.trailers", "headers": [], "more_trailers": False})

    wire = await call(optimized(app))
    assert wire.kinds == ["early_hint", "start", "body", "trailers"]
    assert wire.sent[1]["trailers"] is True


@pytest.mark.parametrize(
    "headers",
    [
        [(b"host", b"bad host")],
        [(b"host", b"a"), (b"host", b"b")],
        [(b"host", b"")],
    ],
)
async def test_an_invalid_host_is_refused(headers: Any) -> None:
    """RFC 9112 section 3.2: a request with an invalid Host, or two, is answered with 400."""
    wire = await call(optimized(fails), http_scope(headers=headers))
    assert wire.status == 400
    assert b"invalid-host" in wire.body


async def test_a_request_without_host_or_client_passes() -> None:
    """HTTP/1.0 has no Host, and a Unix socket no address."""
    scope = http_scope(headers=(), client=None)
    assert (await call(optimized(hello, free="1/minute"), scope)).status == 200


def test_settings_and_a_pipeline_exclude_each_other() -> None:
    """A pipeline has settings of its own."""
    with pytest.raises(ConfigError, match="both"):
        OptimizerMiddleware(hello, settings=Settings(), pipeline=make_pipeline(HandClock()))


async def test_a_bare_pipeline_works_without_routes() -> None:
    """A pipeline of no stages only adds the request id."""

    def contained(_stage: str, _error: Exception) -> None: ...

    wire = await call(OptimizerMiddleware(hello, pipeline=Pipeline((), contained)))
    assert [name for name, _ in wire.headers].count(b"x-request-id") == 1


async def test_a_second_body_is_read_from_the_server() -> None:
    """Called again, the app gets an empty body first, and then what the server says."""
    messages: list[Any] = []

    async def around(exchange: Exchange, call_next: Handler) -> Response:
        await call_next(exchange)
        return await call_next(exchange)

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        messages.extend([(await receive())["type"], (await receive())["type"]])
        await hello(scope, receive, send)

    wire = Wire()
    await over(app, around)(http_scope(), receive, wire.send)
    assert messages == ["http.disconnect"] * 2 + ["http.request", "http.disconnect"]
    assert wire.body == b"hello"


async def test_an_answer_that_only_an_app_could_push_is_a_mistake() -> None:
    """A stage cannot promise a body that nobody will send."""

    async def answers(_exchange: Exchange, _call_next: Handler) -> Response:
        return Response(200, Headers([]), Pushed())

    with pytest.raises(TypeError, match="push"):
        await call(over(hello, answers))


async def test_pieces_without_taps_or_close() -> None:
    """Any iterator will do, and what taps add at the end goes out."""

    class Pieces:
        def __init__(self) -> None:
            self.left = [b"a", b""]

        def __aiter__(self) -> "Pieces":
            return self

        async def __anext__(self) -> bytes:
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop(0)

    class Ending(Tap):
        def feed(self, chunk: bytes, *, last: bool) -> bytes:
            return chunk + b"." if last else chunk

    async def answers(_exchange: Exchange, _call_next: Handler) -> Response:
        return Response(200, Headers([]), Pieces(), taps=[Ending()])

    wire = await call(over(fails, answers))
    assert (wire.body, wire.kinds) == (b"a.", ["start", "body", "body", "body"])


async def test_requests_at_once_start_one_hub(tmp_path: Path) -> None:
    """However many requests come first, there is one set of counters."""
    settings = Settings(state_dir=tmp_path, tiers={"free": "3/minute"})
    middleware = OptimizerMiddleware(hello, settings=settings)
    wires = await asyncio.gather(*(call(middleware) for _ in range(5)))
    assert sorted(wire.status for wire in wires) == [200, 200, 200, 429, 429]
