"""POST requests and the cache: those that only ask, and answers that serve later GETs."""

from typing import Any, cast

from lukhas.http.messages import RequestHead, Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stage import Handler
from lukhas.pipeline.stages.cache_question import Fetch
from lukhas.policy.caching.cache_status import Forward
from lukhas.policy.caching.freshness import Timing
from lukhas.policy.caching.invalidation import named_resources
from lukhas.policy.caching.keys import resource_key
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.caching.post_rules import MAX_POST_BYTES, PostRule, post_key
from lukhas.policy.caching.requests import cache_request
from lukhas.policy.caching.storability import decide_storing

__all__ = ("asked_by_post", "kept_for_get")


async def asked_by_post(exchange: Exchange, rule: PostRule) -> bytes | None:
    """What a POST asks for, as a digest; None where it goes past the cache.

    The body is read only where its length is known and small; it is then left on the exchange as
    bytes, for the handler to send.
    """
    headers = exchange.head.headers
    fields = headers.index()
    if rule is PostRule.NEVER or b"content-encoding" in fields or b"expect" in fields:
        return None
    body = cast("Any", exchange.body)
    if body is None:
        return None
    if not isinstance(body, bytes):
        length = fields.get(b"content-length")
        if length is None or not length.isdigit() or int(length) > MAX_POST_BYTES:
            return None
        body = b"".join([piece async for piece in body])
        # The front server's bodies and bytes are the two kinds that the handler sends.
        exchange.body = cast("Any", body)
    return post_key(rule, fields.get(b"content-type"), body)


def kept_for_get(
    exchange: Exchange,
    response: Response,
    policy: CachePolicy,
    *,
    call_next: Handler,
    ticket: int,
) -> Fetch | None:
    """The GET that the answer to a POST also answers, for the keeper to store it under.

    That is so where the answer is explicitly fresh and says by its Content-Location that it is the
    representation of the target itself (RFC 9110 section 9.3.3).
    """
    head = exchange.head
    named = named_resources(head, response.headers, b"content-location")
    if response.status != 200 or named != [resource_key(head)]:
        return None
    headers = head.headers.without((b"content-length", b"content-type", b"transfer-encoding"))
    own = Exchange(
        RequestHead("GET", head.scheme, head.authority, head.path, head.query, headers, head.keyed),
        exchange.peer,
        exchange.now_ns,
        exchange.request_id,
    )
    own.client, own.consumer, own.route = exchange.client, exchange.consumer, exchange.route
    own.upstream = exchange.upstream
    request = cache_request(own.head, own.consumer, policy)
    timing = Timing(exchange.now_ns, exchange.now_ns)
    terms = decide_storing(
        request, response.status, response.headers, policy=policy, timing=timing
    ).terms
    if terms is None or not terms.freshness.explicit:
        return None
    return Fetch(
        own,
        call_next,
        policy,
        request,
        reason=Forward.METHOD,
        ticket=ticket,
        requested_ns=exchange.now_ns,
    )
