"""Limits in the OpenAPI description of a FastAPI app."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.applications import Starlette

from lukhas.middleware import OptimizerMiddleware, exempt, limit
from lukhas.pipeline.pipeline import Pipeline
from lukhas.pipeline.stages.limit import LimitStage
from lukhas.pipeline.stages.limit_answers import QUOTA_EXCEEDED
from lukhas.pipeline.stages.limit_rules import LimitFields, LimitRules
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.costs import Cost, CostBasis
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.policies import LimitPolicy
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.routing.routes import RouteRule
from tests.unit.middleware.kit import HandClock, add, call, client, http_scope, make_pipeline


async def described(app: Any, path: str = "/openapi.json") -> dict[str, Any]:
    """What the app serves as its description."""
    async with client(app) as http:
        answer = await http.get(path)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


def limited(schema: dict[str, Any]) -> set[str]:
    """The operations that can answer 429."""
    return {
        f"{method.upper()} {path}"
        for path, item in schema["paths"].items()
        for method, operation in item.items()
        if "429" in operation.get("responses", {})
    }


def shop() -> FastAPI:
    """An app with routes of all sorts."""
    router = APIRouter(prefix="/v1")

    @router.get("/orders/{number:int}")
    @limit("5/minute")
    async def order(number: int) -> int:
        return number

    @router.post("/orders", dependencies=[Depends(limit("1/minute"))])
    async def place() -> None: ...

    @router.get("/health")
    @exempt
    async def health() -> None: ...

    @router.get("/plain")
    async def plain() -> None: ...

    app = FastAPI()
    app.include_router(router)
    return app


MARKED = {"GET /v1/orders/{number}", "POST /v1/orders"}


async def test_a_limited_route_shows_429_and_its_fields() -> None:
    """With the schema of the problem, and what an answer that passes tells."""
    app = shop()
    add(app)
    schema = await described(app)
    assert limited(schema) == MARKED
    responses = schema["paths"]["/v1/orders"]["post"]["responses"]
    assert set(responses["429"]["headers"]) == {"RateLimit", "RateLimit-Policy", "Retry-After"}
    reference = responses["429"]["content"]["application/problem+json"]["schema"]["$ref"]
    problem = schema["components"]["schemas"][reference.rpartition("/")[2]]
    assert problem["properties"]["type"]["const"] == QUOTA_EXCEEDED
    assert set(responses["200"]["headers"]) == {"RateLimit", "RateLimit-Policy"}
    assert "headers" not in schema["paths"]["/v1/plain"]["get"]["responses"]["200"]


async def test_the_schema_fits_what_is_sent() -> None:
    """Every member of a refusal is described, and every required one is there."""
    app = shop()
    add(app)
    schema = (await described(app))["components"]["schemas"]["QuotaExceededProblem"]
    async with client(app) as http:
        await http.post("/v1/orders")
        problem = (await http.post("/v1/orders")).json()
    assert set(problem) <= set(schema["properties"])
    assert set(schema["required"]) <= set(problem)


async def test_a_tier_limits_all_but_exempt_routes() -> None:
    """Exempt by a mark or in the settings."""
    app = shop()
    rule = RouteRule(
        name="plain", template="/v1/plain", exempt=True, cache=CachePolicy(mode=Mode.OFF)
    )
    add(app, free="100/minute", rules=[rule])
    assert limited(await described(app)) == MARKED


@pytest.mark.parametrize(
    ("policy", "found"),
    [
        ({}, MARKED | {"GET /v1/plain"}),
        ({"mode": Mode.SHADOW}, MARKED),
        ({"cost": Cost(CostBasis.MESSAGES)}, MARKED),
        ({"routes": frozenset(("default",))}, MARKED | {"GET /v1/plain"}),
        ({"routes": frozenset(("other",))}, MARKED),
    ],
)
async def test_a_policy_limits_where_it_can_refuse(policy: Any, found: set[str]) -> None:
    """Not in shadow mode, not by messages, not on other routes."""
    app = shop()
    add(app, policies=[LimitPolicy("all", parse_limits("9/minute", policy="all"), **policy)])
    assert limited(await described(app)) == found


async def test_a_function_that_gives_limits_may_refuse() -> None:
    """Nobody knows beforehand."""
    app = FastAPI()
    app.get("/")(limit(lambda request: "5/minute")(lambda: "ok"))
    add(app)
    assert limited(await described(app)) == {"GET /"}


async def test_what_the_app_says_itself_stays() -> None:
    """Its own 429, its own fields, and the schema that it keeps."""
    app = FastAPI()
    own: dict[int | str, dict[str, Any]] = {
        200: {"headers": {"RateLimit": {"description": "ours"}}},
        429: {"description": "our own words"},
    }
    app.get("/", responses=own)(limit("5/minute")(lambda: "ok"))
    before = app.openapi()
    add(app)
    responses = (await described(app))["paths"]["/"]["get"]["responses"]
    assert responses["200"]["headers"]["RateLimit"] == {"description": "ours"}
    assert responses["429"]["description"] == "our own words"
    assert "Retry-After" in responses["429"]["headers"]
    assert app.openapi_schema is before
    assert "headers" not in before["paths"]["/"]["get"]["responses"]["429"]


def kept(app: FastAPI) -> Callable[[], Any]:
    """As FastAPI's own documentation extends it."""

    def openapi() -> Any:
        if not app.openapi_schema:
            app.openapi_schema = get_openapi(title="Own", version="1", routes=app.routes)
        return app.openapi_schema

    return openapi


@pytest.mark.parametrize("makes", [kept, lambda _: kept(FastAPI()), lambda _: dict])
async def test_an_overridden_description_is_extended(makes: Any) -> None:
    """Whatever it returns."""
    app = shop()
    setattr(app, "openapi", makes(app))  # noqa: B010 - as people do
    add(app)
    for _ in range(2):
        schema = await described(app)
    assert schema.get("paths") is None or limited(schema) in (MARKED, set())
    assert makes is not kept or limited(schema) == MARKED


async def test_routes_and_limits_that_come_later_show() -> None:
    """Each time they change."""
    app = FastAPI()
    app.get("/a")(lambda: "a")
    clock = HandClock()
    pipeline = make_pipeline(clock)
    app.add_middleware(OptimizerMiddleware, pipeline=pipeline, clock=clock)
    assert limited(await described(app)) == set()
    app.get("/b")(limit("5/minute")(lambda: "b"))
    assert limited(await described(app)) == {"GET /b"}
    stage = next(one for one in pipeline.stages if isinstance(one, LimitStage))
    stage.rules = LimitRules(
        {Tier.FREE: parse_limits("9/minute", policy="free")}, fields=LimitFields(standard=False)
    )
    schema = await described(app)
    assert limited(schema) == {"GET /a", "GET /b"}
    assert set(schema["paths"]["/a"]["get"]["responses"]["429"]["headers"]) == {"Retry-After"}


async def test_an_app_without_a_description_is_left_alone() -> None:
    """A FastAPI app that switched it off, a Starlette app, and any other."""
    app = FastAPI(openapi_url=None)
    app.get("/")(limit("5/minute")(lambda: "ok"))
    add(app)
    async with client(app) as http:
        assert (await http.get("/")).status_code == 200
    assert "openapi" not in vars(app)
    starlette = Starlette()
    add(starlette)
    async with client(starlette) as http:
        assert (await http.get("/")).status_code == 404


async def test_a_middleware_around_the_app_describes_it_too() -> None:
    """Not only one that was added to it."""
    app = shop()
    clock = HandClock()
    wrapped = OptimizerMiddleware(app, pipeline=make_pipeline(clock), clock=clock)
    assert limited(await described(wrapped)) == MARKED


async def test_a_pipeline_without_limits_describes_none() -> None:
    """Nor one without routes."""
    app = FastAPI()
    app.get("/")(lambda: "ok")
    clock = HandClock()
    stages = make_pipeline(clock).stages
    for kept_names in ({"route", "identify"}, {"identify"}):
        left = [stage for stage in stages if stage.name in kept_names]
        pipeline = Pipeline(left, lambda _stage, _error: None)
        wrapped = OptimizerMiddleware(app, pipeline=pipeline, clock=clock)
        assert limited(await described(wrapped)) == set()
    assert (await call(wrapped, http_scope("/"))).status == 200
