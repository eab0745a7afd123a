"""lukhas.policy.caching.post_rules: rule R14, POST by rule."""

import json

import pytest

from lukhas.policy.caching.post_rules import MAX_POST_BYTES, PostRule, post_key

JSON = b"application/json; charset=utf-8"


def key(query: str, **members: object) -> bytes | None:
    return post_key(PostRule.GRAPHQL, JSON, json.dumps({"query": query, **members}).encode())


@pytest.mark.parametrize(
    "query",
    [
        "{ a }",
        "query { a }",
        'query Q($x: Int = 1, $y: [ID!]!) @d(a: "}") { a(x: $x) { ...F } } fragment F on T { b }',
        "fragment F on T { b } query { ...F }",
        "query mutation { mutation }",
        "query A { a } query B { b }",
        '{ a(b: """mutation { x } \\""" """) }',
        "\ufeff# mutation { a }\n{ a }",
        '{ a(s: "# \\" {") }',
    ],
)
def test_r14_graphql_queries_have_a_key(query: str) -> None:
    """Whatever they are written like."""
    assert key(query) is not None


@pytest.mark.parametrize(
    "query",
    [
        "mutation { a }",
        "subscription { a }",
        "query { a } mutation M { b }",
        "fragment F on T { b } mutation { ...F }",
        "fragment F on T { b }",
        "# {\nmutation { a }",
        '"""{""" mutation { a }',
        '"doc" query { a }',
        "{ a } mutation { b }",
        "{ a } } mutation { b } {",
        "{ a",
        "",
        "type T { a: Int }",
        "(mutation) { a }",
        "query",
        "query Q mutation",
        "query Q } {",
    ],
)
def test_r14_graphql_anything_else_has_none(query: str) -> None:
    """Taking a mutation for a query would swallow a change, so every doubt goes past the cache."""
    assert key(query) is None


def test_r14_graphql_layout_means_nothing() -> None:
    """White space, commas and comments are no part of a query; strings are whole."""
    assert key("{a(x:1,y:2)}") == key("{ a ( x : 1\n y : 2 ) # c\n}")
    assert key('{a(s:"b c")}') != key('{a(s:"b  c")}')
    assert key("{ab}") != key("{a b}")


def test_r14_graphql_variables_and_operation_are_in_the_key() -> None:
    """In any order of members."""
    keys = {
        key("query A{a} query B{b}", operationName=name, variables=variables)
        for name in (None, "A", "B")
        for variables in (None, {"x": 1, "y": 2}, {"x": 2}, {"x": "1"})
    }
    assert len(keys) == 12
    assert key("{a}", variables={"x": 1, "y": 2}) == key("{a}", variables={"y": 2, "x": 1})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b'{"query": 1}',
        b'{"query": "{a}", "operationName": 1}',
        b'{"query": "{a}", "extensions": {}}',
        b'{"query": "{a}", "query": "mutation {a}"}',
        b'[{"query": "{a}"}]',
        b"[" * 100_000,
    ],
)
def test_r14_graphql_other_bodies_have_no_key(body: bytes) -> None:
    """Batches, extensions and members that come twice are not understood here."""
    assert post_key(PostRule.GRAPHQL, JSON, body) is None


def test_r14_graphql_only_json() -> None:
    """A form or plain text may mean something else to the origin."""
    body = b'{"query": "{a}"}'
    assert post_key(PostRule.GRAPHQL, b"text/plain", body) is None
    assert post_key(PostRule.GRAPHQL, None, body) is None


def test_r14_by_body_the_bytes_are_the_key() -> None:
    """With their type; too long ones have none, nor has anything without a rule."""
    assert post_key(PostRule.BODY, b"a", b"x") == post_key(PostRule.BODY, b"a", b"x")
    assert post_key(PostRule.BODY, b"a", b"x") != post_key(PostRule.BODY, b"b", b"x")
    assert post_key(PostRule.BODY, None, b"x" * (MAX_POST_BYTES + 1)) is None
    assert post_key(PostRule.NEVER, JSON, b'{"query": "{a}"}') is None
