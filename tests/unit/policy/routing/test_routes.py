"""The route table."""

import pytest

from lukhas.errors import ConfigError
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.routing.routes import RouteMatch, RouteRule, RouteTable

CACHE = CachePolicy()
DEFAULT = RouteRule("default", "*", CACHE)


def rule(
    name: str, template: str, methods: tuple[str, ...] = (), hosts: tuple[bytes, ...] = ()
) -> RouteRule:
    return RouteRule(name, template, CACHE, hosts=frozenset(hosts), methods=frozenset(methods))


def table(*rules: RouteRule) -> RouteTable:
    return RouteTable(rules, default=DEFAULT)


def find(routes: RouteTable, path: bytes, method: str = "GET", host: bytes = b"a.test") -> str:
    return routes.match(method, host, path).rule.name


def test_without_rules_everything_is_the_default() -> None:
    """One shared match, whatever is asked."""
    empty = table()
    assert empty.match("GET", b"a.test", b"/") is empty.default
    assert empty.default == RouteMatch(DEFAULT, ())
    assert empty.rules == ()


def test_no_match_is_the_default() -> None:
    """Too short, too long, other words."""
    routes = table(rule("users", "/users/{id}"))
    for path in (b"/", b"/users", b"/users/", b"/users/1/", b"/users/1/2", b"/user/1", b"/Users/1"):
        assert routes.match("GET", b"a.test", path) is routes.default
    assert routes.rules == (rule("users", "/users/{id}"),)


def test_literals_match_segment_by_segment() -> None:
    """The root, a word, several; a final slash makes another path."""
    routes = table(rule("root", "/"), rule("a", "/a"), rule("slash", "/a/"), rule("ab", "/a/b"))
    assert find(routes, b"/") == "root"
    assert find(routes, b"/a") == "a"
    assert find(routes, b"/a/") == "slash"
    assert find(routes, b"/a/b") == "ab"
    assert find(routes, b"//") == "default"


def test_a_literal_match_is_shared_and_has_no_parameters() -> None:
    """Nothing is made for it at the time of the request."""
    routes = table(rule("a", "/a"))
    assert routes.match("GET", b"", b"/a") is routes.match("GET", b"", b"/a")
    assert routes.match("GET", b"", b"/a").params == ()


def test_parameters_are_given_in_order_as_received() -> None:
    """Percent-encoding is left alone; an empty segment is no value."""
    routes = table(rule("x", "/a/{one}/b/{two}"))
    found = routes.match("GET", b"", b"/a/%C3%A9/b/2")
    assert found == RouteMatch(rule("x", "/a/{one}/b/{two}"), (b"%C3%A9", b"2"))
    assert find(routes, b"/a//b/2") == "default"


def test_the_rest_takes_slashes_and_may_be_empty() -> None:
    """But the slash before it must be there."""
    routes = table(rule("files", "/files/{name}/{rest:path}"))
    assert routes.match("GET", b"", b"/files/1/a/b").params == (b"1", b"a/b")
    assert routes.match("GET", b"", b"/files/1/").params == (b"1", b"")
    assert find(routes, b"/files/1") == "default"


def test_a_star_takes_every_path() -> None:
    """The whole path is its parameter."""
    routes = table(rule("all", "*"), rule("a", "/a"))
    assert find(routes, b"/a") == "a"
    assert find(routes, b"/") == "all"
    assert routes.match("GET", b"", b"/b/c").params == (b"b/c",)


def test_a_literal_wins_over_a_parameter_and_that_over_the_rest() -> None:
    """Whatever order they are written in."""
    rules = [
        rule("rest", "/a/{x:path}"),
        rule("one", "/a/{x}"),
        rule("word", "/a/b"),
        rule("deep", "/a/{x}/c"),
    ]
    for routes in (table(*rules), table(*reversed(rules))):
        assert find(routes, b"/a/b") == "word"
        assert find(routes, b"/a/z") == "one"
        assert find(routes, b"/a/b/c") == "deep"
        assert find(routes, b"/a/b/d") == "rest"
        assert find(routes, b"/a/") == "rest"


def test_a_dead_end_leads_back_to_the_next_best() -> None:
    """From a literal to a parameter, from there to the rest, over several segments."""
    routes = table(
        rule("words", "/a/b/c"),
        rule("params", "/{x}/{y}/d"),
        rule("rest", "/{x:path}"),
    )
    assert routes.match("GET", b"", b"/a/b/d") == RouteMatch(
        rule("params", "/{x}/{y}/d"), (b"a", b"b")
    )
    assert routes.match("GET", b"", b"/a/b/e").params == (b"a/b/e",)


def test_methods_and_hosts_that_do_not_fit_lead_back_too() -> None:
    """The literal is only for POST, the parameter only for one host: the rest stands."""
    routes = table(
        rule("word", "/a/b", ("POST",)),
        rule("one", "/a/{x}", hosts=(b"b.test",)),
        rule("rest", "/a/{x:path}", ("GET",)),
    )
    assert find(routes, b"/a/b") == "rest"
    assert find(routes, b"/a/b", "POST") == "word"
    assert find(routes, b"/a/b", host=b"b.test") == "one"
    assert find(routes, b"/a/b", "PUT") == "default"


def test_methods() -> None:
    """One of those named; GET includes HEAD; none named is all."""
    routes = table(rule("read", "/a", ("GET",)), rule("write", "/a", ("POST", "PUT")))
    assert find(routes, b"/a") == "read"
    assert find(routes, b"/a", "HEAD") == "read"
    assert find(routes, b"/a", "PUT") == "write"
    assert find(routes, b"/a", "DELETE") == "default"
    assert find(table(rule("write", "/a", ("POST",))), b"/a", "HEAD") == "default"
    assert find(table(rule("any", "/a")), b"/a", "BREW") == "any"


@pytest.mark.parametrize("other", [("GET",), ("GET", "POST"), ()])
def test_a_route_that_names_head_gets_it(other: tuple[str, ...]) -> None:
    """In whatever order the routes are written."""
    rules = [rule("other", "/a", other), rule("head", "/a", ("HEAD",))]
    for routes in (table(*rules), table(*reversed(rules))):
        assert find(routes, b"/a", "HEAD") == "head"
        assert find(routes, b"/a", "GET") == "other"


def test_hosts() -> None:
    """One of those named, with its port; none named is all."""
    routes = table(rule("a", "/", hosts=(b"a.test", b"b.test:8443")), rule("any", "/x"))
    assert find(routes, b"/", host=b"a.test") == "a"
    assert find(routes, b"/", host=b"b.test:8443") == "a"
    assert find(routes, b"/", host=b"b.test") == "default"
    assert find(routes, b"/x", host=b"b.test") == "any"


@pytest.mark.parametrize("template", ["/a", "/{x}", "/{x:path}", "*"])
def test_the_narrower_route_wins(template: str) -> None:
    """Bound to a host before bound to methods before open to all, in whatever order."""
    rules = [
        rule("all", template),
        rule("get", template, ("GET",)),
        rule("host", template, hosts=(b"a.test",)),
        rule("both", template, ("GET",), (b"a.test",)),
    ]
    for routes in (table(*rules), table(*reversed(rules))):
        assert find(routes, b"/a") == "both"
        assert find(routes, b"/a", "POST") == "host"
        assert find(routes, b"/a", "GET", b"b.test") == "get"
        assert find(routes, b"/a", "POST", b"b.test") == "all"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (rule("one", "/a/{x}"), rule("other", "/a/{y}")),
        (rule("one", "/a/{x:path}"), rule("other", "/a/{y:path}")),
        (rule("one", "*"), rule("other", "/{y:path}")),
        (rule("one", "/a", ("GET", "PUT")), rule("other", "/a", ("POST", "GET"))),
        (rule("one", "/a", (), (b"a", b"b")), rule("other", "/a", (), (b"b", b"c"))),
        (rule("one", "/a", ("GET",), (b"a",)), rule("other", "/a", ("GET",), (b"a",))),
        (rule("one", "/a"), rule("one", "/a")),
    ],
)
def test_routes_alike_are_refused(one: RouteRule, other: RouteRule) -> None:
    """Two routes for the same requests: one would never be reached."""
    with pytest.raises(ConfigError) as caught:
        table(one, other)
    assert caught.value.what == f"routes 'one' and {other.name!r} match the same requests"
    assert caught.value.hint == "give them different paths, methods or hosts"


def test_routes_that_differ_are_not_alike() -> None:
    """In a host, in a method, or in that one is narrower."""
    routes = table(
        rule("a", "/a", ("GET",), (b"a",)),
        rule("b", "/a", ("PUT",), (b"a",)),
        rule("c", "/a", ("GET",), (b"b",)),
        rule("d", "/a", ("GET",)),
        rule("e", "/a", (), (b"a",)),
        rule("f", "/a"),
        rule("g", "/a/{x}"),
        rule("h", "/a/{x:path}"),
    )
    assert len(routes.rules) == 8


@pytest.mark.parametrize(
    ("template", "what", "hint"),
    [
        ("a/b", "path 'a/b' does not start with /", ""),
        ("", "path '' does not start with /", ""),
        (
            "/{x:path}/b",
            "{x:path} in '/{x:path}/b' is not the last segment",
            "only the last segment can stand for the rest of the path",
        ),
        *(
            (
                f"/a/{segment}",
                f"segment {segment!r} of '/a/{segment}' mixes text and a parameter",
                "a parameter fills a whole segment, like /users/{id}",
            )
            for segment in (
                "v{x}",
                "{x}v",
                "{x",
                "x}",
                "{",
                "}",
                "{a}{b}",
                "{a}-{b}",
                "{a}-{b:path}",
                "a{b:path}",
            )
        ),
    ],
)
def test_templates_that_cannot_be_read_are_refused(template: str, what: str, hint: str) -> None:
    """The error names the route and the part."""
    with pytest.raises(ConfigError) as caught:
        table(rule("broken", template))
    assert caught.value.what == what
    assert caught.value.where == "route 'broken'"
    assert caught.value.hint == hint


def test_exotic_templates() -> None:
    """Percent-encoded and unusual literals, empty segments, unnamed parameters."""
    routes = table(
        rule("encoded", "/caf%C3%A9"),
        rule("odd", "/a.b~c;d=1,2@x:y"),
        rule("empty", "/a//b"),
        rule("unnamed", "/u/{}"),
        rule("star", "/s/*"),
        rule("unnamed-rest", "/r/{:path}"),
    )
    assert find(routes, b"/caf%C3%A9") == "encoded"
    assert find(routes, b"/a.b~c;d=1,2@x:y") == "odd"
    assert find(routes, b"/a//b") == "empty"
    assert find(routes, b"/a/x/b") == "default"
    assert find(routes, b"/u/1") == "unnamed"
    assert find(routes, b"/s/*") == "star"
    assert find(routes, b"/s/1") == "default"
    assert find(routes, b"/r/1/2") == "unnamed-rest"


def test_a_thousand_routes() -> None:
    """Each is found, with its own parameter, beside all the others."""
    rules = [
        rule(f"r{number}-{method}", f"/api/v{number % 7}/thing{number}/{{id}}/part", (method,))
        for number in range(500)
        for method in ("GET", "POST")
    ]
    routes = table(*rules)
    for number in range(500):
        path = b"/api/v%d/thing%d/%d/part" % (number % 7, number, number)
        for method in ("GET", "POST"):
            found = routes.match(method, b"", path)
            assert found.rule.name == f"r{number}-{method}"
            assert found.params == (b"%d" % number,)


def test_a_rule_is_for_everything_unless_said() -> None:
    """All hosts, all methods, limits apply, bodies as large as the server takes."""
    plain = RouteRule("a", "/a", CACHE)
    assert plain.accepts("GET", b"a.test")
    assert (plain.exempt, plain.body_bytes) == (False, None)
