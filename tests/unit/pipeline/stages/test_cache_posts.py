"""lukhas.pipeline.stages.cache_posts: rule R14."""

from typing import Any, cast

import pytest

from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.caching.post_rules import PostRule
from lukhas.policy.modes import Mode
from tests.unit.pipeline.stages.cache_kit import Kit, Told, pieces, response

QUERY = b'{"query": "{ a }"}'
MUTATION = b'{"query": "mutation { a }"}'


@pytest.fixture
def kit() -> Kit:
    kit = Kit()
    kit.policy = CachePolicy(post=PostRule.GRAPHQL)
    kit.answer = response(b"data", cache_control="max-age=60")
    return kit


async def post(kit: Kit, body: bytes, **fields: Any) -> Told:
    exchange = kit.exchange(
        "/graphql",
        method="POST",
        content_type="application/json",
        content_length=str(len(body)),
        body=pieces(body),
        **fields,
    )
    return Told(exchange, await kit.send(exchange))


async def test_r14_graphql_queries_are_cached_by_rule(kit: Kit) -> None:
    """The same query, however it is laid out, is one question."""
    assert (await post(kit, QUERY)).told == "lukhas; fwd=uri-miss; stored"
    hit = await post(kit, b'{"query": "{a}"}')
    assert (hit.body, hit.result) == (b"data", "hit")
    assert (await post(kit, b'{"query": "{ b }"}')).result == "miss"
    assert kit.calls == 2


async def test_r14_the_origin_gets_the_body_that_was_read(kit: Kit) -> None:
    """As bytes, since the stream is at its end."""
    bodies: list[object] = []

    async def origin(exchange: Exchange) -> Response:
        bodies.append(exchange.body)
        return response(cache_control="no-store")

    kit.answer = origin
    await post(kit, QUERY)
    await post(kit, MUTATION)
    assert bodies == [QUERY, MUTATION]


async def test_r14_mutations_pass_and_end_what_is_stored(kit: Kit) -> None:
    """Every time, and every query of the same address with them."""
    await post(kit, QUERY)
    for _ in range(2):
        assert (await post(kit, MUTATION)).told == "lukhas; fwd=method"
    assert kit.calls == 3
    assert (await post(kit, QUERY)).result == "miss"


async def test_r14_principals_are_kept_apart(kit: Kit) -> None:
    """A query with a key is as personal as a GET with one."""

    async def personal(exchange: Exchange) -> Response:
        return response(exchange.head.headers.get(b"x-api-key") or b"", cache_control="max-age=60")

    kit.answer = personal
    assert (await post(kit, QUERY, x_api_key="a")).body == b"a"
    assert (await post(kit, QUERY, x_api_key="b")).body == b"b"
    kit.policy = CachePolicy(post=PostRule.GRAPHQL, private=True)
    assert [(await post(kit, QUERY, x_api_key=who)).body for who in "abab"] == [
        b"a",
        b"b",
        b"a",
        b"b",
    ]
    assert kit.calls == 4


async def test_r14_without_a_rule_post_is_not_cached(kit: Kit) -> None:
    """The default."""
    kit.policy = CachePolicy()
    assert [(await post(kit, QUERY)).told for _ in range(2)] == ["lukhas; fwd=method"] * 2


async def test_r14_what_cannot_be_read_in_advance_passes(kit: Kit) -> None:
    """Without a length, too long, compressed, or with no body at all."""
    for fields in (
        {"content_length": "99999"},
        {"content_length": "x"},
        {"content_encoding": "gzip", "content_length": "18"},
        {"expect": "100-continue", "content_length": "18"},
        {"transfer_encoding": "chunked"},
    ):
        exchange = kit.exchange(
            method="POST",
            content_type="application/json",
            body=pieces(QUERY),
            **cast("Any", fields),
        )
        told = Told(exchange, await kit.send(exchange))
        assert told.told == "lukhas; fwd=method"
    assert (await kit.ask(method="POST")).told == "lukhas; fwd=method"


async def test_r14_a_body_that_is_there_is_used(kit: Kit) -> None:
    """A way in may give bytes."""
    exchange = kit.exchange(method="POST", content_type="application/json", body=cast("Any", QUERY))
    assert Told(exchange, await kit.send(exchange)).told == "lukhas; fwd=uri-miss; stored"


async def test_r14_other_modes_only_watch(kit: Kit) -> None:
    """A query is then passed, and changes nothing."""
    await post(kit, QUERY)
    kit.policy = CachePolicy(post=PostRule.GRAPHQL, mode=Mode.SHADOW)
    assert (await post(kit, QUERY)).told == ""
    kit.policy = CachePolicy(post=PostRule.GRAPHQL)
    assert (await post(kit, QUERY)).result == "hit"


# Answers to POST that serve later GETs


@pytest.fixture
def storing() -> Kit:
    kit = Kit()
    kit.policy = CachePolicy(post_for_get=True, default_ttl_s=30)
    return kit


async def test_r14_rfc_9110_9_3_3_a_post_may_serve_later_gets(storing: Kit) -> None:
    """Where it is explicitly fresh and says that it is the representation of the target."""
    storing.answer = response(b"made", cache_control="max-age=60", content_location="/x")
    assert (await storing.ask(method="POST")).told == "lukhas; fwd=method"
    got = await storing.ask()
    assert (got.body, got.result) == (b"made", "hit")


@pytest.mark.parametrize(
    "answer",
    [
        response(b"made", cache_control="max-age=60"),
        response(b"made", cache_control="max-age=60", content_location="/y"),
        response(b"made", cache_control="max-age=60", content_location=["/x", "/x"]),
        response(b"made", cache_control="max-age=60", content_location="http://b.example/x"),
        response(b"made", content_location="/x"),
        response(b"made", cache_control="no-store", content_location="/x"),
        response(b"made", 201, cache_control="max-age=60", content_location="/x"),
    ],
)
async def test_r14_rfc_9110_9_3_3_and_not_otherwise(storing: Kit, answer: Response) -> None:
    """A default TTL says nothing about POST."""
    storing.answer = answer
    await storing.ask(method="POST")
    storing.answer = response(b"got", cache_control="max-age=60")
    assert (await storing.ask()).body == b"got"


async def test_r14_a_post_begun_before_a_purge_is_not_stored(storing: Kit) -> None:
    """Somebody else's write may have come between."""

    async def meanwhile(exchange: Exchange) -> Response:
        if exchange.head.method == "POST":
            storing.answer = response()
            await storing.ask(method="PUT")
        return response(b"made", cache_control="max-age=60", content_location="/x")

    storing.answer = meanwhile
    await storing.ask(method="POST")
    assert storing.store.stats().entries == 0
