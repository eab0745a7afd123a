"""A question to the origin on behalf of the cache."""

from dataclasses import dataclass

from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stage import Handler
from lukhas.pipeline.stages.cache_flights import Flight, FlightKey
from lukhas.policy.caching.cache_status import Forward
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.caching.requests import CacheRequest
from lukhas.storage.entries import StoredResponse
from lukhas.storage.large_bodies import BodySource

__all__ = ("Fetch", "flight_key", "forwarded", "principal_of")


@dataclass(slots=True)
class Fetch:
    """A question to the origin, and what is to be done with its answer.

    Attributes:
        exchange: for whom.
        call_next: who asks.
        policy: the policy of the route.
        request: the request as the cache sees it.
        reason: why the origin is asked.
        ticket: the store's, drawn before.
        requested_ns: when.
        entry: the stored response that the answer is about, if there is one.
        source: its body, where that is large.
        flight: where others wait for the answer.
        flight_key: under which they may.
    """

    exchange: Exchange
    call_next: Handler
    policy: CachePolicy
    request: CacheRequest
    reason: Forward
    ticket: int
    requested_ns: int
    entry: StoredResponse | None = None
    source: BodySource | None = None
    flight: Flight | None = None
    flight_key: FlightKey | None = None


async def forwarded(fetch: Fetch, headers: Headers | None) -> Response:
    """The handler's response; it sees `headers` in place of the client's, nobody else does.

    With a rule for the query it sees the query that the key has, and no parameter more.
    """
    exchange = fetch.exchange
    head = exchange.head
    query = fetch.request.key[3]
    if headers is None and query == head.query:
        return await fetch.call_next(exchange)
    fields = head.headers if headers is None else headers
    exchange.head = RequestHead(head.method, head.scheme, head.authority, head.path, query, fields)
    try:
        return await fetch.call_next(exchange)
    finally:
        exchange.head = head


def principal_of(exchange: Exchange, policy: CachePolicy) -> int:
    """Who asks, as a number that means nothing outside this process; 0 for nobody.

    Not a digest: a collision would only make one wait for another, and a secret is not kept.
    """
    consumer = exchange.consumer
    names = policy.credential_headers
    head = exchange.head
    known = head.asked_by
    # The same head comes again and again (see `KnownHeads`).
    if known is not None and known[0] is consumer and known[1] is names:
        return known[2]
    shown = tuple([pair for pair in head.headers.raw if pair[0] in names or pair[0] == b"cookie"])
    key = "" if consumer is None or consumer.is_anonymous else consumer.key
    principal = hash((key, shown)) if key or shown else 0
    head.asked_by = (consumer, names, principal)
    return principal


def flight_key(fetch: Fetch) -> FlightKey:
    """What the fetch may be shared under: never across principals, unless the last answer said so.

    Somebody who waits gets nothing but what is then in the store for them; the principal in the
    key keeps one from waiting for what is likely meant for another.
    """
    request = fetch.request
    entry = fetch.entry
    if not request.shared or not request.personal:
        return (request.key, 0)
    if entry is not None and entry.terms.for_credentials and entry.terms.for_cookies:
        return (request.key, 0)
    return (request.key, principal_of(fetch.exchange, fetch.policy))
