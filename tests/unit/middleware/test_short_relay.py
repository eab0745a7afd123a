"""The short way around an app: nothing tells it from the long one."""

import asyncio
from typing import Any

import pytest

from lukhas.http.messages import Response
from lukhas.middleware.asgi import OptimizerMiddleware
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stage import Handler
from lukhas.pipeline.stages.observe import ObserveStage
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.routing.routes import RouteRule
from lukhas.telemetry.recorder import Recorder
from tests.unit.middleware.kit import HandClock, Wire, http_scope, make_pipeline
from tests.unit.middleware.stages import Inner, body, start

_LENGTH = (b"Content-Length", b"2")


class App:
    """Sends what it is told, and then raises, or not."""

    def __init__(self, *messages: dict[str, Any], error: BaseException | None = None) -> None:
        self._messages = messages
        self._error = error

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        for message in self._messages:
            await send(message)
        if self._error is not None:
            raise self._error


def _file(kind: str, *, more: bool = False) -> dict[str, Any]:
    return {"type": f"http.response.{kind}", "path": "/f", "more_body": more}


_HINT = {"type": "http.response.early_hint", "links": []}
_TRAILERS = {"type": "http.response.trailers", "headers": []}
_APPS = {
    "one piece": App(start(200, _LENGTH, (b"X", b"1")), body(b"ab")),
    "two pieces": App(start(200, _LENGTH), body(b"a", more=True), body(b"b")),
    "fields of one name": App(start(200, _LENGTH, (b"x", b"1"), (b"x", b"2")), body(b"ab")),
    "two lengths": App(start(200, _LENGTH, (b"content-length", b"7")), body(b"ab")),
    "no length": App(start(200), body(b"a", more=True), body(b"b")),
    "no fields": App({"type": "http.response.start", "status": 204}, body(b"")),
    "a length that is none": App(start(200, (b"content-length", b"x")), body(b"ab")),
    "fields in a tuple": App({**start(), "headers": (_LENGTH,)}, body(b"ab")),
    "an error": App(start(500, _LENGTH), body(b"ab")),
    "hint and trailers": App(
        _HINT, {**start(200, _LENGTH), "trailers": True}, body(b"ab"), _TRAILERS
    ),
    "trailers halfway": App(start(200, _LENGTH), body(b"a", more=True), _TRAILERS, body(b"b")),
    "a file": App(start(200, _LENGTH), _file("pathsend")),
    "a file in two pieces": App(
        start(200, _LENGTH), _file("zerocopysend", more=True), _file("zerocopysend")
    ),
    "a file of unknown length": App(start(200), _file("pathsend")),
    "a file before its head": App(_file("pathsend")),
    "to be stored": App(start(200, _LENGTH, (b"cache-control", b"max-age=60")), body(b"ab")),
    "to be confirmed": App(start(200, _LENGTH, (b"etag", b'"1"')), body(b"ab")),
    "nothing": App(),
    "a body alone": App(body(b"ab")),
    "half": App(start(200, _LENGTH), body(b"a", more=True)),
    "half of unknown length": App(start(200), body(b"a", more=True)),
    "a head alone": App(start(200, _LENGTH)),
    "a failure": App(error=LookupError("own")),
    "a failure after the head": App(start(200, _LENGTH), error=LookupError("own")),
    "a failure of unknown length": App(start(200), error=LookupError("own")),
    "a failure after all": App(start(200, _LENGTH), body(b"ab"), error=LookupError("own")),
    "cancelled": App(error=asyncio.CancelledError()),
    "cancelled after the head": App(start(200, _LENGTH), error=asyncio.CancelledError()),
    "cancelled after all": App(start(200, _LENGTH), body(b"ab"), error=asyncio.CancelledError()),
    "cancelled of unknown length": App(start(200), error=asyncio.CancelledError()),
}


class Changing:
    """Answers like one app at first, and then like another."""

    def __init__(self, *apps: App) -> None:
        self._apps = list(apps)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        app = self._apps[0] if len(self._apps) == 1 else self._apps.pop(0)
        await app(scope, receive, send)


async def _passed_on(exchange: Exchange, call_next: Handler) -> Response:
    return await call_next(exchange)


def _known(message: dict[str, Any]) -> dict[str, Any]:
    """A message without the id of its request."""
    if b"urn:lukhas:request:" in message.get("body", b""):
        return {**message, "body": b"a problem"}
    headers = [pair for pair in message.get("headers", ()) if pair[0] != b"x-request-id"]
    return {**message, "headers": headers}


async def _told(app: Any, path: str, *, short: bool, clock: HandClock | None = None) -> Any:
    """Everything that can be seen from outside of three requests, and what was recorded."""
    clock = clock or HandClock()
    recorder = Recorder()
    pipeline = make_pipeline(
        clock,
        free="2/minute",
        rules=[RouteRule("cached", "/cached", CachePolicy())],
        extra=[ObserveStage(recorder, clock)],
        inner=[] if short else [Inner(_passed_on)],
    )
    middleware = OptimizerMiddleware(app, pipeline=pipeline, clock=clock)
    seen: list[Any] = []
    for _ in range(3):
        wire = Wire()
        scope = http_scope(path)
        try:
            await middleware(scope, wire.receive, wire.send)
        except (LookupError, asyncio.CancelledError) as error:
            seen.append(repr(error))
        seen.append([_known(message) for message in wire.sent])
        exchange = scope.get("lukhas.exchange")
        if exchange is not None:
            seen.append([reasoned.verdict() for reasoned in exchange.verdicts])
            seen.append(exchange.cache_result)
        seen.append(recorder.in_flight)
    told = recorder.drain()
    counts = (told.requests, told.refusals, told.limited, told.bytes_out, told.aborted)
    return seen, counts, sorted(told.latencies)


@pytest.mark.parametrize("path", ["/plain", "/cached"])
@pytest.mark.parametrize("name", sorted(_APPS))
async def test_the_short_way_shows_what_the_long_one_does(name: str, path: str) -> None:
    """Messages, errors, verdicts and what is recorded are those of the onion, for any app."""
    short = await _told(_APPS[name], path, short=True)
    assert short == await _told(_APPS[name], path, short=False)


@pytest.mark.parametrize("name", sorted(_APPS))
async def test_an_answer_unlike_the_last_goes_the_same_way(name: str) -> None:
    """A request that nobody waits for, as the last answer was not stored, gets any other."""
    short = await _told(Changing(_APPS["one piece"], _APPS[name]), "/cached", short=True)
    assert short == await _told(Changing(_APPS["one piece"], _APPS[name]), "/cached", short=False)


async def test_what_becomes_storable_is_stored() -> None:
    """The answer after one that could not be stored is, and serves the next request."""
    calls: list[str] = []

    class Counting(Changing):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            calls.append(scope["path"])
            await super().__call__(scope, receive, send)

    await _told(Counting(_APPS["one piece"], _APPS["to be stored"]), "/cached", short=True)
    assert len(calls) == 2


async def test_a_body_in_one_piece_ends_when_it_is_handed_to_the_server() -> None:
    """A slow client counts for a body in several pieces, and not for one that is there."""
    clock = HandClock()
    recorder = Recorder()
    pipeline = make_pipeline(clock, extra=[ObserveStage(recorder, clock)])
    took_s: list[int] = []

    async def slowly(_message: Any) -> None:
        clock.ns += 10**9

    for name in ("one piece", "two pieces"):
        middleware = OptimizerMiddleware(_APPS[name], pipeline=pipeline, clock=clock)
        await middleware(http_scope(), Wire().receive, slowly)
        took_ns = recorder.drain().latency().quantile_ns(0.5)
        took_s.append(round((took_ns or 0) / 10**9))
    assert took_s == [1, 3]
