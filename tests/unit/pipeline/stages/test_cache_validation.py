"""lukhas.pipeline.stages.cache: conditions, demands of clients, failures of the origin."""

from typing import NoReturn

import pytest

from lukhas.errors import HandlerError, UpstreamConnectError
from lukhas.http.dates import format_http_date
from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.verdicts import Outcome
from tests.unit.pipeline.stages.cache_kit import START_NS, Asked, Kit, response

DOWN = UpstreamConnectError("api", "no connection", sent=False)


def date(offset_s: int = 0) -> str:
    return format_http_date(START_NS // 10**9 + offset_s).decode()


@pytest.fixture
def kit() -> Kit:
    return Kit()


# What the client asks for


@pytest.mark.parametrize(
    "fields",
    [
        {"cache_control": "no-cache"},
        {"pragma": "no-cache"},
        {"cache_control": "max-age=0"},
        {"cache_control": "max-age=4"},
        {"cache_control": "min-fresh=56"},
    ],
)
async def test_a_client_may_ask_for_more_than_fresh(kit: Kit, fields: Asked) -> None:
    """RFC 9111 section 5.2.1; what comes is stored for the others."""
    kit.answer = response(b"1", cache_control="max-age=60")
    await kit.ask()
    kit.clock.move(5)
    kit.answer = response(b"2", cache_control="max-age=60")
    told = await kit.ask(**fields)
    assert (told.body, told.told) == (b"2", "lukhas; fwd=request; stored")
    assert (await kit.ask()).body == b"2"


async def test_no_store_of_a_client_goes_past_the_store(kit: Kit) -> None:
    """RFC 9111 section 5.2.1.5."""
    kit.answer = response(cache_control="max-age=60")
    assert (await kit.ask(cache_control="no-store")).result == "bypass"
    assert kit.store.stats().entries == 0


async def test_max_stale_accepts_stale_responses(kit: Kit) -> None:
    """RFC 9111 section 5.2.1.2, told with a negative ttl."""
    kit.answer = response(cache_control="max-age=60")
    await kit.ask()
    kit.clock.move(65)
    told = await kit.ask(cache_control="max-stale=10")
    assert (told.result, told.told, told.age) == ("stale", "lukhas; hit; ttl=-5", 65)
    kit.answer = response(cache_control="max-age=60, must-revalidate")
    await kit.ask()
    kit.clock.move(65)
    assert (await kit.ask(cache_control="max-stale")).result == "miss"


async def test_only_if_cached_never_asks_the_origin(kit: Kit) -> None:
    """RFC 9111 section 5.2.1.7: a stored response, or 504."""
    told = await kit.ask(cache_control="only-if-cached")
    assert (told.status, told.result, kit.calls) == (504, "miss", 0)
    assert b"urn:lukhas:problem:not-cached" in told.body
    assert told.verdict.outcome is Outcome.REFUSED
    kit.answer = response(cache_control="max-age=60")
    await kit.ask()
    assert (await kit.ask(cache_control="only-if-cached")).result == "hit"
    kit.clock.move(61)
    assert (await kit.ask(cache_control="only-if-cached")).status == 504


# Conditions


async def test_a_client_with_the_same_copy_gets_304(kit: Kit) -> None:
    """RFC 9111 section 4.3.2: ETag and caching fields, no content fields, ready to send."""
    kit.answer = response(cache_control="max-age=60", etag='"a"', content_type="text/plain")
    await kit.ask()
    told = await kit.ask(if_none_match='"x", W/"a"')
    again = await kit.ask(if_none_match="*")
    assert (told.status, told.body, told.result, told.age) == (304, b"", "hit", 0)
    assert told.answer.headers.get(b"etag") == b'"a"'
    assert b"content-type" not in told.answer.headers
    assert told.ready_head.startswith(b"HTTP/1.1 304 Not Modified\r\n")
    assert again.answer.headers is told.answer.headers
    assert (await kit.ask(if_none_match='"b"')).status == 200
    assert kit.calls == 1


async def test_a_client_condition_on_a_miss_is_the_origins(kit: Kit) -> None:
    """Its 304 is for this client only: it passes, and is not stored."""
    kit.answer = response(b"", 304, etag='"a"')
    told = await kit.ask(if_none_match='"a"')
    assert (told.status, told.result) == (304, "miss")
    assert kit.heads[0].headers.get(b"if-none-match") == b'"a"'
    assert kit.store.stats().entries == 0


async def test_a_stale_response_is_confirmed(kit: Kit) -> None:
    """RFC 9111 section 4.3: our validators go out, the 304 updates what is stored."""
    kit.answer = response(
        cache_control="max-age=60", etag='"a"', last_modified=date(-9), date=date(), x="1"
    )
    await kit.ask()
    kit.clock.move(61)
    kit.answer = response(b"", 304, cache_control="max-age=30", date=date(61), x="2")
    told = await kit.ask(if_none_match='"theirs"', accept="y")
    sent = kit.heads[-1].headers
    assert sent.get_all(b"if-none-match") == [b'"a"']
    assert sent.get(b"if-modified-since") == date(-9).encode()
    assert sent.get(b"accept") == b"y"
    assert (told.status, told.body, told.result, told.age) == (200, b"body", "revalidated", 0)
    assert told.told == "lukhas; fwd=stale; fwd-status=304; ttl=30; stored"
    assert told.answer.headers.get(b"x") == b"2"
    assert told.exchange.head.headers.get(b"if-none-match") == b'"theirs"'
    kit.clock.move(20)
    after = await kit.ask()
    assert (after.result, after.age, after.answer.headers.get(b"x")) == ("hit", 20, b"2")


async def test_a_confirmed_response_may_be_304_for_the_client_too(kit: Kit) -> None:
    """Both copies are the same one."""
    kit.answer = response(cache_control="no-cache", etag='"a"')
    await kit.ask()
    kit.answer = response(b"", 304, etag='"a"')
    told = await kit.ask(if_none_match='"a"')
    assert (told.status, told.result) == (304, "revalidated")


async def test_a_changed_response_replaces_the_stored_one(kit: Kit) -> None:
    """A 200 to our condition is the new response."""
    kit.answer = response(b"1", cache_control="max-age=60", etag='"a"')
    await kit.ask()
    kit.clock.move(61)
    kit.answer = response(b"2", cache_control="max-age=60", etag='"b"')
    assert (await kit.ask()).body == b"2"
    assert (await kit.ask()).body == b"2"
    assert kit.store.stats().entries == 1


async def test_a_304_about_another_response_is_not_believed(kit: Kit) -> None:
    """RFC 9111 section 4.3.4: then the whole response is asked for."""
    kit.answer = response(b"1", cache_control="max-age=60", etag='"a"')
    await kit.ask()
    kit.clock.move(61)

    async def confused(exchange: Exchange) -> Response:
        if b"if-none-match" in exchange.head.headers:
            return response(b"", 304, etag='"other"')
        return response(b"2", cache_control="max-age=60")

    kit.answer = confused
    told = await kit.ask()
    assert (told.status, told.body) == (200, b"2")
    assert kit.store.stats().entries == 1


async def test_a_304_may_end_storing(kit: Kit) -> None:
    """The client gets the confirmed response, the next one asks again."""
    kit.answer = response(cache_control="max-age=60", etag='"a"')
    await kit.ask()
    kit.clock.move(61)
    kit.answer = response(b"", 304, cache_control="no-store")
    told = await kit.ask()
    assert (told.status, told.body) == (200, b"body")
    assert told.told == "lukhas; fwd=stale; fwd-status=304; ttl=-1"
    assert kit.store.stats().entries == 0


async def test_cookies_of_a_304_are_for_this_client(kit: Kit) -> None:
    """They go out with this answer and are not stored."""
    kit.answer = response(cache_control="public, max-age=60", etag='"a"')
    await kit.ask()
    kit.clock.move(61)
    kit.answer = response(b"", 304, set_cookie="a=b")
    told = await kit.ask()
    assert (b"set-cookie", b"a=b") in told.exchange.added
    hit = await kit.ask()
    assert hit.result == "hit"
    assert b"set-cookie" not in hit.answer.headers
    assert (b"set-cookie", b"a=b") not in hit.exchange.added


async def test_a_late_304_does_not_bring_back_what_was_replaced(kit: Kit) -> None:
    """What is stored meanwhile is newer than what was confirmed."""
    kit.answer = response(b"1", cache_control="max-age=60", etag='"a"')
    await kit.ask()
    kit.clock.move(61)

    async def overtaken(exchange: Exchange) -> Response:
        kit.answer = response(b"2", cache_control="max-age=60", etag='"b"')
        await kit.ask(cache_control="no-cache")
        return response(b"", 304, cache_control="max-age=60", etag='"a"')

    kit.answer = overtaken
    assert (await kit.ask()).body == b"1"
    assert (await kit.ask()).body == b"2"
    assert kit.store.stats().entries == 1


async def test_a_failure_after_our_condition_is_never_a_304(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The 304 answers our question; a client that asked nothing must not get it."""
    kit.answer = response(cache_control="max-age=60", etag='"a"')
    await kit.ask()
    kit.clock.move(61)
    kit.answer = response(b"", 304)

    def fail(*_: object) -> NoReturn:
        raise RuntimeError

    monkeypatch.setattr(kit.store, "put", fail)
    told = await kit.ask()
    assert told.status == 503
    assert len(kit.contained) == 1


# When the origin fails


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_stale_if_error_serves_stale(kit: Kit, status: int) -> None:
    """RFC 5861 section 4: within the time that the response allows."""
    kit.answer = response(cache_control="max-age=60, stale-if-error=30")
    await kit.ask()
    closed: list[bool] = []
    kit.clock.move(65)

    async def failing(exchange: Exchange) -> Response:
        answer = response(b"oops", status)
        answer.on_close = lambda: closed.append(True)
        return answer

    kit.answer = failing
    told = await kit.ask()
    assert (told.status, told.body, told.result, told.age) == (200, b"body", "stale", 65)
    assert told.told == f"lukhas; fwd=stale; fwd-status={status}; ttl=-5"
    assert closed == [True]
    kit.clock.move(30)
    assert (await kit.ask()).status == status


async def test_stale_if_error_covers_lost_connections(kit: Kit) -> None:
    """A failure of the handler counts like a 502."""
    kit.answer = response(cache_control="max-age=60, stale-if-error=30", etag='"a"')
    await kit.ask()
    kit.clock.move(65)
    kit.answer = DOWN
    told = await kit.ask()
    assert (told.body, told.told) == (b"body", "lukhas; fwd=stale; ttl=-5")
    assert (await kit.ask(method="HEAD")).result == "stale"


@pytest.mark.parametrize(
    "directives",
    [
        "max-age=60",
        "max-age=60, stale-if-error=30, must-revalidate",
        "max-age=60, stale-if-error=30, no-cache",
        "max-age=60, stale-if-error=30, s-maxage=60",
        "max-age=60, stale-if-error=30, proxy-revalidate",
    ],
)
async def test_failures_pass_without_permission(kit: Kit, directives: str) -> None:
    """RFC 9111 section 4.2.4: nothing stale without a permission, or against a directive."""
    kit.policy = CachePolicy(stale_if_unreachable_s=0 if directives == "max-age=60" else 60)
    kit.answer = response(cache_control=directives, etag='"a"')
    await kit.ask()
    kit.clock.move(61)
    kit.answer = response(b"oops", 503)
    assert (await kit.ask()).status == 503
    kit.answer = DOWN
    with pytest.raises(HandlerError):
        await kit.ask()


async def test_a_client_that_demands_fresh_is_told_of_the_failure(kit: Kit) -> None:
    """no-cache means that nothing stored is wanted unasked."""
    kit.answer = response(cache_control="max-age=60, stale-if-error=30")
    await kit.ask()
    kit.answer = response(b"oops", 503)
    assert (await kit.ask(cache_control="no-cache")).status == 503
    assert (await kit.ask()).result == "hit"


async def test_what_was_invalidated_meanwhile_does_not_stand_in(kit: Kit) -> None:
    """A write that succeeded while the origin was asked ends the stale response too."""
    kit.answer = response(cache_control="max-age=60, stale-if-error=30")
    await kit.ask()
    kit.clock.move(61)

    async def changed_then_failing(exchange: Exchange) -> Response:
        kit.answer = response()
        await kit.ask(method="POST")
        return response(b"oops", 503)

    kit.answer = changed_then_failing
    assert (await kit.ask()).status == 503


async def test_a_passing_failure_does_not_end_what_is_stored(kit: Kit) -> None:
    """After a 5xx the stored response is still what the origin last said."""
    kit.answer = response(cache_control="max-age=60", etag='"a"')
    await kit.ask()
    kit.clock.move(61)
    kit.answer = response(b"oops", 503)
    await kit.ask()
    assert kit.store.stats().entries == 1
