"""A request as the cache sees it."""

from dataclasses import dataclass, replace

from lukhas.http.cache_control import NO_DIRECTIVES, CacheControl, parse_cache_control
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.caching.keys import CacheKey, has_credentials, partition_of
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.caching.query_rules import plain_query

__all__ = ("CacheRequest", "bypass_reason", "cache_request", "request_directives")

# Preconditions that are the origin's business (RFC 9111 section 4.3.2).
_ORIGIN_FIELDS = frozenset((b"if-match", b"if-unmodified-since"))
_ONLY_IF_CACHED = CacheControl(only_if_cached=True)


@dataclass(slots=True)
class CacheRequest:
    """What decides whether a request may be answered from the store, and its response kept.

    Treated as a value; not frozen because one is made for every miss, and frozen ones cost double.

    Attributes:
        key: what it looks up.
        headers: its fields.
        directives: its Cache-Control, with Pragma folded in.
        shared: whether its partition serves more than one principal.
        credentialed: whether it tells who calls, by other means than a cookie.
        has_cookie: whether it has a Cookie field.
        conditional: whether the client has a copy that it asks about.
        ranged: whether the client asks for a part.
    """

    key: CacheKey
    headers: Headers
    directives: CacheControl
    shared: bool
    credentialed: bool
    has_cookie: bool
    conditional: bool
    ranged: bool = False

    @property
    def personal(self) -> bool:
        """Whether the answer may be meant for one principal only."""
        return self.credentialed or self.has_cookie


def request_directives(headers: Headers) -> CacheControl:
    """The Cache-Control of a request; Pragma: no-cache where it has none (RFC 9111 section 5.4)."""
    fields = headers.index()
    if b"cache-control" not in fields:
        if b"pragma" not in fields:
            return NO_DIRECTIVES
        pragma = headers.joined(b"pragma") or b""
        if b"no-cache" in {part.strip(b" \t").lower() for part in pragma.split(b",")}:
            return parse_cache_control([b"no-cache"])
    directives = parse_cache_control(headers.get_all(b"cache-control"))
    if directives.no_cache_fields:
        # Field names mean nothing in a request: taken as the form without them.
        return replace(directives, no_cache=True)
    return directives


def cache_request(
    head: RequestHead,
    consumer: Consumer | None,
    policy: CachePolicy,
    *,
    posted: bytes | None = None,
) -> CacheRequest:
    """The facts of a GET or HEAD request, or of a POST that only asks.

    Args:
        head: the request.
        consumer: who calls.
        policy: the policy of the route.
        posted: what a POST asks for, see `post_key`.
    """
    headers = head.headers
    fields = headers.index()
    partition = partition_of(headers, consumer, policy)
    query = head.query if policy.query is None else plain_query(head.query, policy.query)
    beside = (posted or b"") + head.keyed
    owner = (beside, partition) if beside else partition
    directives = request_directives(headers)
    if policy.ignore_request_directives:
        directives = _ONLY_IF_CACHED if directives.only_if_cached else NO_DIRECTIVES
    return CacheRequest(
        key=(head.scheme, head.authority, head.path, query, owner),
        headers=headers,
        directives=directives,
        shared=isinstance(partition, str),
        credentialed=has_credentials(headers, consumer, policy),
        has_cookie=policy.cookies_identify and b"cookie" in fields,
        conditional=b"if-none-match" in fields or b"if-modified-since" in fields,
        ranged=b"range" in fields and head.method == "GET",
    )


def bypass_reason(
    headers: Headers, directives: CacheControl, *, has_body: bool, body_is_keyed: bool = False
) -> str:
    """Why a request goes past the store altogether; empty if it does not.

    Args:
        headers: its fields.
        directives: its Cache-Control.
        has_body: whether a body comes with it.
        body_is_keyed: whether the body is a part of what it looks up.
    """
    fields = headers.index()
    if not body_is_keyed and (
        has_body
        or b"transfer-encoding" in fields
        or fields.get(b"content-length", b"0").strip(b"0")
    ):
        # An unkeyed body could shape a response that others then get.
        return "the request has a body"
    if directives.no_store:
        return "the request says no-store"
    if not _ORIGIN_FIELDS.isdisjoint(fields):
        return "the request has a precondition for the origin"
    return ""
