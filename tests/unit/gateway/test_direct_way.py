"""The direct way: no onion for a whole answer that nobody wants, and the onion for the rest."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from lukhas.errors import HandlerError, UpstreamProtocolError, UpstreamTimeoutError
from lukhas.gateway.direct_way import DirectWay
from lukhas.gateway.faults import FaultStage
from lukhas.http.headers import HeaderPairs, Headers
from lukhas.http.messages import Response
from lukhas.pipeline.driving import DirectFuture, Waiting, complete, start
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.pipeline import Pipeline, discard
from lukhas.pipeline.stage import Backstop, Handler
from lukhas.pipeline.stages.cache import CacheStage
from lukhas.pipeline.stages.observe import CLIENT_GONE, ObserveStage
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.modes import FailureMode, Mode
from lukhas.policy.routing.routes import RouteMatch, RouteRule
from lukhas.storage.memory_entries import MemoryEntryStore
from lukhas.telemetry.recorder import Recorder
from tests.unit.pipeline.kit import NOW_NS, known

_STORABLE = [(b"cache-control", b"public, max-age=60")]


class Clock:
    def now_ns(self) -> int:
        return NOW_NS


class Onion(Backstop):
    """Counts how often it is passed, and may do something before or after a failure."""

    name = "onion"
    on_failure = FailureMode.OPEN

    def __init__(self, *, waits: bool = False, tries: int = 1) -> None:
        self.passed = 0
        self._waits = waits
        self._tries = tries

    async def __call__(self, exchange: Exchange, call_next: Handler) -> Response:
        self.passed += 1
        if self._waits:
            await asyncio.sleep(0)
        for _ in range(self._tries - 1):
            try:
                return await call_next(exchange)
            except HandlerError:
                continue
        return await call_next(exchange)


class Seen:
    """A direct way around answers that are given one by one, and what was told of it."""

    def __init__(self, *answers: Response | BaseException, onion: Onion | None = None) -> None:
        self.answers = list(answers)
        self.forwarded = 0
        self.recorder = Recorder()
        self.onion = onion or Onion()
        observe = ObserveStage(self.recorder, Clock())
        cache = CacheStage(MemoryEntryStore(1 << 20), Clock())
        stages = (observe, FaultStage(), self.onion, cache)
        self.way = DirectWay(Pipeline(stages, lambda *_failed: None), self._forward)

    async def _forward(self, _exchange: Exchange) -> Response:
        self.forwarded += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Response):
            return answer
        raise answer

    async def ask(self, exchange: Exchange | None = None) -> Response:
        taken = self.way.take(uncached() if exchange is None else exchange)
        if isinstance(taken, Response):
            return taken
        step = await complete(taken)
        assert isinstance(step, Response)
        return step

    def samples(self) -> list[tuple[int, int]]:
        """Status and size of each body that was counted; nothing may be under way."""
        assert self.recorder.in_flight == 0
        samples = [(sample[0][2], sample[1]) for sample in self.recorder._samples]
        self.recorder._samples.clear()
        return samples


def uncached() -> Exchange:
    exchange = known()
    policy = CachePolicy(mode=Mode.OFF)
    exchange.route = RouteMatch(RouteRule("default", "*", policy))
    return exchange


def answer(status: int = 200, fields: HeaderPairs | None = None) -> Response:
    return Response(status, Headers(fields or []), b"ab")


async def test_a_whole_answer_meets_no_onion() -> None:
    """It is counted all the same."""
    seen = Seen(answer(), answer(404))
    assert (await seen.ask()).body == b"ab"
    assert (await seen.ask()).status == 404
    assert seen.samples() == [(200, 2), (404, 2)]
    assert (seen.forwarded, seen.onion.passed) == (2, 0)


async def test_a_failure_is_answered_by_the_onion() -> None:
    """As if it had been around the forwarding all the time."""
    seen = Seen(UpstreamProtocolError("a", "broke off", sent=True))
    exchange = uncached()
    assert (await seen.ask(exchange)).status == 502
    assert [verdict.verdict().reason for verdict in exchange.verdicts][-1] == "broke off"
    assert len(seen.samples()) == 1
    assert (seen.forwarded, seen.onion.passed) == (1, 1)


async def test_what_no_stage_answers_is_raised() -> None:
    """As a failure of the handler."""
    seen = Seen(OSError("gone"))
    with pytest.raises(HandlerError) as raised:
        await seen.ask()
    assert isinstance(raised.value.cause, OSError)
    assert seen.samples() == [(500, 0)]


@pytest.mark.parametrize("closes", [True, False])
async def test_a_request_that_is_given_up_is_counted(closes: bool) -> None:
    """Whether the run is cancelled or closed."""
    seen = Seen()
    future = DirectFuture(loop=asyncio.get_running_loop())

    async def waits(_exchange: Exchange) -> Response:
        return await future

    seen.way._forward = waits
    run = seen.way.take(uncached())
    assert not isinstance(run, Response)
    assert isinstance(start(run), Waiting)
    assert seen.recorder.in_flight == 1
    if closes:
        run.close()
    else:
        with pytest.raises(asyncio.CancelledError):
            run.throw(asyncio.CancelledError())
    assert seen.samples() == [(CLIENT_GONE, 0)]


async def _pieces() -> AsyncIterator[bytes]:
    yield b"a"
    yield b"b"


async def test_a_stream_is_counted_at_its_end() -> None:
    """The onion sees to that."""
    seen = Seen(Response(200, Headers([]), _pieces()))
    response = await seen.ask()
    assert seen.recorder.in_flight == 1
    assert response.taps is not None
    async for piece in response.body:  # type: ignore[union-attr]
        response.taps[0].feed(piece, last=False)
    response.taps[0].feed(b"", last=True)
    discard(response)
    assert seen.samples() == [(200, 2)]
    assert seen.onion.passed == 1


async def test_what_may_be_stored_is_stored() -> None:
    """Also when the answer before could not be."""
    seen = Seen(answer(), answer(), answer(fields=_STORABLE))
    results = []
    for _ in range(4):
        exchange = known()
        await seen.ask(exchange)
        results.append(exchange.cache_result)
    assert results == ["miss", "miss", "miss", "hit"]
    # The first was a miss that others might have waited for, the second went the direct way.
    assert (seen.forwarded, seen.onion.passed) == (3, 2)
    assert len(seen.samples()) == 4


async def test_everybody_gets_their_own_outcome() -> None:
    """Also where a stage waits before it asks for it, and others come in between."""
    seen = Seen(
        UpstreamProtocolError("a", "broke off", sent=True),
        UpstreamTimeoutError("a", "late", sent=True),
        onion=Onion(waits=True),
    )
    answers = await asyncio.gather(seen.ask(), seen.ask())
    assert [response.status for response in answers] == [502, 504]
    assert seen.forwarded == 2
    assert len(seen.samples()) == 2


async def test_a_stage_that_asks_again_is_forwarded() -> None:
    """An outcome is given once; it is not the answer to what is asked later."""
    seen = Seen(UpstreamProtocolError("a", "broke off", sent=True), answer(), onion=Onion(tries=2))
    assert (await seen.ask()).body == b"ab"
    assert seen.forwarded == 2
    assert seen.samples() == [(200, 2)]


async def test_a_handler_that_fails_at_once_is_answered_by_the_onion() -> None:
    """Like one that fails in its coroutine."""
    seen = Seen()

    def fails(_exchange: Exchange) -> Any:
        raise UpstreamProtocolError("a", "broke off", sent=True)

    seen.way._forward = fails
    assert (await seen.ask()).status == 502
    assert len(seen.samples()) == 1
    assert seen.onion.passed == 1
