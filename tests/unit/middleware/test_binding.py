"""Pipelines made to know the routes of an app."""

from typing import Any

import pytest
from fastapi import FastAPI, Request
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from lukhas.errors import ConfigError
from lukhas.http.messages import Response
from lukhas.middleware import OptimizerMiddleware, exempt, limit
from lukhas.middleware.binding import bind
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.pipeline import Pipeline
from lukhas.pipeline.stage import Handler
from lukhas.pipeline.stages.limit import LimitStage
from lukhas.pipeline.stages.limit_rules import RouteLimits
from lukhas.pipeline.stages.route import RouteStage
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.modes import FailureMode, Mode
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.policies import LimitPolicy
from lukhas.policy.routing.routes import RouteMatch, RouteRule, RouteTable
from tests.unit.middleware.kit import (
    HandClock,
    add,
    call,
    client,
    fail_on_containment,
    make_pipeline,
    statuses,
)
from tests.unit.middleware.routes import limited, plain, plain_copy, starlette
from tests.unit.middleware.stages import hello


class Seen:
    """A stage that keeps the names and templates of the routes found."""

    name = "seen"
    on_failure = FailureMode.CLOSED

    def __init__(self) -> None:
        self.routes: list[tuple[str, str]] = []

    async def __call__(self, exchange: Exchange, call_next: Handler) -> Response:
        assert exchange.route is not None
        rule = exchange.route.rule
        self.routes.append((rule.name, rule.template))
        return await call_next(exchange)


async def test_unmarked_routes_are_known_by_their_templates() -> None:
    """Metrics see the template of every route of the app; the default stays for the rest."""
    seen = Seen()
    app = starlette(
        Route("/a/{b:int}", plain, methods=["GET", "POST"]),
        Route("/a/{b:int}", plain, methods=["GET", "POST"]),
        Route("/any", Everything()),
        inner=(seen,),
    )
    for path in ("/a/1", "/any", "/none"):
        await statuses(app, path, 1)
    await statuses(app, "/any", 1, method="PURGE")
    assert seen.routes == [
        ("GET|POST /a/{b}", "/a/{b}"),
        ("* /any", "/any"),
        ("default", "*"),
        ("* /any", "/any"),
    ]


class Everything:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await hello(scope, receive, send)


async def test_settings_and_marks_add_up() -> None:
    """A marked route keeps the limits that the settings give its path, in their one counter."""
    rule = RouteRule(name="api", template="/api/{rest:path}", cache=CachePolicy(mode=Mode.OFF))
    api = LimitPolicy("api", parse_limits("4/minute", policy="api"), routes=frozenset(("api",)))
    seen = Seen()
    app = starlette(
        Route("/api/a", limited(2)),
        Route("/api/b", plain),
        rules=(rule,),
        policies=(api,),
        inner=(seen,),
    )
    assert await statuses(app, "/api/a", 3) == [200, 200, 429]
    assert await statuses(app, "/api/b", 3) == [200, 200, 429]
    assert [name for name, _ in seen.routes] == ["api: GET /api/a"] * 2 + ["api"] * 2


async def test_shadow_and_off_limits_refuse_nothing() -> None:
    """A limit in shadow mode decides without acting; one that is off does not exist."""
    app = FastAPI()
    add(app)
    app.get("/shadow")(limit("1/minute", mode="shadow")(lambda: "ok"))
    app.get("/off")(limit("1/minute", mode="off")(lambda: "ok"))
    assert await statuses(app, "/shadow", 3) == [200] * 3
    assert await statuses(app, "/off", 3) == [200] * 3


async def test_limits_of_one_route_have_names_of_their_own() -> None:
    """Several limits on one route are told apart, and from those of the tier."""

    @limit("9/minute")
    @limit("8/minute", by="address")
    @limit("7/minute")
    def free(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("ok")

    app = starlette(Route("/", free), free="99/minute")
    async with client(app) as http:
        field = (await http.get("/")).headers["ratelimit-policy"]
    assert field.split(", ") == [
        '"free-minute";q=99;w=60',
        '"free-2-minute";q=9;w=60',
        '"free-address-minute";q=8;w=60',
        '"free-3-minute";q=7;w=60',
    ]


def test_a_name_given_twice_is_refused() -> None:
    """Two limits that apply together must not have the name that was asked for both."""
    first, second = limit("1/minute", name="same"), limit("2/minute", name="same")
    app = starlette(Route("/", first(second(plain_copy()))))
    with pytest.raises(ConfigError, match="same-minute"):
        bind(make_pipeline(HandClock()), app)
    tier = starlette(Route("/", limit("1/minute", name="free")(plain_copy())))
    with pytest.raises(ConfigError, match="free-minute"):
        bind(make_pipeline(HandClock(), free="5/minute"), tier)


def test_a_limit_stage_refuses_names_that_it_has() -> None:
    """Two limits of one name would be told to clients as one."""
    stage = next(
        stage
        for stage in make_pipeline(HandClock(), free="5/minute").stages
        if isinstance(stage, LimitStage)
    )
    policy = LimitPolicy("free", parse_limits("1/minute", policy="free"))
    with pytest.raises(ConfigError, match="free-minute"):
        stage.bound({"a": RouteLimits("default", "a", (policy,))})


def test_a_limit_that_nothing_enforces_is_refused() -> None:
    """A pipeline without the stages that marks need is refused; without marks it is not."""

    def contained(_stage: str, _error: Exception) -> None: ...

    marked = Starlette(routes=[Route("/", limited(1))])
    stages = make_pipeline(HandClock()).stages
    with pytest.raises(ConfigError, match="no route stage"):
        bind(Pipeline((), contained), marked)
    unlimiting = [stage for stage in stages if not isinstance(stage, LimitStage)]
    with pytest.raises(ConfigError, match="no limit stage"):
        bind(Pipeline(unlimiting, contained), marked)
    freed = Starlette(routes=[Route("/", exempt(plain_copy()))])
    bind(Pipeline(unlimiting, contained), freed)


async def test_new_routes_of_the_settings_are_taken_over() -> None:
    """A route table that is replaced at run time is used from the next request on."""
    seen = Seen()
    pipeline = make_pipeline(HandClock(), inner=(seen,))
    middleware = OptimizerMiddleware(hello, pipeline=pipeline)
    await call(middleware)
    stage = next(stage for stage in pipeline.stages if isinstance(stage, RouteStage))
    rule = RouteRule(name="other", template="*", cache=CachePolicy(mode=Mode.OFF))
    stage.table = RouteTable((), default=rule)
    await call(middleware)
    assert [name for name, _ in seen.routes] == ["default", "other"]


async def test_any_finder_can_stand_below_the_apps_routes() -> None:
    """The route stage of the pipeline may use something else than a table."""

    class Finder:
        def match(self, _method: str, _authority: bytes, _path: bytes) -> RouteMatch:
            return RouteMatch(
                RouteRule(name="mine", template="*", cache=CachePolicy(mode=Mode.OFF))
            )

    pipeline = make_pipeline(HandClock())
    stages = [
        RouteStage(Finder()) if isinstance(stage, RouteStage) else stage
        for stage in pipeline.stages
    ]
    app = Starlette(routes=[Route("/", limited(1))])
    app.add_middleware(
        OptimizerMiddleware, pipeline=Pipeline(stages, fail_on_containment), clock=HandClock()
    )
    assert await statuses(app, "/", 2) == [200, 429]
