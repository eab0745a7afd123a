"""Which responses may be stored, and what of them (RFC 9111 section 3).

Where the RFC leaves room, the safe reading is taken:

- A response to a request with credentials (a credential header, or an identified consumer) is
  shared only if it says public, s-maxage or must-revalidate; one to a request with Cookie only if
  it says public or s-maxage, since must-revalidate is no statement about cookies.
- A response that sets cookies is stored only if it says public, and without them.
- A stream of events (`text/event-stream`) is stored only if it says itself how long it lives: who
  waits for its end to share it, or reads it later, gets no events as they happen.
- A 206 is never stored, and 400, 413, 414 and 431 only where the policy says so.
"""

from dataclasses import dataclass

from lukhas.http.cache_control import CacheControl
from lukhas.http.dates import format_http_date
from lukhas.http.headers import HOP_BY_HOP, Headers, connection_options
from lukhas.http.status import reason_phrase
from lukhas.http.targeted_cache_control import response_directives
from lukhas.policy.caching.freshness import HEURISTIC_STATUSES, Freshness, Timing, freshness_of
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.caching.requests import CacheRequest
from lukhas.policy.caching.terms import ReuseTerms
from lukhas.policy.caching.variants import vary_names
from lukhas.units import SECOND_NS

__all__ = (
    "REQUEST_ERROR_STATUSES",
    "Storing",
    "decide_storing",
    "plainly_not_storable",
    "storable_fields",
)

REQUEST_ERROR_STATUSES = frozenset((400, 413, 414, 431))
"""Answers that are about one malformed request rather than about the resource."""

# RFC 9111 section 3.1 names the Proxy- fields. Age is worked out anew for each answer, cookies are
# for one client, and a stored body has no trailers.
_NEVER_STORED = HOP_BY_HOP | {
    b"age",
    b"proxy-authenticate",
    b"proxy-authentication-info",
    b"proxy-authorization",
    b"set-cookie",
    b"trailer",
}


@dataclass(frozen=True, slots=True)
class Storing:
    """Whether a response may be stored.

    Attributes:
        reason: why, or why not.
        terms: how it may be reused; None if it may not be stored.
    """

    reason: str
    terms: ReuseTerms | None = None


def plainly_not_storable(headers: Headers, policy: CachePolicy) -> bool:
    """Whether a look at the field names shows that `decide_storing` would say no.

    A response that states nothing about caching and has nothing to be confirmed by could not be
    reused. It is the usual answer of APIs, so it is recognised before anything is worked out.
    """
    return policy.default_ttl_s is None and policy.about_reuse.isdisjoint(headers.index())


def decide_storing(
    request: CacheRequest,
    status: int,
    headers: Headers,
    *,
    policy: CachePolicy,
    timing: Timing,
) -> Storing:
    """Decides on the response to a GET request that was not bypassed.

    Args:
        request: the request.
        status: the status of the response.
        headers: its fields as the origin sent them.
        policy: the policy of the route.
        timing: when it was asked for and came.
    """
    directives = response_directives(headers, policy.targets)
    refusal = (
        _status_refusal(status, directives, policy)
        or _directive_refusal(status, headers, directives, shared=request.shared, policy=policy)
        or _principal_refusal(directives, request)
    )
    if refusal:
        return Storing(refusal)
    freshness = freshness_of(
        status, headers, directives, policy=policy, shared=request.shared, timing=timing
    )
    allowed = directives.public or (directives.private and not request.shared)
    if not freshness.explicit and not allowed and status not in HEURISTIC_STATUSES:
        return Storing("the response states no freshness")
    if not freshness.explicit and _is_live(headers):
        return Storing("the response is a stream of events")
    terms = _terms(directives, freshness, shared=request.shared, policy=policy, timing=timing)
    if not _is_useful(terms, headers):
        return Storing("the response could not be reused")
    return Storing("the response may be stored", terms)


def _status_refusal(status: int, directives: CacheControl, policy: CachePolicy) -> str:
    if status < 200 or status in {206, 304, 416}:
        return "the status is never stored"
    if status in REQUEST_ERROR_STATUSES and not policy.store_request_errors:
        return "the status is about one malformed request"
    if directives.must_understand and not reason_phrase(status):
        return "the status is not understood"
    return ""


def _directive_refusal(
    status: int,
    headers: Headers,
    directives: CacheControl,
    *,
    shared: bool,
    policy: CachePolicy,
) -> str:
    understood = directives.must_understand and reason_phrase(status)
    if directives.no_store and not understood:
        return "the response says no-store"
    if shared and directives.private:
        return "the response says private"
    if b"set-cookie" in headers and not (directives.public or policy.store_cookies):
        return "the response sets a cookie"
    if vary_names(headers) is None:
        return "the response varies on everything"
    return ""


def _principal_refusal(directives: CacheControl, request: CacheRequest) -> str:
    if not request.shared:
        return ""
    if request.credentialed and not _for_credentials(directives):
        return "the request has credentials and the response is not explicitly shared"
    if request.has_cookie and not _for_cookies(directives):
        return "the request has a cookie and the response is not explicitly shared"
    return ""


def _for_cookies(directives: CacheControl) -> bool:
    return directives.public or directives.s_maxage is not None


def _for_credentials(directives: CacheControl) -> bool:
    return _for_cookies(directives) or directives.must_revalidate


def _is_live(headers: Headers) -> bool:
    return (headers.get(b"content-type") or b"").lower().startswith(b"text/event-stream")


def _terms(
    directives: CacheControl,
    freshness: Freshness,
    *,
    shared: bool,
    policy: CachePolicy,
    timing: Timing,
) -> ReuseTerms:
    by_sharing = shared and (directives.proxy_revalidate or directives.s_maxage is not None)
    while_s, if_error_s = directives.stale_while_revalidate, directives.stale_if_error
    return ReuseTerms(
        freshness=freshness,
        no_cache=directives.no_cache,
        must_revalidate=directives.no_cache or directives.must_revalidate or by_sharing,
        stale_if_error_s=policy.stale_if_error_s if if_error_s is None else if_error_s,
        for_credentials=not shared or _for_credentials(directives),
        for_cookies=not shared or not policy.cookies_identify or _for_cookies(directives),
        stale_while_revalidate_s=policy.stale_while_revalidate_s if while_s is None else while_s,
        stale_if_unreachable_s=policy.stale_if_unreachable_s,
        fetch_ns=max(0, timing.responded_ns - timing.requested_ns),
        early_refresh=policy.early_refresh,
    )


def _is_useful(terms: ReuseTerms, headers: Headers) -> bool:
    if b"etag" in headers or b"last-modified" in headers:
        return True
    if terms.no_cache:
        return False
    freshness = terms.freshness
    if freshness.lifetime_ns > freshness.initial_age_ns:
        return True
    stale_s = max(terms.stale_if_error_s, terms.stale_while_revalidate_s)
    return stale_s > 0 and not terms.must_revalidate


def storable_fields(
    headers: Headers, *, shared: bool, responded_ns: int, policy: CachePolicy
) -> Headers:
    """The fields of a response as they are stored.

    Hop-by-hop fields, those listed in Connection, cookies, Age, and the fields that `no-cache`
    or (in shared entries) `private` name are left out. A missing Date is filled in with the time
    of receipt (RFC 9110 section 6.6.1); a Date that is there is never touched.
    """
    directives = response_directives(headers, policy.targets)
    dropped = _NEVER_STORED | connection_options(headers) | directives.no_cache_fields
    if policy.store_cookies:
        dropped -= {b"set-cookie"}
    if shared:
        dropped |= directives.private_fields
    stored = headers.without(dropped)
    if b"date" in stored:
        return stored
    date = format_http_date(responded_ns // SECOND_NS)
    return Headers([*stored.raw, (b"date", date)])
