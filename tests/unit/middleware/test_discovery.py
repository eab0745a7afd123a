"""Finding the routes of an app and what they ask for."""

from functools import partial, wraps
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Match, Mount, Route, WebSocketRoute

from lukhas.errors import ConfigError
from lukhas.middleware import cache, limit
from lukhas.middleware.discovery import discover, router_of
from tests.unit.middleware.kit import (
    add,
    client,
    optimized,
    statuses,
)
from tests.unit.middleware.routes import limited, plain, plain_copy, starlette
from tests.unit.middleware.stages import hello


async def test_the_middleware_inside_a_mounted_app() -> None:
    """A mounted app with the middleware of its own is limited below any root path."""
    inside = FastAPI()
    add(inside)
    inside.get("/x")(limit("2/minute")(lambda: "ok"))
    app = Starlette(routes=[Mount("/{tenant}", app=inside)])
    for tenant in range(70):
        await statuses(app, f"/t{tenant}/none", 1)
    assert await statuses(app, "/a/x", 1) == [200]
    assert await statuses(app, "/b/x", 2) == [200, 429]


async def test_middleware_around_a_mounted_app_hides_nothing() -> None:
    """Marks inside an app that is mounted behind some middleware are found."""

    class Around:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, *connection: Any) -> None:
            await self.app(*connection)

    inside = Starlette(routes=[Route("/x", limited(1))])
    app = starlette(Mount("/m", app=Around(inside)))
    assert await statuses(app, "/m/x", 2) == [200, 429]


async def test_the_middleware_may_stand_outside_the_app() -> None:
    """Wrapping the app by hand works like `add_middleware`."""
    app = FastAPI()
    app.get("/")(limit("1/minute")(lambda: "ok"))
    assert await statuses(optimized(app), "/", 2) == [200, 429]


async def test_routes_added_later_are_found() -> None:
    """A route added after the first request is limited, in the app and in an included router."""
    app = FastAPI()
    router = APIRouter()
    outer = APIRouter()
    add(app)
    outer.include_router(router)
    app.include_router(outer)
    assert await statuses(app, "/one", 1) == [404]
    app.get("/one")(limit("1/minute")(lambda: "ok"))
    router.get("/two")(limit("1/minute")(lambda: "ok"))
    assert await statuses(app, "/one", 2) == [200, 429]
    assert await statuses(app, "/two", 2) == [200, 429]
    app.router.routes = [*app.router.routes[:-1], Route("/three", limited(1))]
    assert await statuses(app, "/three", 2) == [200, 429]


async def test_class_endpoints() -> None:
    """Marks on a class hold for all its methods, marks on a method for that one."""

    class Items(HTTPEndpoint):
        @limit("1/minute", name="read")
        async def get(self, _request: Request) -> PlainTextResponse:
            return PlainTextResponse("read")

        async def post(self, _request: Request) -> PlainTextResponse:
            return PlainTextResponse("write")

    @limit("2/minute")
    class Things(HTTPEndpoint):
        async def get(self, _request: Request) -> PlainTextResponse:
            return PlainTextResponse("read")

    app = starlette(Route("/items", Items), Route("/things", Things))
    assert await statuses(app, "/items", 2) == [200, 429]
    assert await statuses(app, "/items", 2, method="HEAD") == [429, 429]
    assert await statuses(app, "/items", 3, method="POST") == [200] * 3
    assert await statuses(app, "/things", 3) == [200, 200, 429]


async def test_marks_behind_wrappers_are_found() -> None:
    """Neither `functools.wraps` nor `partial` nor a method hides a mark."""

    def wrapper(function: Any) -> Any:
        @wraps(function)
        def wrapped(*arguments: Any) -> Any:
            return function(*arguments)

        return wrapped

    class Service:
        @limit("1/minute")
        def serve(self, _request: Request) -> PlainTextResponse:
            return PlainTextResponse("ok")

    inner = plain_copy()
    limit("1/minute")(wrapper(inner))
    app = starlette(
        Route("/wrapped", wrapper(limited(1))),
        Route("/partial", partial(limited(1))),
        Route("/method", Service().serve),
        Route("/outer", inner),
    )
    for path in ("/wrapped", "/partial", "/method", "/outer"):
        assert await statuses(app, path, 2) == [200, 429], path


async def test_marks_among_the_parameters() -> None:
    """`Depends` works as a parameter, annotated, and inside another dependency."""

    def nested(_limited: Annotated[None, Depends(limit("1/minute"))]) -> str:
        return "nested"

    app = FastAPI()
    add(app)

    @app.get("/default")
    async def default(_limited: None = Depends(limit("1/minute"))) -> str:
        return "ok"

    @app.get("/nested")
    async def uses(word: Annotated[str, Depends(nested)]) -> str:
        return word

    assert await statuses(app, "/default", 2) == [200, 429]
    assert await statuses(app, "/nested", 2) == [200, 429]


async def test_a_mark_without_the_middleware_says_so() -> None:
    """As a dependency a mark refuses to do nothing silently."""
    app = FastAPI()

    @app.get("/", dependencies=[Depends(cache(30))])
    async def index() -> str:
        return "ok"

    async with client(app) as http:
        with pytest.raises(ConfigError, match="add_middleware"):
            await http.get("/")


class Headed(APIRoute):
    """A route that also looks at the fields of the request."""

    def matches(self, scope: Any) -> Any:
        return super().matches(scope) if "x-version" in dict(scope["headers"]) else (Match.NONE, {})


class Odd(BaseRoute):
    endpoint = staticmethod(limited(1))


@pytest.mark.parametrize("included", [False, True])
def test_a_route_that_matches_in_its_own_way_cannot_be_marked(included: bool) -> None:
    """What we cannot match as the app does is refused; unmarked, it is left to the settings."""
    app = FastAPI()
    router = APIRouter(route_class=Headed)
    target: Any = router if included else app.router
    if not included:
        app.router.route_class = Headed
    target.add_api_route("/plain", lambda: "ok")
    if included:
        app.include_router(router, prefix="/in")
    assert not any(route.template.endswith("/plain") for route in discover(app).routes)
    target.add_api_route("/marked", limit("1/minute")(lambda: "ok"))
    with pytest.raises(ConfigError, match="Headed"):
        discover(app)


def test_an_unknown_kind_of_route_cannot_be_marked() -> None:
    """A mark on something that is no path route is refused."""
    with pytest.raises(ConfigError, match="Odd"):
        discover(Starlette(routes=[Odd()]))
    assert discover(Starlette(routes=[BaseRoute()])).routes == ()


def test_websocket_routes_may_stand_beside() -> None:
    """Unmarked WebSocket routes are no HTTP routes."""
    assert discover(Starlette(routes=[WebSocketRoute("/ws", plain)])).routes == ()


def test_an_app_without_routes() -> None:
    """A bare ASGI app has no router, and nothing to become stale."""
    assert router_of(hello) is None
    assert not discover(hello).is_stale()


async def test_frontends_are_limited_by_the_routers_dependencies(tmp_path: Any) -> None:
    """FastAPI's static frontends, tried last, obey the limits of their router."""
    (tmp_path / "index.html").write_text("<p>ok</p>")
    app = FastAPI(dependencies=[Depends(limit("2/minute"))])
    add(app)
    app.frontend("/ui", directory=tmp_path)
    router = APIRouter(dependencies=[Depends(limit("1/minute"))])
    router.frontend("/docs2", directory=tmp_path)
    app.include_router(router, prefix="/more")
    assert await statuses(app, "/ui/index.html", 3) == [200, 200, 429]
    assert await statuses(app, "/more/docs2/index.html", 2) == [200, 429]


async def test_other_routes_that_are_tried_last_are_found() -> None:
    """Whatever FastAPI tries last can be limited."""
    app = FastAPI()
    add(app)
    app.router._low_priority_routes.append(APIRoute("/last", limit("1/minute")(lambda: "ok")))
    assert await statuses(app, "/last", 2) == [200, 429]
