"""The short way through a pipeline: what it walks, what it runs, and what fails on it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from lukhas.errors import HandlerError
from lukhas.http.headers import Headers
from lukhas.http.messages import Response
from lukhas.pipeline.driving import Parked, Run, complete, fail, park, resume
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.pipeline import Pipeline
from lukhas.pipeline.short_way import ShortWay
from lukhas.pipeline.stage import Backstop, Gate, Handler, Stage
from lukhas.pipeline.stages.cache import CacheStage
from lukhas.pipeline.stages.cache_plain import UNSHARED, UNTOUCHED, Onward
from lukhas.pipeline.stages.observe import ObserveStage
from lukhas.policy.caching.purges import Purge
from lukhas.policy.modes import FailureMode
from lukhas.storage.memory_entries import MemoryEntryStore
from lukhas.telemetry.recorder import Recorder
from tests.unit.pipeline.kit import NOW_NS, Layer, known

Answer = Response | Awaitable[Response | None] | None

_STORABLE = Headers([(b"cache-control", b"public, max-age=60")])


class Clock:
    def now_ns(self) -> int:
        return NOW_NS


class Door(Gate):
    """A gate that does as it is told, and counts how often it was asked."""

    def __init__(
        self, enter: Callable[[], Answer], on_failure: FailureMode = FailureMode.CLOSED
    ) -> None:
        self.name = "door"
        self.on_failure = on_failure
        self._enter = enter
        self.asked = 0

    def enter(self, _exchange: Exchange) -> Answer:
        self.asked += 1
        return self._enter()


class Passing:
    """A stage that only passes on."""

    name = "passing"
    on_failure = FailureMode.OPEN

    async def __call__(self, exchange: Exchange, call_next: Handler) -> Response:
        return await call_next(exchange)


class Net(Backstop):
    """Answers when what is inside it fails, and counts how often it was passed."""

    name = "net"
    on_failure = FailureMode.OPEN

    def __init__(self) -> None:
        self.passed = 0

    async def __call__(self, exchange: Exchange, call_next: Handler) -> Response:
        self.passed += 1
        try:
            return await call_next(exchange)
        except HandlerError:
            return Response(502, Headers([]), b"failed")


class Breaking(MemoryEntryStore):
    """Entries that cannot be read."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(limit_bytes)

        def get(_key: object) -> Any:
            raise OSError("broken")

        self.get: Any = get


class BrokenObserve(ObserveStage):
    def headed(self, _exchange: Exchange, _status: int) -> None:
        raise OSError("broken")


class Seen:
    """A short way, and what was told of it."""

    def __init__(self, *stages: Stage, observed: bool = True) -> None:
        self.contained: list[str] = []
        self.recorder = Recorder()
        outer = (ObserveStage(self.recorder, Clock()),) if observed else ()
        self.way = ShortWay(Pipeline((*outer, *stages), self._on_contained), _parked)

    def _on_contained(self, stage: str, _error: Exception) -> None:
        self.contained.append(stage)


async def _parked(_exchange: Exchange) -> Response:
    return await park()


def _refused() -> Response:
    return Response(403, Headers([]), b"no")


async def _later(answer: Response | None) -> Response | None:
    await asyncio.sleep(0)
    return answer


def _fail() -> Answer:
    raise OSError("broken")


def _cache(store: MemoryEntryStore | None = None) -> CacheStage:
    return CacheStage(store or MemoryEntryStore(1 << 20), Clock())


async def _ran(step: Response | Onward | Run) -> Run:
    """A run that has parked."""
    assert not isinstance(step, (Response, Onward))
    assert isinstance(await complete(step), Parked)
    return step


async def _unshared(seen: Seen) -> Exchange:
    """The second of two requests, after an answer that could not be stored."""
    first = await _ran(seen.way.enter(known()))
    assert isinstance(resume(first, Response(200, Headers([]), b"ab")), Response)
    exchange = known()
    assert seen.way.enter(exchange) is UNSHARED
    return exchange


@pytest.mark.parametrize("observed", [True, False])
def test_gates_let_a_request_go_on(observed: bool) -> None:
    """Where every gate lets it pass and nothing follows, it goes on without a run."""
    seen = Seen(Door(lambda: None), Door(lambda: None), observed=observed)
    exchange = known()
    assert seen.way.enter(exchange) is UNTOUCHED
    assert seen.recorder.in_flight == int(observed)
    assert seen.way.headed(exchange, UNTOUCHED, 200, Headers([]))
    seen.way.ended(exchange, 200, 2)
    assert seen.recorder.in_flight == 0
    assert seen.recorder.drain().request_count == int(observed)


@pytest.mark.parametrize("observed", [True, False])
async def test_a_late_run_counts_the_request_once(observed: bool) -> None:
    """What had begun on the short way is taken over with its sample, not counted again."""
    seen = Seen(Door(lambda: None), observed=observed)
    exchange = known()
    assert seen.way.enter(exchange) is UNTOUCHED
    run = await _ran(seen.way.late(exchange, UNTOUCHED))
    assert seen.recorder.in_flight == int(observed)
    assert isinstance(resume(run, Response(200, Headers([]), b"ab")), Response)
    assert seen.recorder.in_flight == 0
    assert seen.recorder.drain().request_count == int(observed)


@pytest.mark.parametrize("observed", [True, False])
def test_a_gate_that_refuses_is_counted(observed: bool) -> None:
    """The answer of a gate comes out at once, with its sample; the gates behind are not asked."""
    behind = Door(lambda: None)
    seen = Seen(Door(_refused), behind, observed=observed)
    step = seen.way.enter(known())
    assert isinstance(step, Response)
    assert (step.status, behind.asked) == (403, 0)
    assert seen.recorder.drain().request_count == int(observed)


@pytest.mark.parametrize("mode", list(FailureMode))
def test_a_gate_that_fails_is_contained(mode: FailureMode) -> None:
    """By its mode the request goes on without it, or is refused; never a bare error."""
    seen = Seen(Door(_fail, mode))
    exchange = known()
    step = seen.way.enter(exchange)
    if mode is FailureMode.OPEN:
        assert step is UNTOUCHED
    else:
        assert isinstance(step, Response)
        assert step.status == 503
    assert seen.contained == ["door"]
    assert exchange.verdicts[0].verdict().reason == f"the stage failed: fail-{mode.value}"


@pytest.mark.parametrize("refuses", [True, False])
async def test_a_gate_that_waits_is_run_from_then_on(refuses: bool) -> None:
    """It is asked once for each request; those before it are walked as ever."""
    before = Door(lambda: None)
    door = Door(lambda: _later(_refused() if refuses else None))
    behind = Door(lambda: None)
    seen = Seen(before, door, behind)
    for times in (1, 2):
        step = seen.way.enter(known())
        assert not isinstance(step, (Response, Onward))
        assert isinstance(await complete(step), Response if refuses else Parked)
        step.close()
        assert (before.asked, door.asked) == (times, times)
        assert behind.asked == (0 if refuses else times)


@pytest.mark.parametrize("gated", [True, False])
async def test_other_stages_are_run(gated: bool) -> None:
    """Whatever stands behind the gates and is no cache alone sees request and response."""
    stages: tuple[Stage, ...] = (Door(lambda: None), _cache(), Passing())
    seen = Seen(*stages) if gated else Seen(Passing())
    run = await _ran(seen.way.enter(known()))
    assert isinstance(resume(run, Response(200, Headers([]), b"ab")), Response)
    assert seen.recorder.drain().bytes_out == 2


@pytest.mark.parametrize("mode", list(FailureMode))
def test_a_cache_that_fails_is_contained(mode: FailureMode) -> None:
    """The request goes on as if there were none, or is refused if it fails closed."""
    cache = _cache(Breaking(1 << 20))
    cache.on_failure = mode
    seen = Seen(cache)
    step = seen.way.enter(known())
    assert (step is UNTOUCHED) == (mode is FailureMode.OPEN)
    assert isinstance(step, Response) == (mode is FailureMode.CLOSED)
    assert seen.contained == ["cache"]


def test_an_observer_that_fails_spoils_no_response() -> None:
    """What was answered goes out all the same."""
    contained: list[str] = []
    observe = BrokenObserve(Recorder(), Clock())

    def on_contained(stage: str, _error: Exception) -> None:
        contained.append(stage)

    answering = ShortWay(Pipeline((observe, Door(_refused)), on_contained), _parked)
    step = answering.enter(known())
    assert isinstance(step, Response)
    assert step.status == 403
    passing = ShortWay(Pipeline((observe,), on_contained), _parked)
    assert passing.headed(known(), UNTOUCHED, 200, Headers([]))
    assert contained == ["observe", "observe"]


async def test_a_late_run_stores_what_became_storable() -> None:
    """An answer to an unshared request that may be stored is, by a run that is made for it."""
    seen = Seen(_cache())
    exchange = await _unshared(seen)
    assert not seen.way.headed(exchange, UNSHARED, 200, _STORABLE)
    run = await _ran(seen.way.late(exchange, UNSHARED))
    assert isinstance(resume(run, Response(200, _STORABLE, b"ab")), Response)
    # It is watched, but this is the very consumer that it was made for.
    hit = seen.way.enter(known())
    assert isinstance(hit, Response)
    assert hit.body == b"ab"
    assert seen.recorder.drain().request_count == 3
    assert seen.recorder.in_flight == 0


async def test_a_purge_while_the_handler_works_wins_over_a_late_run() -> None:
    """The ticket is from before the handler was asked, so an outdated answer is not stored."""
    store = MemoryEntryStore(1 << 20)
    seen = Seen(_cache(store))
    exchange = await _unshared(seen)
    store.purge(Purge())
    run = await _ran(seen.way.late(exchange, UNSHARED))
    assert isinstance(resume(run, Response(200, _STORABLE, b"ab")), Response)
    asked = seen.way.enter(known())
    assert not isinstance(asked, Response)
    if not isinstance(asked, Onward):
        asked.close()


async def test_a_look_at_the_answer_that_fails_is_left_to_the_late_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It meets the same failure, and contains it as that of any stage."""
    cache = _cache()
    seen = Seen(cache)
    exchange = await _unshared(seen)

    def is_left(_exchange: Exchange, _status: int, _headers: Headers) -> bool:
        raise OSError("broken")

    monkeypatch.setattr(cache.plain, "is_left", is_left)
    assert not seen.way.headed(exchange, UNSHARED, 200, Headers([]))
    run = await _ran(seen.way.late(exchange, UNSHARED))
    outcome = resume(run, Response(200, Headers([]), b"ab"))
    assert isinstance(outcome, Response)
    assert outcome.body == b"ab"
    assert seen.contained == ["cache"]


async def test_a_backstop_is_not_met_by_what_is_answered_without_the_handler() -> None:
    """Wherever it stands before the cache; what fails inside it, it answers."""
    net, door = Net(), Door(lambda: None)
    answers = [Response(200, _STORABLE, b"ab"), None]

    async def handler(_exchange: Exchange) -> Response:
        answer = answers.pop(0)
        if answer is None:
            raise OSError("gone")
        return answer

    recorder = Recorder()
    stages = (ObserveStage(recorder, Clock()), net, door, _cache())
    way = ShortWay(Pipeline(stages, lambda *_failed: None), handler)
    step = way.take(known())
    assert not isinstance(step, Response)
    assert isinstance(await complete(step), Response)
    hit = way.take(known())
    assert isinstance(hit, Response)
    assert (hit.body, net.passed, door.asked) == (b"ab", 1, 2)
    other = known()
    other.head = replace(other.head, path=b"/other")
    step = way.take(other)
    assert not isinstance(step, Response)
    answer = await complete(step)
    assert isinstance(answer, Response)
    assert (answer.status, net.passed) == (502, 2)
    assert (recorder.in_flight, recorder.drain().request_count) == (0, 3)


@pytest.mark.parametrize("sees_answers", [True, False])
async def test_backstops_before_the_cache_are_met_by_failures_alone(sees_answers: bool) -> None:
    """An answer needs no run because of them, but where one of them looks at answers too."""
    net = Net()
    net.sees_answers = sees_answers
    seen = Seen(net, Door(lambda: None), _cache())
    first = await _ran(seen.way.enter(known()))
    assert isinstance(resume(first, Response(200, Headers([]), b"ab")), Response)
    exchange = known()
    step = seen.way.enter(exchange)
    assert (step is UNSHARED) is not sees_answers
    if isinstance(step, Onward):
        step = seen.way.late(exchange, step)
    run = await _ran(step)
    answer = fail(run, HandlerError(OSError("gone")))
    assert isinstance(answer, Response)
    assert (answer.status, net.passed) == (502, 2)
    assert (seen.recorder.in_flight, seen.recorder.drain().request_count) == (0, 2)


async def test_without_a_cache_a_backstop_is_run() -> None:
    """Behind the gates, wherever it stood."""
    net = Net()

    async def handler(_exchange: Exchange) -> Response:
        raise OSError("gone")

    way = ShortWay(Pipeline((net, Door(lambda: None)), lambda *_failed: None), handler)
    step = way.take(known())
    assert not isinstance(step, Response)
    answer = await complete(step)
    assert isinstance(answer, Response)
    assert (answer.status, net.passed) == (502, 1)


async def test_a_request_goes_on_in_a_run_where_nobody_relays() -> None:
    """`take` gives a run in place of a way onward, counted once."""
    seen = Seen(Door(lambda: None))
    step = seen.way.take(known())
    assert not isinstance(step, Response)
    run = await _ran(step)
    assert isinstance(resume(run, Response(200, Headers([]), b"ab")), Response)
    assert (seen.recorder.in_flight, seen.recorder.drain().request_count) == (0, 1)


async def test_stages_behind_the_cache_are_run_whatever_it_says() -> None:
    """Also when the last answer could not be stored, and when the cache is off."""
    inner = Layer("inner")
    seen = Seen(_cache(), inner)
    for times in (1, 2):
        run = await _ran(seen.way.enter(known()))
        assert isinstance(resume(run, Response(200, Headers([]), b"ab")), Response)
        assert inner.log == ["inner in", "inner out"] * times
    assert (seen.recorder.in_flight, seen.recorder.drain().request_count) == (0, 2)
