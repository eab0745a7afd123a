"""lukhas.pipeline.stages.cache_changes: rules R10, R12, R18 and R19 at the stage."""

import asyncio

import pytest

from lukhas.http.messages import Response
from lukhas.pipeline import driving
from lukhas.pipeline.exchange import Exchange
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.caching.post_rules import PostRule
from lukhas.policy.caching.purges import Purge, purge_of_url
from lukhas.policy.caching.query_rules import QueryRule
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.tiers import Tier
from tests.unit.pipeline.stages.cache_kit import Kit, Told, pieces, response


@pytest.fixture
def kit() -> Kit:
    return Kit()


async def stored(kit: Kit) -> set[str]:
    """Which of the three test pages are hits."""
    return {path for path in ("/a", "/b", "/c") if (await kit.ask(path)).result == "hit"}


async def filled(kit: Kit) -> None:
    for path, groups in (("/a", '"one", "all"'), ("/b", '"two", "all"'), ("/c", '"three"')):
        kit.answer = response(cache_control="max-age=60", cache_groups=groups)
        await kit.ask(path)
    kit.answer = response(status=404)


async def test_r10_rfc_9875_3_groups_are_invalidated_by_writes(kit: Kit) -> None:
    """All their members, and no cascade: a group of a member says nothing."""
    await filled(kit)
    kit.answer = response(cache_group_invalidation='"one"')
    await kit.ask("/write", method="POST")
    kit.answer = response(status=404)
    assert await stored(kit) == {"/b", "/c"}


async def test_r10_rfc_9875_3_not_by_reads_and_failures(kit: Kit) -> None:
    """The field must be ignored on safe methods."""
    await filled(kit)
    for method, status in (("OPTIONS", 200), ("POST", 400)):
        kit.answer = response(status=status, cache_group_invalidation='"all"')
        await kit.ask("/write", method=method)
    kit.answer = response(status=404)
    assert await stored(kit) == {"/a", "/b", "/c"}


async def test_r10_rfc_9875_2_1_groups_belong_to_their_origin(kit: Kit) -> None:
    """Another host cannot empty the cache of this one."""
    await filled(kit)
    kit.answer = response(cache_group_invalidation='"all"')
    exchange = kit.exchange("/write", method="POST")
    exchange.head.authority = b"evil.example"
    await kit.send(exchange)
    kit.answer = response(status=404)
    assert await stored(kit) == {"/a", "/b", "/c"}


@pytest.mark.parametrize(
    ("purge", "left"),
    [
        (Purge(tag="all"), {"/c"}),
        (Purge(tag="nothing"), {"/a", "/b", "/c"}),
        (purge_of_url("http://a.example/a"), {"/b", "/c"}),
        (purge_of_url("http://a.example/", prefix=True), set()),
        (Purge(), set()),
    ],
)
async def test_r18_hard_purges(kit: Kit, purge: Purge, left: set[str]) -> None:
    """By tag, URL, prefix, and of everything."""
    await filled(kit)
    kit.store.purge(purge)
    assert await stored(kit) == left


async def test_r18_a_soft_purge_asks_before_the_next_use(kit: Kit) -> None:
    """The origin may confirm, which costs no body."""
    kit.answer = response(b"one", cache_control="max-age=60", etag='"a"', surrogate_key="k")
    await kit.ask()
    assert kit.store.purge(Purge(tag="k", soft=True)) == 1
    kit.answer = response(b"", 304, etag='"a"')
    told = await kit.ask()
    assert (told.body, told.result) == (b"one", "revalidated")
    assert (await kit.ask()).result == "hit"
    assert kit.store.purge(Purge(tag="k")) == 1


async def test_r18_a_soft_purge_leaves_what_may_serve_stale(kit: Kit) -> None:
    """While the origin fails, and while it is asked."""
    kit.answer = response(b"one", cache_control="max-age=60, stale-if-error=9", surrogate_key="k")
    await kit.ask()
    kit.store.purge(Purge(tag="k", soft=True))
    kit.answer = response(status=503)
    assert (await kit.ask()).body == b"one"
    assert (await kit.ask(cache_control="only-if-cached")).status == 504
    assert (await kit.ask(cache_control="only-if-cached, max-stale")).body == b"one"


async def test_r18_a_fetch_from_before_a_purge_of_its_tag_is_not_stored(kit: Kit) -> None:
    """The tags are known only with the answer."""

    async def meanwhile(exchange: Exchange) -> Response:
        kit.store.purge(Purge(tag="k", soft=True))
        return response(cache_control="max-age=60", surrogate_key="k")

    kit.answer = meanwhile
    assert (await kit.ask()).told == "lukhas; fwd=uri-miss"
    assert kit.store.stats().entries == 0


# Queries


async def test_r19_2_the_origin_gets_the_query_that_is_the_key(kit: Kit) -> None:
    """A parameter that does not tell resources apart cannot shape what all of them get."""
    kit.policy = CachePolicy(query=QueryRule(ignore=frozenset((b"utm",)), sort=True))
    kit.answer = response(cache_control="max-age=60")
    await kit.ask("/x?utm=evil&b=1&a=2")
    assert kit.heads[-1].query == b"a=2&b=1"
    assert (await kit.ask("/x?a=2&b=1&utm=other")).result == "hit"
    assert (await kit.ask("/x?a=2&b=2")).result == "miss"


async def test_r19_2_a_write_ends_both_forms_of_its_address(kit: Kit) -> None:
    """It reaches the origin with its own query."""
    kit.policy = CachePolicy(query=QueryRule(ignore=frozenset((b"utm",))))
    kit.answer = response(cache_control="max-age=60")
    await kit.ask("/x?a=1&utm=2")
    await kit.ask("/x?a=1&utm=2", method="PUT")
    assert kit.heads[-1].query == b"a=1&utm=2"
    assert (await kit.ask("/x?a=1")).result == "miss"


# Demands of clients


@pytest.mark.parametrize("demand", ["no-cache", "max-age=0", "no-store", "min-fresh=99"])
async def test_r12_client_cache_busting_can_be_ignored(kit: Kit, demand: str) -> None:
    """By route; only-if-cached asks for less, and still counts."""
    kit.policy = CachePolicy(ignore_request_directives=True)
    kit.answer = response(cache_control="max-age=60")
    await kit.ask()
    assert (await kit.ask(cache_control=demand)).result == "hit"
    assert (await kit.ask(pragma="no-cache")).result == "hit"
    assert (await kit.ask("/y", cache_control=f"only-if-cached, {demand}")).status == 504


# Targeted fields and profiles


async def test_r4_rfc_9213_targeted_fields_go_first(kit: Kit) -> None:
    """The client is told what the origin says to browsers; we keep to what it says to us."""
    kit.answer = response(cache_control="no-store", cdn_cache_control="max-age=60")
    first = await kit.ask()
    assert first.answer.headers.get(b"cdn-cache-control") == b"max-age=60"
    assert (await kit.ask()).result == "hit"
    kit.answer = response(cache_control="max-age=60", cdn_cache_control="no-store")
    await kit.ask("/y")
    assert (await kit.ask("/y")).result == "miss"


async def test_r4_the_target_list_can_be_empty(kit: Kit) -> None:
    """Where the origin is not trusted to address us."""
    kit.policy = CachePolicy(targets=())
    kit.answer = response(cache_control="no-store", cdn_cache_control="max-age=60")
    await kit.ask()
    assert (await kit.ask()).result == "miss"


async def test_r19_3_the_strict_profile_stores_as_the_rfc_has_it(kit: Kit) -> None:
    """Cookies, keys of unknown meaning and errors like anything else; Authorization never."""
    kit.policy = CachePolicy(
        credential_headers=frozenset((b"authorization",)),
        store_cookies=True,
        cookies_identify=False,
        store_request_errors=True,
        max_error_ttl_s=60,
        leak_guard=False,
    )
    kit.answer = response(cache_control="max-age=60", set_cookie="s=1")
    await kit.ask(cookie="a=1", x_api_key="1")
    got = await kit.ask(cookie="b=2", x_api_key="2")
    assert (got.result, got.answer.headers.get(b"set-cookie")) == ("hit", b"s=1")
    assert (await kit.ask(authorization="A")).result == "miss"
    kit.answer = response(status=400, cache_control="max-age=60")
    await kit.ask("/y")
    kit.clock.move(30)
    assert (await kit.ask("/y")).result == "hit"


async def test_verdicts_tell_the_strategy() -> None:
    """Whatever the cache did."""
    kit = Kit(facts=(("strategy", "balanced"),))
    kit.answer = response(cache_control="max-age=60")
    assert (await kit.ask()).verdict.facts == (("strategy", "balanced"),)
    assert (await kit.ask()).verdict.facts == (("strategy", "balanced"),)


# The leak guard

ANNA = Consumer(key="key:anna", tier=Tier.FREE)
BERT = Consumer(key="key:bert", tier=Tier.FREE)


async def leaking(exchange: Exchange) -> Response:
    """Says public, and means one caller."""
    who = "nobody" if exchange.consumer is None else exchange.consumer.key
    return response(who.encode(), cache_control="public, max-age=60")


async def background(kit: Kit) -> None:
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(kit.stage._refresher) == 0


async def test_r19_a_leak_is_found_within_five_requests(kit: Kit) -> None:
    """Then everybody gets their own answer from the origin, and the reason is told."""
    kit.answer = leaking
    for number in range(5):
        await kit.ask(consumer=ANNA if number % 2 == 0 else BERT)
        await background(kit)
    assert list(kit.stage.guard.quarantined) == [("r", b"/x")]
    for consumer in (ANNA, BERT, None):
        told = await kit.ask(consumer=consumer)
        assert told.body.decode() == ("nobody" if consumer is None else consumer.key)
        assert (told.result, told.told) == ("bypass", "lukhas; fwd=bypass")
        assert "quarantine" in told.verdict.reason
    assert kit.store.stats().entries == 0
    assert (await kit.ask("/y")).result == "miss"


async def test_r19_after_the_first_doubt_nobody_gets_anothers_answer(kit: Kit) -> None:
    """Five callers that come once each are no proof, but each is asked for."""
    kit.answer = leaking
    await kit.ask(consumer=ANNA)
    await kit.ask(consumer=BERT)
    await background(kit)
    for name in "cde":
        consumer = Consumer(key=f"key:{name}", tier=Tier.FREE)
        told = await kit.ask(consumer=consumer)
        assert (told.body.decode(), told.told) == (consumer.key, "lukhas; fwd=miss; stored")


@pytest.mark.parametrize("step_s", [0, 0.3, 5, 61])
async def test_r19_public_content_that_changes_raises_no_alarm(kit: Kit, step_s: float) -> None:
    """Each fetch brings something new, whoever asks."""

    async def changing(exchange: Exchange) -> Response:
        return response(b"%d" % kit.calls, cache_control="public, max-age=60")

    kit.answer = changing
    for number in range(40):
        await kit.ask(consumer=(ANNA, BERT, None)[number % 3])
        await background(kit)
        kit.clock.move(step_s)
    assert not kit.stage.guard.quarantined


async def test_r19_shared_content_is_settled_and_hit(kit: Kit) -> None:
    """Two callers with one body end the watching."""
    kit.answer = response(cache_control="public, max-age=60")
    await kit.ask(consumer=ANNA)
    await kit.ask(consumer=BERT)
    await background(kit)
    calls = kit.calls
    for number in range(20):
        consumer = Consumer(key=f"key:{number}", tier=Tier.FREE)
        assert (await kit.ask(consumer=consumer)).result == "hit"
    await background(kit)
    assert kit.calls == calls


async def test_r19_the_guard_can_be_off(kit: Kit) -> None:
    """Then what says public is shared, whatever it is."""
    kit.policy = CachePolicy(leak_guard=False)
    kit.answer = leaking
    for consumer in (ANNA, BERT, ANNA, BERT, ANNA):
        assert (await kit.ask(consumer=consumer)).body == b"key:anna"


async def test_r19_a_confirmation_for_another_caller_settles(kit: Kit) -> None:
    """A 304 says that both have the same."""
    kit.answer = response(b"all", cache_control="public, max-age=10", etag='"a"')
    await kit.ask(consumer=ANNA)
    kit.clock.move(11)
    kit.answer = response(b"", 304, etag='"a"')
    assert (await kit.ask(consumer=BERT)).result == "revalidated"
    calls = kit.calls
    assert (await kit.ask(consumer=ANNA)).result == "hit"
    await background(kit)
    assert kit.calls == calls


async def test_r19_only_like_answers_are_compared(kit: Kit) -> None:
    """What one caller may not have at all says nothing about what is shared."""
    kit.answer = response(b"all", cache_control="public, max-age=60")
    await kit.ask(consumer=ANNA)
    for answer in (
        response(b"no", 403),
        response(b"own", cache_control="private"),
        response(b"other", cache_control="public, max-age=60", vary="x"),
        RuntimeError("broken"),
    ):
        kit.answer = answer
        assert (await kit.ask(consumer=BERT)).body == b"all"
        await background(kit)
    assert not kit.stage.guard.quarantined


async def quarantined(kit: Kit) -> None:
    kit.answer = leaking
    for consumer in (ANNA, BERT, ANNA, BERT):
        await kit.ask(consumer=consumer)
        await background(kit)
    assert kit.stage.guard.quarantined


async def test_r19_quarantine_covers_post_and_shadow_mode(kit: Kit) -> None:
    """Nothing of the route is stored in any way; shadow mode only says so."""
    await quarantined(kit)
    kit.policy = CachePolicy(post=PostRule.BODY)
    exchange = kit.exchange("/x", method="POST", content_length="1", body=pieces(b"q"))
    assert Told(exchange, await kit.send(exchange)).told == "lukhas; fwd=bypass"
    kit.policy = CachePolicy(mode=Mode.SHADOW)
    told = await kit.ask()
    assert (told.told, told.result) == ("", "")
    assert "quarantine" in told.verdict.reason


async def test_r19_what_was_asked_for_before_a_quarantine_is_not_stored(kit: Kit) -> None:
    """The answer comes when the route is in quarantine already."""

    async def meanwhile(exchange: Exchange) -> Response:
        await quarantined(kit)
        return await leaking(exchange)

    kit.answer = meanwhile
    told = await kit.ask()
    assert told.told == "lukhas; fwd=uri-miss"
    assert "quarantine" in told.verdict.reason
    assert kit.store.stats().entries == 0


async def test_r19_older_entries_of_a_settled_key_are_settled_when_used(kit: Kit) -> None:
    """Another variant, or one stored before, needs no second comparison."""
    kit.answer = response(b"all", cache_control="public, max-age=60")
    await kit.ask(consumer=ANNA)
    (entry,) = kit.store.get(("http", b"a.example", b"/x", b"", "")) or ()
    await kit.ask(consumer=BERT)
    await background(kit)
    entry.watch()
    calls = kit.calls
    assert (await kit.ask(consumer=BERT)).result == "hit"
    assert not entry.watched
    entry.watch()
    entry.outdate()
    entry.settle()
    assert entry.plain_until_ns == 0
    await background(kit)
    assert kit.calls == calls


async def test_r19_without_a_background_a_client_waits_for_the_comparison(kit: Kit) -> None:
    """As behind a wrapped app, which cannot be called without its client."""
    kit.answer = response(b"all", cache_control="public, max-age=60")
    await kit.ask(consumer=ANNA)

    async def parks(exchange: Exchange) -> Response:
        return await driving.park()

    kit.answer = parks
    assert (await kit.ask(consumer=BERT)).result == "hit"
    await background(kit)
    kit.answer = response(b"all", cache_control="public, max-age=60")
    assert (await kit.ask(consumer=BERT)).told == "lukhas; fwd=miss; stored"
    assert (await kit.ask(consumer=ANNA)).result == "hit"


async def test_r19_one_comparison_at_a_time_with_the_query_of_the_key(kit: Kit) -> None:
    """However many ask meanwhile; a body too long to be stored is not compared."""
    kit.policy = CachePolicy(query=QueryRule(ignore=frozenset((b"utm",))), max_body_bytes=5)
    kit.answer = response(b"all", cache_control="public, max-age=60")
    await kit.ask("/x?utm=1", consumer=ANNA)
    kit.answer = response(pieces(b"123", b"456"), cache_control="public, max-age=60")
    for _ in range(3):
        assert (await kit.ask("/x?utm=2", consumer=BERT)).result == "hit"
    await background(kit)
    assert [head.query for head in kit.heads] == [b"", b""]
    assert not kit.stage.guard.is_suspect((("http", b"a.example", b"/x", b"", ""), ()))


async def test_r19_a_failing_comparison_is_logged(
    kit: Kit, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And harms nobody."""

    def fail(*_: object) -> None:
        raise RuntimeError

    kit.answer = response(b"all", cache_control="public, max-age=60")
    await kit.ask(consumer=ANNA)
    monkeypatch.setattr(kit.stage._keeper, "observe", fail)
    assert (await kit.ask(consumer=BERT)).result == "hit"
    await background(kit)
    assert "could not be compared" in caplog.text


async def test_r19_the_caller_it_was_stored_for_is_no_reason_to_compare(kit: Kit) -> None:
    """Their own answer comes from the store."""
    kit.answer = response(b"all", cache_control="public, max-age=60")
    await kit.ask(consumer=ANNA)
    assert (await kit.ask(consumer=ANNA)).result == "hit"
    assert len(kit.stage._refresher) == 0
