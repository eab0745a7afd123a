"""Limits charged by the processor time that the app spends."""

import asyncio
import hashlib
import time
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.responses import Response

from lukhas.middleware import OptimizerMiddleware, limit
from lukhas.middleware.cpu_time import CpuMeter, metered
from lukhas.middleware.marks import EXCHANGE_KEY
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stages.settle import SettleStage
from lukhas.policy.rate_limiting.costs import Cost, CostBasis
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.policies import LimitPolicy
from tests.unit.middleware.kit import HandClock, add, call, client, http_scope, make_pipeline

QUOTA = 1_000_000_000
CPU = limit(f"{QUOTA}/hour", name="cpu", cost="cpu-ms")


def burn(least_ms: int) -> None:
    """Uses the processor for so long at least."""
    end_ns = time.thread_time_ns() + least_ms * 1_000_000
    while time.thread_time_ns() < end_ns:
        hashlib.sha256(b"x" * 1000).digest()


async def spent_ms(app: Any, path: str) -> int:
    """What one request was charged, by what the next one is told: it costs 1 at first itself."""
    async with client(app) as http:
        await http.get(path)
        field = (await http.get("/look")).headers["ratelimit"]
    return QUOTA - int(field.partition(";r=")[2].partition(";")[0]) - 1


def looking(app: FastAPI) -> FastAPI:
    """The app with the middleware, and a route to look at the limit with."""
    policy = LimitPolicy(
        "cpu", parse_limits(f"{QUOTA}/hour", policy="cpu"), cost=Cost(CostBasis.CPU_MS)
    )
    app.get("/look")(lambda: "ok")
    add(app, policies=[policy])
    return app


async def test_a_handler_that_burns_costs_what_it_burnt() -> None:
    """Also across awaits."""
    app = FastAPI()

    @app.get("/burn")
    async def burning() -> str:
        burn(20)
        await asyncio.sleep(0)
        burn(20)
        return "done"

    looking(app)
    before = await spent_ms(app, "/look")
    assert await spent_ms(app, "/burn") - before >= 40


async def test_a_body_is_counted_to_its_end() -> None:
    """What a generator burns before its last piece is there when the charge is put right."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        exchanges.append(scope[EXCHANGE_KEY])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for more in (True, False):
            burn(20)
            await asyncio.sleep(0)
            await send({"type": "http.response.body", "body": b"x", "more_body": more})

    exchanges: list[Exchange] = []
    policy = LimitPolicy("cpu", parse_limits("99/hour", policy="cpu"), cost=Cost(CostBasis.CPU_MS))
    clock = HandClock()
    pipeline = make_pipeline(clock, policies=[policy])
    middleware = OptimizerMiddleware(app, pipeline=pipeline, clock=clock)
    statuses = [(await call(middleware)).status for _ in range(4)]
    # 99 ms are used up after 40 + 40 + 40.
    assert statuses == [200, 200, 200, 429]
    assert all(exchange.cpu_ns >= 40_000_000 for exchange in exchanges)


async def test_a_handler_that_sleeps_costs_next_to_nothing() -> None:
    """Waiting is no processor time; nor is what others do meanwhile."""
    app = FastAPI()

    @app.get("/sleep")
    async def sleeping() -> str:
        task = asyncio.create_task(asyncio.to_thread(burn, 50))
        await asyncio.sleep(0)
        await task
        return "rested"

    assert await spent_ms(looking(app), "/sleep") < 45


async def test_a_mark_alone_is_enough() -> None:
    """The pipeline then gets the stage that puts charges right, and only once."""
    app = FastAPI()

    @app.get("/burn")
    @CPU
    async def burning() -> str:
        burn(20)
        return "done"

    add(app)
    async with client(app) as http:
        await http.get("/burn")
        field = (await http.get("/burn")).headers["ratelimit"]
    assert QUOTA - int(field.partition(";r=")[2].partition(";")[0]) >= 21


async def test_a_pipeline_that_settles_already_is_left_so() -> None:
    """Else every charge would be put right twice."""
    app = FastAPI()
    calls: list[int] = []

    @app.get("/")
    @limit("9/hour", cost="response-header:x-cost")
    async def costly() -> Any:
        calls.append(1)
        return Response(headers={"x-cost": "3"})

    clock = HandClock()
    pipeline = make_pipeline(clock)
    at = next(i for i, stage in enumerate(pipeline.stages) if stage.name == "limit")
    stages = list(pipeline.stages)
    stages.insert(at + 1, SettleStage(stages[at]))  # type: ignore[arg-type]
    app.add_middleware(OptimizerMiddleware, pipeline=pipeline.with_stages(stages), clock=clock)
    async with client(app) as http:
        left = [(await http.get("/")).headers["ratelimit"].split(";")[1] for _ in range(3)]
    assert left == ["r=8", "r=5", "r=2"]


async def test_nothing_is_measured_where_no_limit_asks() -> None:
    """The app is called as it is."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope[EXCHANGE_KEY])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    clock = HandClock()
    for free in ("", "5/minute", "5 concurrent"):
        pipeline = make_pipeline(clock, free=free)
        await call(OptimizerMiddleware(app, pipeline=pipeline, clock=clock), http_scope())
        assert metered(app, seen[-1]) is app
        assert seen[-1].cpu_ns == 0


async def test_errors_and_cancellation_pass_through_the_meter() -> None:
    """The app sees them where it waits, as without it."""
    caught: list[str] = []
    started = asyncio.Event()

    async def app() -> None:
        try:
            started.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            caught.append("cancelled")
            raise

    async def failing() -> None:
        await asyncio.sleep(0)
        raise ValueError("broken")

    class Spent:
        cpu_ns = 0

    async def measured(coroutine: Any) -> None:
        await CpuMeter(Spent()).run(coroutine)  # type: ignore[arg-type]

    task = asyncio.create_task(measured(app()))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert caught == ["cancelled"]
    with pytest.raises(ValueError, match="broken"):
        await measured(failing())


async def test_a_task_of_the_apps_own_may_send() -> None:
    """Its time is not counted, and that of others in between is not either."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def respond() -> None:
            await asyncio.sleep(0)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"ok"})

        await asyncio.create_task(respond())

    policy = LimitPolicy("cpu", parse_limits("9/hour", policy="cpu"), cost=Cost(CostBasis.CPU_MS))
    clock = HandClock()
    pipeline = make_pipeline(clock, policies=[policy])
    wire = await call(OptimizerMiddleware(app, pipeline=pipeline, clock=clock))
    assert (wire.status, wire.body) == (200, b"ok")


async def test_a_handler_in_a_thread_can_say_itself_what_it_spent() -> None:
    """The loop's thread does not see it; Server-Timing tells."""
    app = FastAPI()

    @app.get("/")
    @limit("100/hour", cost="cpu-ms", name="cpu")
    def burning() -> Response:
        return Response(headers={"server-timing": "db;dur=3, cpu;dur=89.5"})

    add(app)
    async with client(app) as http:
        statuses = [(await http.get("/")).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
