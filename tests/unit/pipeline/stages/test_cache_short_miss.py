"""The short way to a miss: answers that plainly cannot be stored are not waited for."""

import pytest

from lukhas.http.headers import Headers
from lukhas.pipeline.stages import cache_keeping
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.caching.storability import plainly_not_storable
from tests.unit.pipeline.stages.cache_kit import Kit, response


@pytest.fixture
def kit() -> Kit:
    """A stage in front of an origin."""
    return Kit()


async def test_an_answer_without_any_word_on_reuse_takes_the_short_way(kit: Kit) -> None:
    """The second answer is told as a miss like the first, and nothing is stored of either."""
    kit.answer = response(b"a")
    told = [await kit.ask() for _ in range(3)]
    assert [one.told for one in told] == ["lukhas; fwd=uri-miss"] * 3
    assert [one.result for one in told] == ["miss"] * 3
    assert kit.calls == 3
    assert len({one.exchange.verdicts[0].verdict().reason for one in told[1:]}) == 1


async def test_an_answer_that_may_be_stored_after_all_is_stored(kit: Kit) -> None:
    """What the origin said last time only decides about waiting."""
    kit.answer = response(b"a")
    await kit.ask()
    kit.answer = response(b"b", cache_control="max-age=60")
    stored = await kit.ask()
    assert stored.told == "lukhas; fwd=uri-miss; stored"
    assert (await kit.ask()).result == "hit"
    assert kit.calls == 2


async def test_other_paths_and_special_requests_go_the_long_way(kit: Kit) -> None:
    """The memory is by resource; a request with directives is looked at in full."""
    kit.answer = response(b"a")
    await kit.ask("/x")
    assert (await kit.ask("/x", cache_control="only-if-cached")).status == 504
    kit.answer = response(b"b", cache_control="max-age=60")
    assert (await kit.ask("/y")).told == "lukhas; fwd=uri-miss; stored"


async def test_the_memory_is_bounded(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    """When it is full it starts afresh."""
    monkeypatch.setattr(cache_keeping, "_MAX_UNCACHEABLE", 2)
    kit.answer = response(b"a")
    for number in range(5):
        await kit.ask(f"/{number}")
    assert len(kit.stage._keeper._uncacheable) <= 2


async def test_failures_are_not_remembered(kit: Kit) -> None:
    """A 5xx says nothing about the next answer."""
    kit.answer = response(b"a", 500)
    await kit.ask()
    assert not kit.stage._keeper._uncacheable


@pytest.mark.parametrize("name", ["cache-control", "expires", "last-modified", "etag"])
def test_any_field_about_reuse_is_looked_at(name: str) -> None:
    """Only an answer with none of them is plainly not storable, and only without a default TTL."""
    policy = CachePolicy()
    assert plainly_not_storable(Headers.of([("date", "x")]), policy)
    assert not plainly_not_storable(Headers.of([(name, "x")]), policy)
    assert not plainly_not_storable(Headers([]), CachePolicy(default_ttl_s=5))


async def test_what_is_known_of_an_answer_is_known_under_one_policy(kit: Kit) -> None:
    """Under another one the very same fields are looked at again."""
    kit.answer = response(b"a")
    for _ in range(3):
        await kit.ask()
    kit.policy = CachePolicy(default_ttl_s=60)
    assert (await kit.ask()).told == "lukhas; fwd=uri-miss; stored"
    assert (await kit.ask()).result == "hit"


def test_a_request_that_no_route_was_found_for_is_not_left() -> None:
    """There is no policy to say so."""
    kit = Kit()
    exchange = kit.exchange()
    exchange.route = None
    assert not kit.stage.plain.is_left(exchange, 200, Headers([]))
