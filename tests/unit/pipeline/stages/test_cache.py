"""lukhas.pipeline.stages.cache: hits, misses, methods, variants and modes."""

import pytest

from lukhas.http.dates import format_http_date
from lukhas.http.headers import Headers
from lukhas.http.messages import Response
from lukhas.pipeline import driving
from lukhas.pipeline.exchange import Exchange
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.modes import Mode
from lukhas.policy.verdicts import Outcome
from lukhas.storage.memory_entries import MemoryEntryStore
from tests.unit.pipeline.stages.cache_kit import START_NS, Kit, pieces, response


def date(offset_s: int = 0) -> str:
    return format_http_date(START_NS // 10**9 + offset_s).decode()


@pytest.fixture
def kit() -> Kit:
    return Kit()


# Hits and misses


async def test_a_fresh_response_is_served_from_the_store(kit: Kit) -> None:
    """RFC 9111 section 4: one question to the origin, then hits with Age and Cache-Status."""
    kit.answer = response(cache_control="max-age=60", date=date())
    first = await kit.ask()
    assert (first.result, first.told) == ("miss", "lukhas; fwd=uri-miss; stored")
    assert first.verdict.outcome is Outcome.PASSED
    kit.clock.move(5.5)
    second = await kit.ask()
    assert (second.result, second.told, second.age) == ("hit", "lukhas; hit; ttl=55", 5)
    assert second.body == b"body"
    assert second.verdict.outcome is Outcome.ANSWERED
    assert kit.calls == 1


async def test_a_hit_is_ready_to_send_and_shared(kit: Kit) -> None:
    """The head is made once, and every hit shares headers and body."""
    kit.answer = response(cache_control="max-age=60", date=date(), age="3")
    await kit.ask()
    told = await kit.ask()
    one, two = told.answer, (await kit.ask()).answer
    assert one.headers is two.headers
    assert one.body is two.body
    assert told.ready_head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert one.headers.get(b"date") == date().encode()
    assert b"age" not in one.headers
    assert b"content-length: 4\r\n" in told.ready_head


async def test_a_hit_never_suspends(kit: Kit) -> None:
    """It is decided from memory, in the caller's stack."""
    kit.answer = response(cache_control="max-age=60")
    await kit.ask()

    async def origin(exchange: Exchange) -> Response:
        raise AssertionError

    answer = driving.start(kit.stage(kit.exchange(), origin))
    assert isinstance(answer, Response)
    assert answer.status == 200


async def test_age_includes_upstream_age_and_delay(kit: Kit) -> None:
    """RFC 9111 section 4.2.3."""

    async def slow(exchange: Exchange) -> Response:
        kit.clock.move(2)
        return response(cache_control="max-age=60", age="10")

    kit.answer = slow
    await kit.ask()
    kit.clock.move(1)
    assert (await kit.ask()).age == 13


async def test_a_request_from_before_the_response_gets_its_first_age(kit: Kit) -> None:
    """Time never runs backwards in Age."""
    early = kit.exchange()
    kit.clock.move(30)
    kit.answer = response(cache_control="max-age=60", age="7")
    await kit.ask()
    await kit.send(early)
    assert (b"age", b"7") in early.added


async def test_entries_end_when_their_lifetime_does(kit: Kit) -> None:
    """At exactly max-age seconds a response is stale."""
    kit.answer = response(cache_control="max-age=60")
    await kit.ask()
    kit.clock.move(60)
    told = await kit.ask()
    assert (told.result, told.told) == ("miss", "lukhas; fwd=stale; stored")
    assert kit.calls == 2


async def test_resources_are_told_apart(kit: Kit) -> None:
    """Path and query are the key, byte for byte."""
    kit.answer = response(cache_control="max-age=60")
    for path in ("/a", "/a?", "/a?x=1", "/a?x=2", "/A", "/a/"):
        await kit.ask(path)
    assert kit.calls == 5  # "/a" and "/a?" are one request here: both have no query


async def test_uncacheable_responses_pass_untouched(kit: Kit) -> None:
    """no-store goes through with its own fields, and is not stored."""
    kit.answer = response(cache_control="no-store")
    for _ in range(2):
        told = await kit.ask()
        assert (told.result, told.told) == ("miss", "lukhas; fwd=uri-miss")
        assert told.verdict.reason == "the response says no-store"
    assert kit.calls == 2


async def test_an_uncacheable_answer_ends_a_stored_one(kit: Kit) -> None:
    """What everybody gets now is no longer what is stored."""
    kit.answer = response(cache_control="max-age=60")
    await kit.ask()
    kit.answer = response(cache_control="no-store")
    await kit.ask(cache_control="no-cache")
    assert (await kit.ask()).result == "miss"


async def test_default_ttl_needs_an_explicit_rule(kit: Kit) -> None:
    """Nothing is stored without a statement of the origin or the operator."""
    kit.answer = response()
    await kit.ask()
    assert (await kit.ask()).result == "miss"
    kit.policy = CachePolicy(default_ttl_s=60)
    await kit.ask()
    assert (await kit.ask()).result == "hit"


async def test_cache_name_is_configurable() -> None:
    """RFC 9211 section 2."""
    kit = Kit(cache_name="edge-1")
    kit.answer = response(cache_control="max-age=60")
    await kit.ask()
    assert (await kit.ask()).told.startswith("edge-1; hit")


async def test_a_full_store_refuses_and_says_so() -> None:
    """A response that does not fit passes, and is not called stored."""
    kit = Kit(MemoryEntryStore(4000))
    kit.answer = response(b"x" * 3000, cache_control="max-age=60")
    told = await kit.ask()
    assert told.told == "lukhas; fwd=uri-miss"
    assert told.verdict.reason == "the store refused the response"


async def test_what_no_longer_fits_ends_what_is_stored() -> None:
    """An outdated response is not kept because its successor is too large."""
    kit = Kit(MemoryEntryStore(20_000))
    kit.answer = response(cache_control="max-age=60")
    await kit.ask()
    kit.answer = response(b"x" * 15_000, cache_control="max-age=60")
    await kit.ask(cache_control="no-cache")
    assert kit.store.stats().entries == 0


# HEAD, bodies, ranges, other methods


async def test_head_is_answered_from_a_stored_get(kit: Kit) -> None:
    """RFC 9110 section 9.3.2: the same fields, no body."""
    kit.answer = response(cache_control="max-age=60")
    await kit.ask()
    told = await kit.ask(method="HEAD")
    assert (told.result, told.body) == ("hit", b"")
    assert told.answer.headers.get(b"content-length") == b"4"
    told = await kit.ask(method="HEAD", cache_control="max-age=30")
    assert (told.result, told.body) == ("hit", b"")


async def test_head_is_never_stored(kit: Kit) -> None:
    """Its answer has no body to give to a GET."""
    kit.answer = response(b"", cache_control="max-age=60", etag='"a"')
    await kit.ask(method="HEAD")
    assert (await kit.ask()).result == "miss"
    kit.clock.move(61)
    assert (await kit.ask(method="HEAD")).result == "miss"
    assert b"if-none-match" not in kit.heads[-1].headers


async def test_a_get_with_a_body_goes_past_the_store(kit: Kit) -> None:
    """An unkeyed body must not shape what others get."""
    kit.answer = response(cache_control="max-age=60")
    told = await kit.ask(body=pieces(b"x"))
    assert (told.result, told.told) == ("bypass", "lukhas; fwd=bypass")
    await kit.ask()
    assert (await kit.ask(content_length="1")).result == "bypass"
    assert kit.calls == 3


async def test_parts_of_the_origin_are_not_stored(kit: Kit) -> None:
    """A 206 passes; what it says is about the part."""
    kit.answer = response(b"b", 206, cache_control="max-age=60", content_range="bytes 0-0/4")
    assert (await kit.ask(range="bytes=0-0")).told == "lukhas; fwd=uri-miss"
    kit.answer = response(cache_control="max-age=60")
    assert (await kit.ask()).result == "miss"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH"])
async def test_unsafe_methods_invalidate(kit: Kit, method: str) -> None:
    """RFC 9111 section 4.4: the target and what the answer names, all variants."""
    kit.answer = response(cache_control="max-age=60", vary="accept")
    for path in ("/x", "/named", "/other"):
        await kit.ask(path, accept="a")
        await kit.ask(path, accept="b")
    kit.answer = response(status=201, location="/named")
    told = await kit.ask(method=method)
    assert (told.result, told.told) == ("bypass", "lukhas; fwd=method")
    assert kit.store.stats().resources == 1


async def test_failed_and_safe_methods_invalidate_nothing(kit: Kit) -> None:
    """A 4xx changed nothing, and neither did OPTIONS."""
    kit.answer = response(cache_control="max-age=60")
    await kit.ask()
    kit.answer = response(status=403)
    await kit.ask(method="POST")
    kit.answer = response()
    await kit.ask(method="OPTIONS")
    assert (await kit.ask()).result == "hit"


async def test_an_unsafe_request_invalidates_under_any_mode(kit: Kit) -> None:
    """The resource may be cached under the route of another method."""
    kit.answer = response(cache_control="max-age=60")
    await kit.ask()
    kit.policy = CachePolicy(mode=Mode.OFF)
    told = await kit.ask(method="POST")
    assert (told.result, told.told) == ("", "")
    kit.policy = CachePolicy()
    assert (await kit.ask()).result == "miss"


async def test_a_fetch_from_before_an_invalidation_is_not_stored(kit: Kit) -> None:
    """It may bring what the unsafe request has just changed."""

    async def meanwhile_changed(exchange: Exchange) -> Response:
        kit.answer = response()
        await kit.ask(method="POST")
        return response(b"old", cache_control="max-age=60")

    kit.answer = meanwhile_changed
    assert (await kit.ask()).body == b"old"
    assert kit.store.stats().entries == 0


# Vary


async def test_variants_are_told_apart(kit: Kit) -> None:
    """RFC 9111 section 4.1, in the short way and in the long one."""

    async def by_language(exchange: Exchange) -> Response:
        language = exchange.head.headers.get(b"accept-language") or b"none"
        return response(language, cache_control="max-age=60", vary="Accept-Language")

    kit.answer = by_language
    assert (await kit.ask(accept_language="en, de")).told == "lukhas; fwd=uri-miss; stored"
    assert (await kit.ask(accept_language="fr")).told == "lukhas; fwd=vary-miss; stored"
    assert (await kit.ask()).body == b"none"
    assert (await kit.ask(accept_language="fr")).result == "hit"
    assert (await kit.ask(accept_language="DE,en")).body == b"en, de"
    assert (await kit.ask(accept_language=["de", "en"])).body == b"en, de"
    assert kit.calls == 3


async def test_the_very_same_values_take_the_short_way(kit: Kit) -> None:
    """A request like the one stored for needs no normal form; a repeated field does."""
    kit.answer = response(cache_control="max-age=60", vary="x")
    await kit.ask(x=["1", "2"])
    assert (await kit.ask(x=["1", "2"])).result == "hit"
    await kit.ask(x="1")
    assert (await kit.ask(x="1")).result == "hit"
    assert (await kit.ask(x="1", y=["1", "2"])).result == "hit"
    assert kit.calls == 2


async def test_a_coding_without_vary_is_for_those_who_accept_it(kit: Kit) -> None:
    """An origin that compresses and forgets Vary does not make a client get what it cannot read."""
    kit.answer = response(b"packed", cache_control="max-age=60", content_encoding="gzip")
    await kit.ask(accept_encoding="gzip")
    kit.answer = response(b"plain", cache_control="max-age=60")
    assert (await kit.ask()).body == b"plain"
    assert (await kit.ask(accept_encoding="gzip")).body == b"packed"
    assert (await kit.ask()).told.startswith("lukhas; hit")


async def test_vary_star_is_never_stored(kit: Kit) -> None:
    """RFC 9111 section 4.1: wherever the star stands."""
    kit.answer = response(cache_control="max-age=60", vary=["accept", "x, *"])
    await kit.ask()
    assert (await kit.ask()).result == "miss"


async def test_a_variant_goes_before_an_answer_without_vary(kit: Kit) -> None:
    """Also when the one without Vary is newer."""
    kit.answer = response(b"one", cache_control="max-age=60", vary="x")
    await kit.ask(x="1")
    kit.answer = response(b"plain", cache_control="max-age=60")
    await kit.ask(x="2")
    assert (await kit.ask(x="1")).body == b"one"
    assert (await kit.ask(x="3")).body == b"plain"


# Modes


async def test_off_is_straight_through(kit: Kit) -> None:
    """Nothing is looked up, stored, added or said."""
    kit.policy = CachePolicy(mode=Mode.OFF)
    kit.answer = response(cache_control="max-age=60")
    for _ in range(2):
        told = await kit.ask()
        assert (told.result, told.told, told.exchange.verdicts) == ("", "", [])
    assert kit.store.stats().stored == 0


async def test_without_a_route_there_is_no_policy(kit: Kit) -> None:
    """Then the request passes."""
    kit.answer = response(cache_control="max-age=60")
    exchange = kit.exchange()
    exchange.route = None
    assert (await kit.send(exchange)).body == b"body"
    assert kit.store.stats().stored == 0


async def test_shadow_changes_nothing_but_says_what_would_be(kit: Kit) -> None:
    """Every answer is the origin's own, every request reaches it as it came."""
    kit.policy = CachePolicy(mode=Mode.SHADOW, name="trial")
    kit.answer = response(b"1", cache_control="max-age=60", etag='"a"')
    first = await kit.ask()
    kit.answer = response(b"2", cache_control="max-age=60", etag='"b"')
    second = await kit.ask()
    assert (first.body, second.body) == (b"1", b"2")
    assert first.verdict.reason == "would have been a miss, and stored"
    assert second.verdict.reason == "would have been a hit"
    assert second.verdict.mode is Mode.SHADOW
    assert second.verdict.policy == "trial"
    kit.clock.move(61)
    kit.answer = response(cache_control="no-store")
    third = await kit.ask()
    assert third.verdict.reason == "would have been a miss"
    assert all(head.headers == Headers([]) for head in kit.heads)
    for told in (first, second, third):
        assert (told.told, told.age, told.result) == ("", None, "")


async def test_shadow_stores_bodies_that_pass_by(kit: Kit) -> None:
    """Or it could not tell what would be a hit."""
    kit.policy = CachePolicy(mode=Mode.SHADOW)
    kit.answer = response(pieces(b"a", b"b"), cache_control="max-age=60")
    assert (await kit.ask()).body == b"ab"
    kit.policy = CachePolicy()
    assert (await kit.ask()).body == b"ab"


async def test_shadow_knows_what_goes_past_the_store(kit: Kit) -> None:
    """The reason is told, and HEAD is not stored."""
    kit.policy = CachePolicy(mode=Mode.SHADOW)
    kit.answer = response(cache_control="max-age=60")
    told = await kit.ask(cache_control="no-store")
    assert (told.verdict.outcome, told.result) == (Outcome.SKIPPED, "")
    assert (await kit.ask(method="HEAD")).verdict.reason == "would have been a miss"
    told = await kit.ask(method="POST")
    assert (told.exchange.verdicts, told.told) == ([], "")
