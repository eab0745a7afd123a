"""Each lint rule finds what it is for, and nothing in settings that are as they should be."""

from pathlib import Path
from typing import Any

import pytest

from lukhas.config.key_paths import KeyPath
from lukhas.config.lint.linting import RULES, linted
from lukhas.config.lint.remarks import AppRouteFacts, LintFacts
from lukhas.config.settings import Settings

PAGE = Path(__file__).parents[4] / "docs" / "how-to" / "lint.md"
API = {"url": "http://127.0.0.1:9000"}
SPARE = {"name": "spare", "url": "http://127.0.0.1:9001"}


def route(**more: object) -> list[dict[str, object]]:
    return [{"name": "r", "path": "/r"} | more]


def found(tree: dict[str, Any], app: tuple[AppRouteFacts, ...] | None = None) -> list[str]:
    """Which rules say something, and about what."""

    def explicit(path: KeyPath) -> bool:
        node: Any = tree
        for key in path:
            try:
                node = node[key]
            except (KeyError, IndexError, TypeError):
                return False
        return True

    settings = Settings.model_validate(tree)
    told = linted(LintFacts(settings, explicit, app))
    assert all(each.remark.what and each.remark.hint for each in told)
    return [
        f"{each.rule.id} {place}"
        if isinstance(place := each.remark.place, str)
        else f"{each.rule.id} {'.'.join(map(str, place))}"
        for each in told
    ]


FIRING: list[tuple[dict[str, Any], str]] = [
    (
        {
            "routes": route(exempt=True),
            "limits": [{"name": "l", "limits": "5/minute", "routes": ["r"]}],
        },
        "LK101 limits.0.routes",
    ),
    ({"routes": route(exempt=True, limits="5/minute")}, "LK101 routes.0.limits"),
    ({"counters": {"store": "memory"}, "workers": 2}, "LK102 counters.store"),
    ({"counters": {"store": "memory"}, "workers": "auto"}, "LK102 counters.store"),
    ({"trusted_proxies": ["10.0.0.0/8", "::/0"]}, "LK103 trusted_proxies.1"),
    (
        {
            "listen": "127.0.0.1:8000",
            "limits": [{"name": "l", "limits": "5/minute", "by": "route+address"}],
        },
        "LK104 limits.0.by",
    ),
    ({"tiers": {"mode": "shadow"}}, "LK105 tiers.mode"),
    ({"cache": {"mode": "shadow"}}, "LK105 cache.mode"),
    ({"overload": {"mode": "shadow"}}, "LK105 overload.mode"),
    ({"routes": route(cache_mode="shadow")}, "LK105 routes.0.cache_mode"),
    ({"routes": route(limits="5/minute", limits_mode="shadow")}, "LK105 routes.0.limits_mode"),
    ({"openapi": {"file": "api.json", "requests": "shadow"}}, "LK105 openapi.requests"),
    (
        {"limits": [{"name": "l", "limits": "5/minute", "mode": "shadow"}]},
        "LK105 limits.0.mode",
    ),
    ({"upstream": API, "upstreams": [SPARE]}, "LK106 upstreams.0.name"),
    ({"tiers": {"basic": "30/minute"}}, "LK107 tiers.basic"),
    ({"tiers": {"free": None}}, "LK107 tiers.basic"),
    ({"routes": route(cache_ttl_s=5, methods=["DELETE"])}, "LK108 routes.0.cache_ttl_s"),
    (
        {"upstream": API | {"timeout_s": 2, "response_timeout_s": 5}},
        "LK109 upstream.response_timeout_s",
    ),
    (
        {"upstreams": [SPARE | {"timeout_s": 2, "connect_timeout_s": 5}]},
        "LK109 upstreams.0.connect_timeout_s",
    ),
    (
        {"upstream": API | {"balancing": {"hedging": {"percentile": 95}}}},
        "LK110 upstream.balancing.hedging",
    ),
    ({"upstream": API | {"tls": {"verify": False}}}, "LK111 upstream.tls.verify"),
    ({"cache": {"disk_bytes": 0, "body_files_bytes": 1}}, "LK112 cache.body_files_bytes"),
    ({"tiers": {"free": "60/minute; 3600/hour"}}, "LK113 tiers.free"),
    ({"routes": route(limits="100/hour; 100000/day")}, "LK113 routes.0.limits"),
    (
        {"limits": [{"name": "l", "limits": "10/second; 599/minute; 900000/day"}]},
        "LK113 limits.0.limits",
    ),
]


@pytest.mark.parametrize(("tree", "told"), FIRING, ids=[told for _, told in FIRING])
def test_a_rule_finds_what_it_is_for(tree: dict[str, Any], told: str) -> None:
    """That alone, with its place."""
    assert found(tree) == [told]


@pytest.mark.parametrize(
    "tree",
    [
        {},
        {"upstream": API, "workers": 4, "trusted_proxies": ["10.0.0.0/8"]},
        {"counters": {"store": "memory"}},
        {"upstreams": [SPARE]},
        {"upstream": API, "upstreams": [SPARE], "routes": route(upstream="spare")},
        {"upstream": API, "upstreams": [SPARE], "routes": route(split={"spare": 1, "default": 9})},
        {
            "upstream": API,
            "upstreams": [SPARE],
            "routes": route(best_of={"upstreams": ["default", "spare"]}),
        },
        {"upstream": API, "upstreams": [SPARE], "routes": route(mirror={"upstream": "spare"})},
        {"upstream": API, "upstreams": [SPARE], "routes": route(fallback={"upstream": "spare"})},
        {"upstream": API, "routes": route(fallback={"status": 200})},
        {"tiers": {"enterprise": None, "premium": None}},
        {"tiers": {"free": "5/second", "basic": "6/second"}},
        {"tiers": {"free": "60/minute; 3599/hour"}},
        {"tiers": {"free": "10/second; 59/6s"}},
        {"routes": route(limits="5/second burst 20; 1000000/hour; 2 concurrent")},
        {"routes": route(limits="5/minute"), "limits": [{"name": "l", "limits": "1/s"}]},
        {"routes": route(cache_ttl_s=5, methods=["GET", "DELETE"])},
        {"upstream": API | {"timeout_s": 30, "response_timeout_s": 5}},
        {
            "upstream": API
            | {"targets": ["http://127.0.0.1:9001"], "balancing": {"hedging": {"percentile": 95}}}
        },
        {
            "listen": "127.0.0.1:8000",
            "trusted_proxies": ["127.0.0.1/32"],
            "limits": [{"name": "l", "limits": "5/minute", "by": "address"}],
        },
    ],
)
def test_what_is_as_it_should_be_gets_no_remark(tree: dict[str, Any]) -> None:
    assert found(tree) == []


def app(**more: Any) -> tuple[AppRouteFacts, ...]:
    return (AppRouteFacts("GET /r", frozenset(("GET",)), in_settings=frozenset(("r",)), **more),)


@pytest.mark.parametrize(
    ("tree", "facts", "told"),
    [
        ({"routes": route(name="x")}, {}, "LK201 routes.0.path"),
        ({}, {"taken_by": "GET /{x}"}, "LK202 GET /r"),
        ({}, {"cached": True, "credential_fields": frozenset(("x-token",))}, "LK203 GET /r"),
        (
            {"cache": {"profile": "strict-rfc"}},
            {"cached": True, "credential_fields": frozenset(("cookie",))},
            "LK203 GET /r",
        ),
        ({}, {"credential_queries": frozenset(("key",))}, "LK204 GET /r"),
        ({}, {"limited": True, "exempt": True}, "LK206 GET /r"),
    ],
)
def test_a_rule_about_an_app(tree: dict[str, Any], facts: dict[str, Any], told: str) -> None:
    assert found(tree, app(**facts)) == [told]


def test_a_cache_where_nothing_is_read() -> None:
    facts = AppRouteFacts("POST /r", frozenset(("POST",)), cached=True)
    assert found({}, (facts,)) == ["LK205 POST /r"]


@pytest.mark.parametrize(
    ("tree", "facts"),
    [
        ({"routes": route()}, {"cached": True, "limited": True}),
        ({"routes": [{"name": "all", "path": "*"}]}, {}),
        ({}, {"cached": True, "credential_fields": frozenset(("authorization", "x-api-key"))}),
        ({}, {"cached": True, "credential_fields": frozenset(("cookie",))}),
        ({}, {"credential_fields": frozenset(("x-token",))}),
        (
            {},
            {"cached": True, "cache_private": True, "credential_fields": frozenset(("x-token",))},
        ),
        (
            {"identity": {"credential_headers": ["X-Token"]}},
            {"cached": True, "credential_fields": frozenset(("x-token",))},
        ),
    ],
)
def test_an_app_as_it_should_be_gets_no_remark(tree: dict[str, Any], facts: dict[str, Any]) -> None:
    assert found(tree, app(**facts)) == []


@pytest.mark.parametrize(("number", "told"), [(1, "1 route was"), (2, "2 routes were")])
def test_changes_that_an_app_does_not_see(number: int, told: str) -> None:
    facts = LintFacts(Settings(), lambda _: True, (), unseen_changes=number)
    (remark,) = linted(facts)
    assert (remark.rule.id, remark.remark.place) == ("LK207", ("state_dir",))
    assert remark.remark.what.startswith(f"{told} changed over the admin API")


def test_a_rule_can_be_left_out() -> None:
    settings = Settings.model_validate({"cache": {"mode": "shadow"}})
    facts = LintFacts(settings, lambda _: True)
    assert [each.rule.id for each in linted(facts)] == ["LK105"]
    assert linted(facts, ignored=["LK105"]) == []


def test_ids_are_unique_and_the_page_has_them_all() -> None:
    ids = [rule.id for rule in RULES]
    assert len(ids) == len(set(ids))
    page = PAGE.read_text(encoding="utf-8")
    listed = [line for line in page.splitlines() if line.startswith("| `LK")]
    assert listed == [f"| `{rule.id}` | {rule.title} |" for rule in RULES]
