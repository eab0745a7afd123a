"""The terms on which a stored response may be reused."""

from dataclasses import dataclass

from lukhas.policy.caching.freshness import Freshness

__all__ = ("ReuseTerms",)


@dataclass(frozen=True, slots=True)
class ReuseTerms:
    """What a stored response allows, worked out once when it is stored or confirmed.

    Attributes:
        freshness: its age and lifetime.
        no_cache: whether it may never be used without asking the origin.
        must_revalidate: whether it may never be used stale: must-revalidate or no-cache, and
            where it is shared proxy-revalidate or s-maxage (RFC 9111 sections 4.2.4, 5.2.2.10).
        stale_if_error_s: how long after its end it may stand in for a failing origin (RFC 5861).
        for_credentials: whether it may answer requests with credentials (RFC 9111 section 3.5).
        for_cookies: whether it may answer requests with cookies.
        stale_while_revalidate_s: how long after its end it may be served while the origin is asked
            (RFC 5861 section 3).
        stale_if_unreachable_s: how long after its end it may be served where the origin cannot be
            reached (RFC 9111 section 4.2.4).
        fetch_ns: how long the origin took to answer.
        early_refresh: how eagerly it is fetched again before its end; see `refresh`. 0 is never.
        outdated: whether a soft purge has ended its freshness.
    """

    freshness: Freshness
    no_cache: bool
    must_revalidate: bool
    stale_if_error_s: int
    for_credentials: bool
    for_cookies: bool
    stale_while_revalidate_s: int = 0
    stale_if_unreachable_s: int = 0
    fetch_ns: int = 0
    early_refresh: float = 0.0
    outdated: bool = False
