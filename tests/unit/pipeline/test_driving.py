"""Driving runs by hand, on both event loops."""

import asyncio
import functools
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import uvloop

from lukhas.errors import HandlerError
from lukhas.http.headers import Headers
from lukhas.http.messages import Response
from lukhas.pipeline.driving import (
    PARKED,
    DirectFuture,
    Parked,
    Run,
    Waiting,
    complete,
    enter_task,
    fail,
    finish,
    park,
    resume,
    start,
)
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.pipeline import Pipeline
from lukhas.pipeline.stage import Handler
from lukhas.pipeline.stages.cache import CacheStage
from lukhas.pipeline.stages.identify import IdentifyStage, IdentitySettings
from lukhas.pipeline.stages.limit import LimitStage
from lukhas.pipeline.stages.limit_rules import LimitRules
from lukhas.pipeline.stages.route import RouteStage
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.routing.routes import RouteRule, RouteTable
from lukhas.storage.memory_counters import MemoryCounters
from lukhas.storage.memory_entries import MemoryEntryStore
from lukhas.testing.clock import ManualClock
from lukhas.units import MIB
from tests.unit.pipeline.kit import Contained, Held, Layer, exchange

OK = Response(200, Headers([]), b"ok")
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.SelectorEventLoop,
    "uvloop": uvloop.new_event_loop,
}


class Counted:
    """A loop that counts the tasks, futures and timers that are made on it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.made = {"task": 0, "create_future": 0, "call_later": 0, "call_at": 0, "call_soon": 0}
        loop.set_task_factory(self._task)
        for name in list(self.made)[1:]:
            setattr(loop, name, self._counting(name, getattr(loop, name)))

    def _task(
        self, loop: asyncio.AbstractEventLoop, coro: Any, **options: Any
    ) -> "asyncio.Task[Any]":
        self.made["task"] += 1
        return asyncio.Task(coro, loop=loop, **options)

    def _counting(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(real)
        def counting(*args: Any, **options: Any) -> Any:
            self.made[name] += 1
            return real(*args, **options)

        return counting

    def in_callback(self, act: Callable[[], Any]) -> tuple[Any, dict[str, int]]:
        """Runs `act` as the loop runs a protocol callback; gives what it gave, and made."""
        results: list[tuple[Any, dict[str, int]]] = []

        def callback() -> None:
            before = dict(self.made)
            try:
                assert asyncio.current_task() is None
                result = act()
                made = {name: count - before[name] for name, count in self.made.items()}
                results.append((result, made))
            finally:
                self.loop.stop()

        self.loop.call_soon(callback)
        self.loop.run_forever()
        return results[0]

    def run(self, coro: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(coro)


@pytest.fixture(params=list(LOOPS.values()), ids=list(LOOPS))
def counted(request: pytest.FixtureRequest) -> Iterator[Counted]:
    loop = request.param()
    try:
        yield Counted(loop)
    finally:
        loop.close()


async def ended(run: Run, waiting: Waiting) -> Response | Parked:
    """What a way in does with a run that has to wait: goes on with it in a task."""
    return await finish(run, waiting)


def gateway(handler: Handler) -> Callable[[], Run]:
    """A whole pipeline in memory, three requests a minute for a caller, answers cached."""
    table = RouteTable(
        [RouteRule("cached", "/a", CachePolicy(default_ttl_s=60))],
        default=RouteRule("default", "*", CachePolicy()),
    )
    contained = Contained()
    pipeline = Pipeline(
        [
            RouteStage(table),
            IdentifyStage(IdentitySettings(), None),
            LimitStage(
                MemoryCounters(),
                LimitRules({Tier.FREE: parse_limits("3/minute", policy="free")}),
            ),
            CacheStage(MemoryEntryStore(MIB), ManualClock(exchange().now_ns)),
        ],
        contained,
    )
    onion = pipeline.around(handler)

    def request() -> Run:
        assert contained.found == []
        return onion(exchange())

    return request


NOTHING = {"task": 0, "create_future": 0, "call_later": 0, "call_at": 0, "call_soon": 0}


def test_what_is_decided_from_memory_makes_nothing(counted: Counted) -> None:
    """Miss with an answer at hand, hits, then 429: no task, no future, no timer, no callback."""
    asked = []

    async def handler(one: Exchange) -> Response:
        asked.append(one)
        return Response(200, Headers.of([("content-length", "2")]), b"ok")

    request = gateway(handler)
    statuses = []
    for _ in range(5):
        step, made = counted.in_callback(lambda: start(request()))
        assert isinstance(step, Response)
        assert made == NOTHING
        statuses.append(step.status)
    assert statuses == [200, 200, 200, 429, 429]
    assert len(asked) == 1


def test_a_run_that_has_to_wait_makes_one_task(counted: Counted) -> None:
    """And nothing else beside the future that it waits for."""

    async def handler(_one: Exchange) -> Response:
        future = counted.loop.create_future()
        counted.loop.call_soon(future.set_result, OK)
        response: Response = await future
        return response

    # Without the cache, whose collapsing makes a future for those that come meanwhile.
    onion = Pipeline([Layer("a"), Layer("b")], Contained()).around(handler)
    tasks: list[asyncio.Task[Any]] = []

    def begin() -> object:
        run = onion(exchange())
        step = start(run)
        assert isinstance(step, Waiting)
        tasks.append(counted.loop.create_task(ended(run, step)))
        return step

    before = dict(counted.made)
    counted.in_callback(begin)
    assert counted.loop.run_until_complete(tasks[0]) is OK
    made = {name: count - before[name] for name, count in counted.made.items()}
    assert (made["task"], made["create_future"]) == (1, 1)
    assert (made["call_later"], made["call_at"]) == (0, 0)


def test_start_gives_the_response_of_a_run_that_needs_no_waiting() -> None:
    """The very object."""

    async def run() -> Response:
        return OK

    assert start(run()) is OK


def test_start_raises_what_the_run_raises() -> None:
    """Unchanged."""

    async def run() -> Response:
        raise HandlerError(ValueError("no"))

    with pytest.raises(HandlerError):
        start(run())


def test_a_waiting_run_holds_what_it_waits_for(counted: Counted) -> None:
    """So that the loop can be given it again."""

    async def body() -> None:
        future = asyncio.get_running_loop().create_future()

        async def run() -> Response:
            response: Response = await future
            return response

        started = run()
        step = start(started)
        assert isinstance(step, Waiting)
        assert step.yielded is future
        asyncio.get_running_loop().call_soon(future.set_result, OK)
        assert await finish(started, step) is OK

    counted.run(body())


def test_a_future_may_be_done_before_the_run_is_handed_over(counted: Counted) -> None:
    """Between the first step and the task's anything may happen."""

    async def body() -> None:
        future = asyncio.get_running_loop().create_future()

        async def run() -> Response:
            response: Response = await future
            return response

        started = run()
        step = start(started)
        future.set_result(OK)
        assert isinstance(step, Waiting)
        assert await finish(started, step) is OK

    counted.run(body())


def test_a_run_may_wait_many_times(counted: Counted) -> None:
    """For timers, futures, tasks and the next turn of the loop; values come through."""

    async def value() -> int:
        await asyncio.sleep(0)
        return 7

    async def run() -> Response:
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        found = await asyncio.gather(value(), value())
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_result, 4)
        return Response(200, Headers([]), b"%d" % (sum(found) + await future))

    async def body() -> None:
        response = await complete(run())
        assert isinstance(response, Response)
        assert response.body == b"18"

    counted.run(body())


def test_exceptions_of_what_is_awaited_reach_the_run(counted: Counted) -> None:
    """It may handle them and go on waiting; what it does not handle comes out."""

    async def run() -> Response:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        loop.call_soon(future.set_exception, ValueError("first"))
        with pytest.raises(ValueError, match="first"):
            await future
        await asyncio.sleep(0)
        again = loop.create_future()
        loop.call_soon(again.set_exception, KeyError("second"))
        await again
        raise AssertionError("not reached")

    async def body() -> None:
        with pytest.raises(KeyError, match="second"):
            await complete(run())

    counted.run(body())


def test_an_exception_may_end_a_run_in_a_response(counted: Counted) -> None:
    """The throw itself gives the answer."""

    async def run() -> Response:
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_exception, ValueError("no"))
        try:
            await future
        except ValueError:
            return OK
        raise AssertionError("not reached")

    async def body() -> None:
        assert await complete(run()) is OK

    counted.run(body())


@pytest.mark.parametrize("turns", [0, 1, 3])
def test_cancelling_the_task_cancels_the_run(counted: Counted, turns: int) -> None:
    """Its clean-up runs, what it waited for is cancelled, and the response below is freed."""
    held = Held()
    log: list[str] = []
    futures: list[asyncio.Future[None]] = []

    class Waits(Layer):
        async def __call__(self, exchange: Exchange, call_next: Handler) -> Response:
            response = await call_next(exchange)
            try:
                for _ in range(turns):
                    await asyncio.sleep(0)
                futures.append(asyncio.get_running_loop().create_future())
                await futures[0]
            finally:
                log.append("cleaned up")
            return response

    async def handler(_one: Exchange) -> Response:
        return held.response

    async def body() -> None:
        run = Pipeline([Layer("a"), Waits("b")], Contained()).around(handler)(exchange())
        step = start(run)
        assert isinstance(step, Waiting)
        task = asyncio.get_running_loop().create_task(ended(run, step))
        for _ in range(turns + 2):
            await asyncio.sleep(0)
        assert log == []
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()
        assert futures[0].cancelled()

    counted.run(body())
    assert log == ["cleaned up"]
    assert held.given_up == (1, 1)


def test_a_run_may_outlive_a_cancellation(counted: Counted) -> None:
    """As a task may: it handles the error and answers."""

    async def run() -> Response:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            return OK
        raise AssertionError("not reached")

    async def body() -> None:
        task = asyncio.get_running_loop().create_task(complete_in_task(run()))
        await asyncio.sleep(0)
        task.cancel()
        assert await task is OK

    counted.run(body())


async def complete_in_task(run: Run) -> Response | Parked:
    return await complete(run)


def test_timeouts_work_after_enter_task(counted: Counted) -> None:
    """In a callback there is no current task; `enter_task` moves the run into one."""

    async def run() -> Response:
        assert asyncio.current_task() is None
        await enter_task()
        assert asyncio.current_task() is not None
        try:
            async with asyncio.timeout(0.001):
                await asyncio.get_running_loop().create_future()
        except TimeoutError:
            pass
        async with asyncio.timeout(60):
            await asyncio.sleep(0)
        async with asyncio.TaskGroup() as group:
            child = group.create_task(asyncio.sleep(0, 3))
        assert child.result() == 3
        return OK

    tasks: list[asyncio.Task[Any]] = []

    def begin() -> None:
        started = run()
        step = start(started)
        assert isinstance(step, Waiting)
        assert step.yielded is None
        tasks.append(counted.loop.create_task(ended(started, step)))

    counted.in_callback(begin)
    assert counted.loop.run_until_complete(tasks[0]) is OK


def test_enter_task_inside_a_task_costs_a_turn(counted: Counted) -> None:
    """And nothing else happens."""

    async def run() -> Response:
        task = asyncio.current_task()
        await enter_task()
        assert asyncio.current_task() is task
        return OK

    async def body() -> None:
        assert await complete(run()) is OK

    counted.run(body())


async def parking() -> Response:
    first = await park()
    return Response(first.status + 1, Headers([]))


def test_a_parked_run_is_resumed_with_a_response() -> None:
    """Without any loop."""
    run = parking()
    assert start(run) is PARKED
    assert isinstance(PARKED, Parked)
    response = resume(run, OK)
    assert isinstance(response, Response)
    assert response.status == 201


def test_a_run_may_park_again() -> None:
    """Each time it gets the response it is resumed with."""

    async def twice() -> Response:
        first, second = await park(), await park()
        return Response(first.status + second.status, Headers([]))

    run = twice()
    assert start(run) is PARKED
    assert resume(run, OK) is PARKED
    response = resume(run, OK)
    assert isinstance(response, Response)
    assert response.status == 400


def test_a_parked_run_may_fail() -> None:
    """What it does not handle comes out of `fail`."""
    run = parking()
    start(run)
    error = ValueError("no")
    with pytest.raises(ValueError, match="no") as caught:
        fail(run, error)
    assert caught.value is error


def test_a_failed_run_may_answer_park_or_wait(counted: Counted) -> None:
    """A stage has another answer, asks again, or asks somebody else."""

    async def run() -> Response:
        try:
            await park()
        except ValueError:
            try:
                await park()
            except ValueError:
                try:
                    await park()
                except ValueError:
                    await asyncio.sleep(0)
                    return OK
        raise AssertionError("not reached")

    async def answers() -> Response:
        try:
            return await park()
        except ValueError:
            return OK

    async def body() -> None:
        started = run()
        assert start(started) is PARKED
        assert fail(started, ValueError()) is PARKED
        assert fail(started, ValueError()) is PARKED
        step = fail(started, ValueError())
        assert isinstance(step, Waiting)
        assert await finish(started, step) is OK
        answering = answers()
        start(answering)
        assert fail(answering, ValueError()) is OK

    counted.run(body())


def test_a_run_may_wait_and_then_park(counted: Counted) -> None:
    """`finish` and `complete` come back with it parked; after resuming it may wait again."""

    async def run() -> Response:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        response = await park()
        await asyncio.sleep(0)
        return response

    async def at_once() -> Response:
        return await park()

    async def body() -> None:
        started = run()
        step = start(started)
        assert isinstance(step, Waiting)
        assert await finish(started, step) is PARKED
        step = resume(started, OK)
        assert isinstance(step, Waiting)
        assert await finish(started, step) is OK

        parked = at_once()
        assert await complete(parked) is PARKED
        assert resume(parked, OK) is OK

    counted.run(body())


def test_an_exception_may_park_a_waiting_run(counted: Counted) -> None:
    """What is thrown in by the loop leads to parking just as well."""

    async def run() -> Response:
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_exception, ValueError("no"))
        try:
            await future
        except ValueError:
            return await park()
        raise AssertionError("not reached")

    async def body() -> None:
        started = run()
        assert await complete(started) is PARKED
        assert resume(started, OK) is OK

    counted.run(body())


def test_the_parked_failure_of_a_handler_is_a_handlers_failure() -> None:
    """Through a pipeline: wrapped, and no stage takes it for its own."""

    async def handler(_one: Exchange) -> Response:
        return await park()

    contained = Contained()
    run = Pipeline([Layer("a")], contained).around(handler)(exchange())
    assert start(run) is PARKED
    with pytest.raises(HandlerError) as caught:
        fail(run, ValueError("no"))
    assert isinstance(caught.value.cause, ValueError)
    assert contained.found == []


def test_a_parked_run_may_be_closed() -> None:
    """Nobody comes back to it: its clean-up runs."""
    log = []

    async def run() -> Response:
        try:
            return await park()
        finally:
            log.append("closed")

    started = run()
    start(started)
    started.close()
    assert log == ["closed"]


# -- futures that a run may wait for outside any task --------------------------------------------


def made(loop: asyncio.AbstractEventLoop) -> tuple[DirectFuture, list[DirectFuture]]:
    told: list[DirectFuture] = []
    future = DirectFuture(loop=loop)
    future.then(told.append)
    return future, told


async def test_who_waits_for_a_direct_future_goes_on_in_the_same_call() -> None:
    """With a result and with an error, once."""
    loop = asyncio.get_running_loop()
    future, told = made(loop)
    future.set_result(Response(200, Headers([])))
    assert told == [future]
    future, told = made(loop)
    future.set_exception(OSError("gone"))
    assert told == [future]
    assert isinstance(future.exception(), OSError)


async def test_a_cancelled_direct_future_goes_nowhere() -> None:
    """As who cancels it knows."""
    future, told = made(asyncio.get_running_loop())
    future.cancel()
    await asyncio.sleep(0)
    assert told == []


async def test_a_failure_to_go_on_is_not_that_of_who_gives_the_result() -> None:
    """The loop is told instead, as of a callback of its own."""
    loop = asyncio.get_running_loop()
    contexts: list[dict[str, object]] = []
    loop.set_exception_handler(lambda _loop, context: contexts.append(context))
    future = DirectFuture(loop=loop)

    def fails(_future: DirectFuture) -> None:
        raise OSError("gone")

    future.then(fails)
    future.set_result(Response(200, Headers([])))
    loop.set_exception_handler(None)
    (context,) = contexts
    assert isinstance(context["exception"], OSError)


async def test_a_direct_future_is_like_any_other_inside_a_task() -> None:
    """A task that awaits it is woken by the loop."""
    future = DirectFuture(loop=asyncio.get_running_loop())

    async def waits() -> Response:
        return await future

    task = asyncio.create_task(waits())
    await asyncio.sleep(0)
    response = Response(200, Headers([]))
    future.set_result(response)
    assert not task.done()
    assert await task is response
