"""The route that a request runs into is the one whose limits apply."""

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.convertors import CONVERTOR_TYPES, Convertor, register_url_convertor
from starlette.routing import Host, Match, Mount, Route, Router

from lukhas.middleware import limit
from lukhas.middleware.app_routes import RouteIndex
from lukhas.middleware.discovery import discover
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.policies import LimitPolicy
from lukhas.policy.routing.routes import RouteRule
from tests.unit.middleware.kit import (
    add,
    call,
    http_scope,
    statuses,
)
from tests.unit.middleware.routes import limited, plain, starlette
from tests.unit.middleware.stages import hello


@pytest.mark.parametrize(
    ("template", "path", "other"),
    [
        ("/files/{name}.json", "/files/a.json", "/files/a.txt"),
        ("/{name:path}/tail", "/a/b/tail", "/a/b"),
        ("/number/{id:int}", "/number/12", "/number/x"),
        ("/v{version}/items", "/v2/items", "/w2/items"),
        ("/rest/{rest:path}", "/rest/a/b/", "/rest"),
        ("/plain", "/plain", "/plain/"),
    ],
)
async def test_any_template_can_be_limited(template: str, path: str, other: str) -> None:
    """Templates that our own route table cannot hold are limited too, and nothing beside them."""
    app = FastAPI(redirect_slashes=False)
    add(app)
    app.get(template)(limit("1/minute")(lambda: "ok"))
    assert await statuses(app, path, 2) == [200, 429]
    assert await statuses(app, other, 2) == [404, 404]


async def test_the_app_tries_its_routes_in_order() -> None:
    """The limit is that of the route that runs: the first that fits, however special others are."""
    app = starlette(
        Route("/users/{name}", limited(1)),
        Route("/users/me", limited(5)),
        Route("/first", plain),
        Route("/{any}", limited(1)),
    )
    assert await statuses(app, "/users/me", 2) == [200, 429]
    assert await statuses(app, "/first", 3) == [200] * 3


@pytest.mark.parametrize("path", ["/it%65ms", "/items", "/%69tems"])
async def test_another_spelling_does_not_evade_a_limit(path: str) -> None:
    """Percent-encoding makes no second bucket: what the app sees is what is limited."""
    app = starlette(Route("/items", limited(1)))
    assert await statuses(app, "/items", 1) == [200]
    assert await statuses(app, path, 1) == [429]


async def test_an_encoded_slash_or_newline_does_not_evade_a_limit() -> None:
    """Starlette decodes an encoded slash before it routes, and its patterns let a newline end."""
    app = starlette(Route("/a/b", limited(1)), Route("/c/{rest:path}", limited(1)))
    assert await statuses(app, "/a/b", 1) == [200]
    assert await statuses(app, "/a%2Fb", 1) == [429]
    assert await statuses(app, "/a/b%0A", 1) == [429]
    assert await statuses(app, "/c/d/e", 1) == [200]
    assert await statuses(app, "/c/d%2fe", 1) == [429]


async def test_settings_see_the_path_as_the_app_does() -> None:
    """An encoded slash evades no limit of the settings either."""
    rule = RouteRule(name="ab", template="/a/b", cache=CachePolicy(mode=Mode.OFF))
    policy = LimitPolicy("ab", parse_limits("1/minute", policy="ab"), routes=frozenset(("ab",)))
    app = starlette(Route("/a/b", plain), rules=(rule,), policies=(policy,))
    assert await statuses(app, "/a/b", 1) == [200]
    assert await statuses(app, "/a%2Fb", 1) == [429]


async def test_mounts_and_root_paths() -> None:
    """Routes inside mounts are limited, with and without a root path of the server."""
    inside = FastAPI()
    inside.get("/x")(limit("2/minute")(lambda: "ok"))
    app = starlette(
        Mount("/sub/{tenant}", app=inside),
        Mount("/deep", routes=[Mount("/er", routes=[Route("/y", limited(1))])]),
        Mount("/static", app=hello),
        Route("/static/never", limited(1)),
    )
    assert await statuses(app, "/sub/a/x", 1) == [200]
    assert await statuses(app, "/sub/b/x", 2) == [200, 429]
    assert await statuses(app, "/deep/er/y", 2) == [200, 429]
    assert await statuses(app, "/static/never", 3) == [200] * 3
    rooted = starlette(Route("/z", limited(1)))
    assert await statuses(rooted, "/root/z", 2, root_path="/root") == [200, 429]
    assert await statuses(rooted, "/z", 1, root_path="/root") == [429]
    assert await statuses(rooted, "/rooted", 1, root_path="/root") == [404]
    assert await statuses(rooted, "/root", 1, root_path="/root") == [404]


async def test_hosts() -> None:
    """A limit below a host holds for this host only."""
    inside = Router(routes=[Route("/", limited(1))])
    app = starlette(Host("api.{zone}", inside), Route("/", plain))
    names = ("api.example", "API.example:8080", "www.example", "www.example", "[::1]:80")
    found = []
    for name in names:
        wire = await call(app, http_scope(headers=[(b"host", name.encode())]))
        found.append(wire.status)
    assert found == [200, 429, 200, 200, 200]


class Letters(Convertor[str]):
    regex = "(a|b)+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


async def test_custom_converters_with_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups in a converter's pattern do not shift which route is found."""
    monkeypatch.setitem(CONVERTOR_TYPES, "letters", Letters())
    register_url_convertor("letters", Letters())
    app = starlette(Route("/{x:letters}", limited(1)), Route("/{x}", limited(2)))
    assert await statuses(app, "/abab", 2) == [200, 429]
    assert await statuses(app, "/other", 3) == [200, 200, 429]


_SEGMENTS = st.sampled_from(["a", "b", "{x}", "{n:int}", "a{y}", "{rest:path}", "7", ""])
_PATHS = st.lists(st.sampled_from(["a", "b", "ab", "7", "", "a\n"]), max_size=4)
_TEMPLATES = st.lists(_SEGMENTS, max_size=3, unique_by=lambda s: s if "{" in s else object())
_METHODS = st.sampled_from([["GET"], ["POST"], ["GET", "PUT"]])


@given(st.lists(st.tuples(_TEMPLATES, _METHODS), max_size=6), _PATHS, st.sampled_from("GP"))
def test_the_index_finds_what_starlette_finds(
    routes: list[tuple[list[str], list[str]]], segments: list[str], initial: str
) -> None:
    """For any routes and path, the route found is the first that Starlette matches fully."""
    found = [
        Route("/" + "/".join(template), plain, methods=methods) for template, methods in routes
    ]
    path = "/" + "/".join(segments)
    method = {"G": "GET", "P": "POST"}[initial]
    scope = {"type": "http", "method": method, "path": path, "headers": []}
    full = [route.matches(scope)[0] is Match.FULL for route in found]
    expected = full.index(True) if True in full else -1
    index = RouteIndex(discover(Starlette(routes=list(found))).routes)
    assert index.find(method, b"", path) == expected
