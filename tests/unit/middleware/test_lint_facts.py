"""lukhas.middleware.lint_facts: what an app says of itself."""

from collections.abc import Callable

import pytest
from fastapi import Depends, FastAPI, Security
from fastapi.security import APIKeyCookie, APIKeyHeader, APIKeyQuery, HTTPBearer
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from lukhas.config.lint.remarks import AppRouteFacts
from lukhas.config.settings import Settings
from lukhas.middleware.fastapi import OptimizerMiddleware, cache, exempt, limit
from lukhas.middleware.lint_facts import app_facts

SETTINGS = Settings.model_validate({"routes": [{"name": "items", "path": "/items/{id}"}]})


def facts(app: object) -> dict[str, AppRouteFacts]:
    found = app_facts(app, SETTINGS)
    assert found is not None
    return {route.name: route for route in found if "/docs" not in route.name}


def endpoint() -> str:
    return "x"


def test_marks_and_settings() -> None:
    app = FastAPI(openapi_url=None)

    @app.get("/items/{id}")
    @cache(ttl_s=5, private=True)
    @limit("5/minute")
    def item(id: int) -> int:  # noqa: A002 - the name of the parameter
        return id

    @app.post("/free")
    @exempt
    def free() -> str:
        return "x"

    found = facts(app)
    item_facts = found["GET /items/{id}"]
    assert item_facts.in_settings == {"items"}
    assert (item_facts.cached, item_facts.cache_private, item_facts.limited) == (True, True, True)
    assert found["POST /free"].exempt
    assert found["POST /free"].in_settings == {"default"}


def test_a_route_behind_one_that_takes_everything() -> None:
    app = FastAPI(openapi_url=None)
    app.get("/users/{user}")(endpoint)
    app.get("/users/me")(endpoint)
    app.post("/users/me")(endpoint)
    app.get("/users/{user}/{part}")(endpoint)
    app.get("/files/{number:int}")(endpoint)
    app.get("/files/{name}")(endpoint)
    found = facts(app)
    assert {name: route.taken_by for name, route in found.items() if route.taken_by} == {
        "GET /users/me": "GET /users/{user}"
    }


@pytest.mark.parametrize(
    ("scheme", "fields", "queries"),
    [
        (HTTPBearer, {"authorization"}, set()),
        (lambda: APIKeyHeader(name="X-Token"), {"x-token"}, set()),
        (lambda: APIKeyCookie(name="session"), {"cookie"}, set()),
        (lambda: APIKeyQuery(name="key"), set(), {"key"}),
    ],
)
def test_where_credentials_come_from(
    scheme: Callable[[], Callable[..., object]], fields: set[str], queries: set[str]
) -> None:
    app = FastAPI()
    app.get("/secret", dependencies=[Security(scheme())])(endpoint)
    app.get("/open", dependencies=[Depends(endpoint)])(endpoint)
    app.add_middleware(OptimizerMiddleware)
    found = facts(app)
    assert found["GET /secret"].credential_fields == fields
    assert found["GET /secret"].credential_queries == queries
    assert found["GET /open"].credential_fields == frozenset()


def test_an_app_without_a_description() -> None:
    async def answer(_request: object) -> PlainTextResponse:
        return PlainTextResponse("x")

    found = facts(Starlette(routes=[Route("/a", answer, methods=["GET"])]))
    assert list(found) == ["GET /a"]


def test_what_has_no_routes() -> None:
    async def plain(_scope: object, _receive: object, _send: object) -> None:
        """An app without routes."""

    assert app_facts(plain, SETTINGS) is None
