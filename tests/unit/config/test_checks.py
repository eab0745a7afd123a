"""Mistakes that no single value shows."""

from typing import Any

import pytest

from lukhas.config.checks import check_settings
from lukhas.config.key_paths import dotted
from lukhas.config.settings import Settings

UPSTREAM = {"upstream": "http://localhost:9000"}
TOKEN = "0123456789abcdef"


def _route(**values: object) -> dict[str, object]:
    return {"name": "r", "path": "/x/{a}", **values}


def findings(tree: dict[str, Any]) -> list[tuple[str, str]]:
    found = check_settings(Settings.model_validate(UPSTREAM | tree), needs_upstream=True)
    return [(dotted(finding.path), finding.what) for finding in found if finding.hint]


@pytest.mark.parametrize(
    "tree",
    [
        {},
        {"listen": "127.0.0.1:0", "admin": {"listen": "127.0.0.1:0"}},
        {"admin": {"listen": "0.0.0.0:8001", "token": TOKEN}},
        {
            "routes": [
                {"name": "a", "path": "/x/{id}", "methods": ["GET"]},
                {"name": "b", "path": "/x/{id}", "methods": ["PUT"]},
                {"name": "c", "path": "/x/{id}"},
                {"name": "d", "path": "/x/{id}", "hosts": ["h"]},
                {"name": "e", "path": "/x/{rest:path}"},
                {"name": "f", "path": "/x/y"},
            ]
        },
        {
            "routes": [{"name": "a", "path": "/x"}],
            "limits": [{"name": "l", "limits": "5/s", "routes": ["a"]}],
        },
        {"upstream": {"targets": ["http://a/x", "https://b/x"]}},
        {"upstream": "unix:/run/api.sock"},
        {"cache": {"default_ttl_s": 5, "max_ttl_s": 5}},
        {"routes": [{"name": "a", "path": "/x/{id}", "rewrite": "/y/{id}"}]},
        {"routes": [{"name": "a", "path": "/x", "redirect": "https://x.test/y"}]},
        {
            "cors": {"mode": "enforce", "origins": ["https://a.test"]},
            "routes": [{"name": "a", "path": "/x", "cors": "off"}],
        },
        {"overload": {"min_limit": 7, "max_limit": 7, "initial_limit": 7}},
        {"overload": {"shares": {"free": 45}}},
    ],
)
def test_settings_that_fit_have_no_findings(tree: dict[str, Any]) -> None:
    """What fits together is left alone."""
    assert findings(tree) == []


@pytest.mark.parametrize(
    ("tree", "path", "part"),
    [
        ({"admin": {"listen": "127.0.0.1:8000"}}, "admin.listen", "both 127.0.0.1:8000"),
        ({"listen": "0.0.0.0:8001"}, "admin.listen", "collides"),
        ({"admin": {"listen": "0.0.0.0:8001"}}, "admin.listen", "without a token"),
        ({"upstream": "http://127.0.0.1:8000"}, "upstream.url", "gateway itself"),
        ({"upstream": "http://localhost:8001"}, "upstream.url", "gateway itself"),
        ({"routes": [_route(rewrite="/{b}")]}, "routes[0].rewrite", "names the parameter"),
        ({"routes": [_route(rewrite="http://x/")]}, "routes[0].rewrite", "is not a path"),
        ({"routes": [_route(redirect="x")]}, "routes[0].redirect", "is not a path"),
        (
            {"routes": [_route(rewrite="/b", redirect="/c")]},
            "routes[0].redirect",
            "rewritten and redirected",
        ),
        ({"cors": {"mode": "enforce"}}, "cors.origins", "allows no origin"),
        ({"routes": [_route(cors="enforce")]}, "routes[0].cors_origins", "allows no origin"),
        (
            {"cors": {"mode": "enforce", "origins": ["*"], "credentials": True}},
            "cors.origins",
            "every origin",
        ),
        ({"upstream": {"targets": ["http://127.0.0.1:8001"]}}, "upstream.targets[0]", "itself"),
        (
            {"upstream": {"url": "http://a", "weights": {"http://b": 1}}},
            "upstream.weights",
            "no server of the upstream",
        ),
        (
            {"upstream": {"url": "http://a", "weights": {"http://a": 0}}},
            "upstream.weights",
            "no server has a weight",
        ),
        ({"upstreams": [{"name": "b"}]}, "upstreams[0].url", "has no server"),
        (
            {"upstreams": [{"name": "b", "url": "http://b"}, {"name": "b", "url": "http://c"}]},
            "upstreams[1].name",
            "taken by another",
        ),
        (
            {"upstreams": [{"name": "default", "url": "http://b"}]},
            "upstreams[0].name",
            "all other requests",
        ),
        (
            {"upstreams": [{"name": "b", "targets": ["http://127.0.0.1:8001"]}]},
            "upstreams[0].targets[0]",
            "upstreams[0].targets[0] http://127.0.0.1:8001 is the gateway itself",
        ),
        ({"routes": [_route(upstream="b")]}, "routes[0].upstream", "none of upstreams"),
        ({"routes": [_route(split={"b": 1})]}, "routes[0].split", "none of upstreams"),
        (
            {"routes": [_route(best_of={"upstreams": ["default", "b"]})]},
            "routes[0].best_of.upstreams",
            "none of upstreams",
        ),
        (
            {
                "upstreams": [{"name": "b", "url": "http://b"}],
                "routes": [_route(best_of={"upstreams": ["default", "b"]}, upstream="b")],
            },
            "routes[0].best_of",
            "has best_of and upstream",
        ),
        (
            {
                "upstreams": [{"name": "b", "url": "http://b"}],
                "routes": [_route(best_of={"upstreams": ["default", "b"]}, split={"b": 1})],
            },
            "routes[0].best_of",
            "has best_of and split",
        ),
        ({"routes": [_route(split={"default": 0})]}, "routes[0].split", "weight above 0"),
        (
            {"routes": [_route(split={"default": 1}, upstream="default")]},
            "routes[0].split",
            "and is split",
        ),
        (
            {"upstream": {"url": "http://a", "targets": ["http://A:80"]}},
            "upstream.targets[0]",
            "is there twice",
        ),
        ({"upstream": {}}, "upstream.url", "is missing"),
        ({"overload": {"min_limit": 9, "max_limit": 8}}, "overload.min_limit", "max_limit 8"),
        ({"overload": {"initial_limit": 9}}, "overload.initial_limit", "not between"),
        ({"overload": {"initial_limit": 1001}}, "overload.initial_limit", "not between"),
        ({"overload": {"shares": {"free": 46}}}, "overload.shares", "101 percent"),
        ({"listen": "127.0.0.1:80", "upstream": "http://127.0.0.1"}, "upstream.url", "itself"),
        (
            {"listen": "0.0.0.0:8000", "upstream": "http://127.0.0.2:8000"},
            "upstream.url",
            "gateway itself",
        ),
        (
            {"routes": [{"name": "a", "path": "/x/{i}"}, {"name": "b", "path": "/x/{j}"}]},
            "routes[1]",
            "same requests as 'a'",
        ),
        (
            {
                "routes": [
                    {"name": "a", "path": "/x", "methods": ["GET", "PUT"]},
                    {"name": "b", "path": "/x", "methods": ["put"]},
                ]
            },
            "routes[1]",
            "same requests",
        ),
        (
            {"routes": [{"name": "a", "path": "/x"}, {"name": "a", "path": "/y"}]},
            "routes[1].name",
            "two routes",
        ),
        (
            {"limits": [{"name": "l", "limits": "5/s", "routes": ["nope"]}]},
            "limits[0].routes[0]",
            "does not exist",
        ),
        ({"limits": [{"name": "free", "limits": "5/s"}]}, "limits[0].name", "a tier"),
        (
            {"limits": [{"name": "l", "limits": "5/s"}, {"name": "l", "limits": "5/s"}]},
            "limits[1].name",
            "another limit",
        ),
        (
            {
                "routes": [{"name": "a", "path": "/x", "limits": "5/s"}],
                "limits": [{"name": "a", "limits": "5/s"}],
            },
            "limits[0].name",
            "a route with limits",
        ),
        (
            {
                "routes": [{"name": "a", "path": "/x", "exempt": True}],
                "limits": [{"name": "l", "limits": "5/s", "routes": ["a"]}],
            },
            "limits[0].routes",
            "exempt",
        ),
        (
            {"routes": [{"name": "a", "path": "/x", "exempt": True, "limits": "5/s"}]},
            "routes[0].limits",
            "exempt",
        ),
        (
            {"routes": [{"name": "free", "path": "/x", "limits": "5/s"}]},
            "routes[0].name",
            "name of a tier",
        ),
        ({"routes": [{"name": "default", "path": "/x"}]}, "routes[0].name", "all other requests"),
        ({"cache": {"default_ttl_s": 9, "max_ttl_s": 5}}, "cache.default_ttl_s", "above"),
        (
            {"cache": {"max_ttl_s": 5}, "routes": [{"name": "a", "path": "/", "cache_ttl_s": 6}]},
            "routes[0].cache_ttl_s",
            "above",
        ),
        ({"cache": {"size_bytes": 10, "max_body_bytes": 11}}, "cache.max_body_bytes", "above"),
    ],
)
def test_settings_that_do_not_fit_are_found(tree: dict[str, Any], path: str, part: str) -> None:
    """Each mistake is found once, at the value to change."""
    ((found, what),) = findings(tree)
    assert found == path
    assert part in what


def test_a_missing_upstream_matters_to_the_gateway_only() -> None:
    """The middleware and the hub have no upstream."""
    assert list(check_settings(Settings(), needs_upstream=False)) == []
    (finding,) = check_settings(Settings(), needs_upstream=True)
    assert "upstream.url is missing" in finding.what


def test_a_limit_on_messages_is_for_the_middleware() -> None:
    """The gateway has none to count, so there it would be ignored silently."""
    tree = {"limits": [{"name": "chat", "limits": "5/s", "cost": "messages"}]}
    assert findings(tree) == [
        ("limits[0].cost", "the limit 'chat' counts messages, and no route carries WebSocket")
    ]
    assert not list(check_settings(Settings.model_validate(tree), needs_upstream=False))
