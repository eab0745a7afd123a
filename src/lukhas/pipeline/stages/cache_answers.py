"""Answers made from stored responses."""

from dataclasses import replace

from lukhas.http.headers import Headers
from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange
from lukhas.policy.caching.lookup import Reuse
from lukhas.policy.caching.parts import part_of, wanted_range
from lukhas.policy.caching.validation import is_not_modified, not_modified_fields
from lukhas.policy.verdicts import Fact, Outcome, Verdict
from lukhas.storage.entries import StoredResponse, head_bytes
from lukhas.storage.large_bodies import BodySource
from lukhas.units import SECOND_NS

__all__ = ("HitVerdicts", "age_and_ttl_s", "from_entry")

_NOT_IN_416 = frozenset(
    (b"content-length", b"content-type", b"content-encoding", b"content-range", b"etag")
)


_REASONS = {
    Reuse.FRESH: "a fresh response was stored",
    Reuse.STALE_ALLOWED: "a stale response was stored and accepted",
    Reuse.STALE_REFRESHED: "a stale response serves while the origin is asked",
}


class HitVerdicts:
    """What is said of answers from the store.

    Args:
        facts: what every verdict says about the settings.

    Attributes:
        fresh: of a fresh response from memory.
    """

    def __init__(self, facts: tuple[Fact, ...]) -> None:
        self._facts = facts
        self._verdicts = {
            use: Verdict("cache", Outcome.ANSWERED, reason, facts=facts)
            for use, reason in _REASONS.items()
        }
        self.fresh = self._verdicts[Reuse.FRESH]

    def of(self, use: Reuse, tier: str) -> Verdict:
        """The verdict on an answer.

        Args:
            use: why it may be used.
            tier: the store that it has just come from; empty for memory.
        """
        verdict = self._verdicts[use]
        return replace(verdict, facts=(*self._facts, ("tier", tier))) if tier else verdict


def age_and_ttl_s(entry: StoredResponse, now_ns: int) -> tuple[int, int]:
    """Age to tell, and what is left of the lifetime: negative if it is stale."""
    freshness = entry.terms.freshness
    age_s = freshness.age_ns(now_ns) // SECOND_NS
    return age_s, freshness.lifetime_ns // SECOND_NS - age_s


def from_entry(
    exchange: Exchange, entry: StoredResponse, now_ns: int, source: BodySource | None = None
) -> Response:
    """The stored response as the answer to this client: whole, its head, a part, or 304.

    Preconditions go before the range, as RFC 9110 section 13.2.2 has it.

    Args:
        exchange: the request.
        entry: the response.
        now_ns: the time.
        source: its body, where that is large.
    """
    head = exchange.head
    now_s = now_ns // SECOND_NS
    if is_not_modified(entry.status, entry.headers, head.headers, now_s=now_s):
        if entry.not_modified is None:
            fields = not_modified_fields(entry.headers)
            entry.not_modified = (fields, head_bytes(304, fields))
        headers, ready_head = entry.not_modified
        return Response(304, headers, b"", ready_head)
    if head.method == "HEAD":
        return Response(entry.status, entry.headers, b"", entry.ready_head)
    if entry.status == 200 and b"range" in head.headers.index() and head.method == "GET":
        part = _part(head.headers, entry, source, now_s=now_s)
        if part is not None:
            return part
    if source is not None:
        return Response(entry.status, entry.headers, source.pieces(0, entry.length_bytes))
    return Response(entry.status, entry.headers, entry.body, entry.ready_head)


def _part(
    request: Headers, entry: StoredResponse, source: BodySource | None, *, now_s: int
) -> Response | None:
    """The part that the client asks for; None where it gets the whole."""
    wanted = wanted_range(request, entry.headers, now_s=now_s)
    if wanted is None:
        return None
    part = part_of(wanted, entry.length_bytes)
    told = (b"content-range", part.content_range)
    if part.end <= part.start:
        fields = entry.headers.without(_NOT_IN_416)
        return Response(416, Headers([*fields.raw, (b"content-length", b"0"), told]), b"")
    length = (b"content-length", b"%d" % (part.end - part.start))
    body = (
        entry.body[part.start : part.end] if source is None else source.pieces(part.start, part.end)
    )
    return Response(206, entry.headers.replaced([length, told]), body)
