"""lukhas.policy.caching.storability."""

from collections.abc import Sequence
from typing import TypedDict, Unpack

import pytest

from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.caching.freshness import Timing
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.caching.requests import cache_request
from lukhas.policy.caching.storability import Storing, decide_storing, storable_fields
from lukhas.policy.caching.terms import ReuseTerms
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.units import SECOND_NS

NOW_NS = 1_800_000_000 * SECOND_NS
TIMING = Timing(NOW_NS, NOW_NS)
ANNA = Consumer(key="key:anna", tier=Tier.FREE)
FRESH = ("cache-control", "max-age=60")
NO_FRESHNESS = "the response states no freshness"


class Options(TypedDict, total=False):
    """What else a response may come with."""

    status: int
    request: Sequence[tuple[str, str]]
    consumer: Consumer | None
    policy: CachePolicy | None


def storing(
    *pairs: tuple[str, str],
    status: int = 200,
    request: Sequence[tuple[str, str]] = (),
    consumer: Consumer | None = None,
    policy: CachePolicy | None = None,
) -> Storing:
    policy = policy or CachePolicy()
    head = RequestHead("GET", "http", b"a.example", b"/", b"", Headers.of(request))
    return decide_storing(
        cache_request(head, consumer, policy),
        status,
        Headers.of(pairs),
        policy=policy,
        timing=TIMING,
    )


def terms(*pairs: tuple[str, str], **options: Unpack[Options]) -> ReuseTerms:
    found = storing(*pairs, **options)
    assert found.terms is not None, found.reason
    return found.terms


def is_stored(*pairs: tuple[str, str], **options: Unpack[Options]) -> bool:
    return storing(*pairs, **options).terms is not None


def refusal(*pairs: tuple[str, str], **options: Unpack[Options]) -> str:
    found = storing(*pairs, **options)
    assert found.terms is None
    return found.reason


def cc(directives: str) -> tuple[str, str]:
    return ("cache-control", directives)


def test_explicitly_fresh_responses_are_stored() -> None:
    """RFC 9111 section 3: any final status with explicit freshness."""
    for status in (200, 299, 302, 404, 500, 599):
        assert is_stored(FRESH, status=status)


@pytest.mark.parametrize("status", [103, 206, 304])
def test_partial_and_interim_responses_are_never_stored(status: int) -> None:
    """Neither 1xx nor 206 nor 304 is a whole response."""
    assert refusal(FRESH, status=status) == "the status is never stored"


@pytest.mark.parametrize("status", [400, 413, 414, 431])
def test_answers_to_malformed_requests_are_not_stored(status: int) -> None:
    """One malformed request must not take a resource away from everybody (CPDoS)."""
    assert refusal(FRESH, status=status) == "the status is about one malformed request"
    strict = CachePolicy(store_request_errors=True)
    assert is_stored(FRESH, status=status, policy=strict)
    modified = ("last-modified", "Mon, 01 Jan 2024 00:00:00 GMT")
    assert refusal(modified, status=status, policy=strict) == NO_FRESHNESS


def test_no_store_and_private_are_respected() -> None:
    """RFC 9111 sections 5.2.2.5 and 5.2.2.7."""
    assert refusal(cc("no-store, max-age=60")) == "the response says no-store"
    assert refusal(cc("private, max-age=60")) == "the response says private"
    assert is_stored(cc('private="x-user", max-age=60'))


def test_must_understand_overrides_no_store_for_known_statuses() -> None:
    """RFC 9111 section 5.2.2.3."""
    assert is_stored(cc("no-store, must-understand, max-age=60"))
    unknown = refusal(cc("must-understand, max-age=60"), status=599)
    assert unknown == "the status is not understood"


def test_private_partition_stores_private_responses() -> None:
    """For one principal only, private is no obstacle and s-maxage no statement."""
    policy = CachePolicy(private=True)
    found = terms(
        cc("private, max-age=60, s-maxage=5, proxy-revalidate"), consumer=ANNA, policy=policy
    )
    assert found.freshness.source == "max-age"
    assert not found.must_revalidate
    assert found.for_credentials
    assert found.for_cookies
    assert is_stored(cc("private"), ("etag", '"a"'), status=302, consumer=ANNA, policy=policy)
    own = storing(cc("no-store"), consumer=ANNA, policy=policy)
    assert own.reason == "the response says no-store"
    unstated = refusal(("etag", '"a"'), status=302, consumer=ANNA, policy=policy)
    assert unstated == NO_FRESHNESS


def test_status_without_heuristics_needs_a_statement() -> None:
    """RFC 9111 section 3: without freshness or public only some statuses are stored."""
    assert refusal(("etag", '"a"'), status=302) == NO_FRESHNESS
    assert is_stored(("etag", '"a"'), cc("public"), status=302)
    assert is_stored(("etag", '"a"'))


@pytest.mark.parametrize(
    ("directives", "with_credentials", "with_cookie"),
    [
        ("max-age=60", False, False),
        ("max-age=60, must-revalidate", True, False),
        ("max-age=60, public", True, True),
        ("s-maxage=60", True, True),
    ],
)
def test_sharing_of_personal_responses_needs_a_statement(
    directives: str, with_credentials: bool, with_cookie: bool
) -> None:
    """RFC 9111 section 3.5, for every kind of credential; stricter for cookies."""
    requests: list[tuple[list[tuple[str, str]], Consumer | None, bool]] = [
        ([("authorization", "x")], None, with_credentials),
        ([("x-api-key", "x")], None, with_credentials),
        ([], ANNA, with_credentials),
        ([("cookie", "a=b")], None, with_cookie),
        ([("cookie", "a=b"), ("authorization", "x")], None, with_cookie),
        ([], None, True),
    ]
    for request, consumer, allowed in requests:
        found = storing(cc(directives), request=request, consumer=consumer).terms
        assert (found is not None) is allowed
        if found is not None:
            assert (found.for_credentials, found.for_cookies) == (with_credentials, with_cookie)


def test_what_is_not_shared_says_why() -> None:
    """An operator sees in the verdict what kept a response out of the store."""
    for_credentials = refusal(FRESH, request=[("authorization", "x")])
    for_a_cookie = refusal(FRESH, request=[("cookie", "a=b")])
    not_shared = "and the response is not explicitly shared"
    assert for_credentials == f"the request has credentials {not_shared}"
    assert for_a_cookie == f"the request has a cookie {not_shared}"
    assert storing(FRESH).reason == "the response may be stored"


def test_cookies_are_stored_only_with_public() -> None:
    """A cookie is for one client; the response may be stored without it if it says public."""
    cookie = ("set-cookie", "a=b")
    sets = "the response sets a cookie"
    assert refusal(cookie, FRESH) == sets
    assert refusal(cookie, policy=CachePolicy(default_ttl_s=60)) == sets
    assert is_stored(cookie, cc("public, max-age=60"))


def test_a_stream_of_events_is_stored_only_if_it_says_so() -> None:
    """No lifetime of the settings is for it, nor one that is guessed: it is about now."""
    events = ("content-type", "Text/Event-Stream; charset=utf-8")
    policy = CachePolicy(default_ttl_s=60, stale_while_revalidate_s=30)
    assert refusal(events, policy=policy) == "the response is a stream of events"
    assert refusal(events, cc("public"), policy=policy) == "the response is a stream of events"
    modified = ("last-modified", "Fri, 01 Jan 2021 00:00:00 GMT")
    assert refusal(events, modified) == "the response is a stream of events"
    assert is_stored(events, FRESH)
    assert is_stored(("content-type", "text/html"), policy=policy)


def test_vary_star_is_not_stored() -> None:
    """Nothing would ever match it."""
    assert refusal(FRESH, ("vary", "accept, *")) == "the response varies on everything"


def test_useless_responses_are_not_stored() -> None:
    """Neither fresh, nor confirmable, nor of use when the origin fails."""
    useless = "the response could not be reused"
    assert refusal() == useless
    assert refusal(cc("max-age=0")) == useless
    assert refusal(cc("max-age=60"), ("age", "60")) == useless
    assert refusal(cc("no-cache, max-age=60")) == useless
    assert refusal(cc("max-age=0, stale-if-error=60, must-revalidate")) == useless
    assert terms(cc("no-cache"), ("etag", '"a"')).no_cache
    assert is_stored(cc("max-age=0"), ("last-modified", "x"))
    assert terms(cc("max-age=0, stale-if-error=60")).stale_if_error_s == 60
    assert is_stored(cc("max-age=0, stale-if-error=1"))


@pytest.mark.parametrize(
    ("directives", "must"),
    [
        ("max-age=60", False),
        ("max-age=60, must-revalidate", True),
        ("max-age=60, proxy-revalidate", True),
        ("s-maxage=60", True),
    ],
)
def test_what_may_never_be_served_stale(directives: str, must: bool) -> None:
    """RFC 9111 section 4.2.4; s-maxage implies proxy-revalidate (section 5.2.2.10)."""
    assert terms(cc(directives)).must_revalidate is must


def test_stored_fields_are_those_of_the_resource() -> None:
    """RFC 9111 section 3.1: nothing of the connection, of one client, or of the moment."""
    headers = Headers.of(
        [
            ("connection", "X-Hop, close"),
            ("x-hop", "1"),
            ("keep-alive", "5"),
            ("transfer-encoding", "chunked"),
            ("proxy-authenticate", "x"),
            ("set-cookie", "a=b"),
            ("age", "5"),
            ("date", "Mon, 01 Jan 2024 00:00:00 GMT"),
            ("cache-control", 'public, no-cache="x-a", private="x-b"'),
            ("x-a", "1"),
            ("x-b", "2"),
            ("content-type", "text/plain"),
        ]
    )
    kept = [
        name
        for name, _ in storable_fields(
            headers, shared=True, responded_ns=NOW_NS, policy=CachePolicy()
        )
    ]
    assert kept == [b"date", b"cache-control", b"content-type"]
    own = [
        name
        for name, _ in storable_fields(
            headers, shared=False, responded_ns=NOW_NS, policy=CachePolicy()
        )
    ]
    assert own == [b"date", b"cache-control", b"x-b", b"content-type"]


def test_missing_date_is_the_time_of_receipt() -> None:
    """RFC 9110 section 6.6.1."""
    stored = storable_fields(Headers([]), shared=True, responded_ns=0, policy=CachePolicy())
    assert stored.raw == [(b"date", b"Thu, 01 Jan 1970 00:00:00 GMT")]
