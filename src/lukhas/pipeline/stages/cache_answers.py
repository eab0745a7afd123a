"""Answers made from stored responses."""

from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange
from lukhas.policy.caching.validation import is_not_modified, not_modified_fields
from lukhas.storage.entries import StoredResponse, head_bytes
from lukhas.units import SECOND_NS

__all__ = ("age_and_ttl_s", "from_entry")


def age_and_ttl_s(entry: StoredResponse, now_ns: int) -> tuple[int, int]:
    """Age to tell, and what is left of the lifetime: negative if it is stale."""
    freshness = entry.terms.freshness
    age_s = freshness.age_ns(now_ns) // SECOND_NS
    return age_s, freshness.lifetime_ns // SECOND_NS - age_s


def from_entry(exchange: Exchange, entry: StoredResponse, now_ns: int) -> Response:
    """The stored response as the answer to this client: whole, its head, or 304."""
    head = exchange.head
    if is_not_modified(entry.status, entry.headers, head.headers, now_s=now_ns // SECOND_NS):
        if entry.not_modified is None:
            fields = not_modified_fields(entry.headers)
            entry.not_modified = (fields, head_bytes(304, fields))
        headers, ready_head = entry.not_modified
        return Response(304, headers, b"", ready_head)
    body = entry.body if head.method == "GET" else b""
    return Response(entry.status, entry.headers, body, entry.ready_head)
