"""The short way around an app: nothing tells it from the long one."""

import asyncio
from typing import Any

import pytest

from lukhas.http.messages import Response
from lukhas.middleware.asgi import OptimizerMiddleware
from lukhas.middleware.marks import EXCHANGE_KEY
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stage import Handler
from lukhas.pipeline.stages.observe import ObserveStage
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.caching.purges import Purge
from lukhas.policy.routing.routes import RouteRule
from lukhas.storage.memory_entries import MemoryEntryStore
from lukhas.telemetry.recorder import Recorder
from tests.unit.middleware.apps import APPS, Changing
from tests.unit.middleware.kit import HandClock, Wire, call, http_scope, make_pipeline
from tests.unit.middleware.stages import Inner


async def _passed_on(exchange: Exchange, call_next: Handler) -> Response:
    return await call_next(exchange)


def _known(message: dict[str, Any]) -> dict[str, Any]:
    """A message without the id of its request."""
    if b"urn:lukhas:request:" in message.get("body", b""):
        return {**message, "body": b"a problem"}
    headers = [pair for pair in message.get("headers", ()) if pair[0] != b"x-request-id"]
    return {**message, "headers": headers}


async def _told(app: Any, path: str, *, short: bool, free: str = "2/minute", count: int = 3) -> Any:
    """Everything that can be seen from outside of some requests, and what was recorded."""
    clock = HandClock()
    recorder = Recorder()
    pipeline = make_pipeline(
        clock,
        free=free,
        rules=[RouteRule("cached", "/cached", CachePolicy())],
        extra=[ObserveStage(recorder, clock)],
        inner=[] if short else [Inner(_passed_on)],
    )
    middleware = OptimizerMiddleware(app, pipeline=pipeline, clock=clock)
    seen: list[Any] = []
    for number in range(count):
        wire = Wire()
        scope = http_scope(path)
        try:
            await middleware(scope, wire.receive, wire.send)
        except (LookupError, asyncio.CancelledError) as error:
            seen.append(repr(error))
        seen.append([_known(message) for message in wire.sent])
        exchange = scope.get(EXCHANGE_KEY)
        # From the fourth on there may be none.
        if exchange is not None and number < 3:
            seen.append([reasoned.verdict() for reasoned in exchange.verdicts])
            seen.append(exchange.cache_result)
        seen.append(recorder.in_flight)
    told = recorder.drain()
    counts = (told.requests, told.refusals, told.limited, told.near, told.bytes_out, told.aborted)
    return seen, counts, sorted(told.latencies)


@pytest.mark.parametrize("path", ["/plain", "/cached"])
@pytest.mark.parametrize("name", sorted(APPS))
async def test_the_short_way_shows_what_the_long_one_does(name: str, path: str) -> None:
    """Messages, errors, verdicts and what is recorded are those of the onion, for any app."""
    short = await _told(APPS[name], path, short=True)
    assert short == await _told(APPS[name], path, short=False)


@pytest.mark.parametrize("name", sorted(APPS))
async def test_an_answer_unlike_the_last_goes_the_same_way(name: str) -> None:
    """A request that nobody waits for, as the last answer was not stored, gets any other."""
    short = await _told(Changing(APPS["one piece"], APPS[name]), "/cached", short=True)
    assert short == await _told(Changing(APPS["one piece"], APPS[name]), "/cached", short=False)


class _Noting:
    """Notes which requests came to an app without an exchange."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.passed: list[bool] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.passed.append(scope[EXCHANGE_KEY] is None)
        await self._app(scope, receive, send)


@pytest.mark.parametrize("path", ["/plain", "/cached"])
@pytest.mark.parametrize("free", ["", "100/minute", "9/minute; 90/hour"])
@pytest.mark.parametrize("name", sorted(APPS))
async def test_a_known_request_gets_any_answer_the_same_way(
    name: str, free: str, path: str
) -> None:
    """The first three are learnt from; the fourth gets another answer, and there are more."""
    usual, other = APPS["names in lower case"], APPS[name]
    told: list[Any] = []
    passed: list[list[bool]] = []
    for short in (True, False):
        app = _Noting(Changing(*[usual] * 3, other, other, *[usual] * 3, other, usual))
        told.append(await _told(app, path, short=short, free=free, count=12))
        passed.append(app.passed)
    assert told[0] == told[1]
    assert passed[0][:4] == [False, False, False, True]
    assert not any(passed[1])


@pytest.mark.parametrize("path", ["/plain", "/cached"])
@pytest.mark.parametrize("name", sorted(APPS))
async def test_an_app_that_always_does_the_same_is_known_for_it(name: str, path: str) -> None:
    """Or not: either way it looks the same."""
    told = [
        await _told(APPS[name], path, short=short, free="100/minute", count=7)
        for short in (True, False)
    ]
    assert told[0] == told[1]


async def test_what_becomes_storable_is_stored() -> None:
    """The answer after one that could not be stored is, and serves the next request."""
    calls: list[str] = []

    class Counting(Changing):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            calls.append(scope["path"])
            await super().__call__(scope, receive, send)

    await _told(Counting(APPS["one piece"], APPS["to be stored"]), "/cached", short=True)
    assert len(calls) == 2


@pytest.mark.parametrize(("purged_at", "calls"), [(2, 5), (3, 6), (4, 6)])
async def test_what_becomes_storable_is_stored_by_a_known_request(
    purged_at: int, calls: int
) -> None:
    """Unless it may be what was purged: not if all was purged before the last ones were let pass.

    The fifth request gets the first answer that can be stored. Where there was a purge since the
    third, by which it is known how the next ones pass, the answer to the sixth is stored instead.
    """
    usual, storable = APPS["names in lower case"], APPS["to be stored"]
    clock, entries = HandClock(), MemoryEntryStore(1 << 20)
    app = _Noting(Changing(*[usual] * 4, storable))
    pipeline = make_pipeline(
        clock,
        rules=[RouteRule("cached", "/cached", CachePolicy())],
        extra=[ObserveStage(Recorder(), clock)],
        entries=entries,
    )
    middleware = OptimizerMiddleware(app, pipeline=pipeline, clock=clock)
    for number in range(8):
        await call(middleware, http_scope("/cached"))
        if number + 1 == purged_at:
            entries.purge(Purge())
    assert app.passed[3:5] == [True, True]
    assert len(app.passed) == calls


async def test_a_body_in_one_piece_ends_when_it_is_handed_to_the_server() -> None:
    """A slow client counts for a body in several pieces, and not for one that is there."""
    clock = HandClock()
    recorder = Recorder()
    pipeline = make_pipeline(clock, extra=[ObserveStage(recorder, clock)])
    took_s: list[int] = []

    async def slowly(_message: Any) -> None:
        clock.ns += 10**9

    for name in ("one piece", "two pieces"):
        middleware = OptimizerMiddleware(APPS[name], pipeline=pipeline, clock=clock)
        await middleware(http_scope(), Wire().receive, slowly)
        took_ns = recorder.drain().latency().quantile_ns(0.5)
        took_s.append(round((took_ns or 0) / 10**9))
    assert took_s == [1, 3]


@pytest.mark.parametrize(("name", "took_s"), [("another value", 1), ("lower, two pieces", 3)])
async def test_a_known_request_ends_when_any_other_would(name: str, took_s: int) -> None:
    """A slow client counts for it too, for a body in several pieces."""
    clock = HandClock()
    recorder = Recorder()
    pipeline = make_pipeline(clock, extra=[ObserveStage(recorder, clock)])
    app = _Noting(Changing(*[APPS["names in lower case"]] * 3, APPS[name]))
    middleware = OptimizerMiddleware(app, pipeline=pipeline, clock=clock)
    for _ in range(3):
        await call(middleware)
    recorder.drain()

    async def slowly(_message: Any) -> None:
        clock.ns += 10**9

    await middleware(http_scope(), Wire().receive, slowly)
    assert app.passed[3]
    took_ns = recorder.drain().latency().quantile_ns(0.5)
    assert round((took_ns or 0) / 10**9) == took_s
