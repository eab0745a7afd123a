"""When a fresh response is fetched again before its end, so that nobody waits for it.

XFetch (Vattani, Chierichetti and Lowenstein, "Optimal probabilistic cache stampede prevention",
VLDB 2015): each use of a response draws the time at which it would begin to fetch anew, the earlier
the longer the fetch takes. Few uses draw an early time, so that one of many comes first and renews
the response before it ends for all of them.
"""

from math import log

from lukhas.policy.caching.terms import ReuseTerms

__all__ = ("refresh_from_ns", "refreshes_early")

# A draw beyond this is less likely than one in eight million.
_MAX_LEAD = 16
# However slow the origin is, a response is used as it is for the first part of its life.
_LATEST_SHARE = 2


def refresh_from_ns(terms: ReuseTerms) -> int:
    """The first moment at which an early refresh is possible; the end of freshness if none is."""
    freshness = terms.freshness
    until_ns = freshness.fresh_until_ns
    lead_ns = min(
        round(_MAX_LEAD * terms.early_refresh * terms.fetch_ns),
        max(0, freshness.lifetime_ns - freshness.initial_age_ns) // _LATEST_SHARE,
    )
    return until_ns - lead_ns


def refreshes_early(terms: ReuseTerms, *, now_ns: int, draw: float) -> bool:
    """Whether this use of a fresh response is the one that fetches it again.

    Args:
        terms: those of the response.
        now_ns: Unix time.
        draw: a random number from 0, not included, to 1.
    """
    if now_ns < refresh_from_ns(terms):
        return False
    lead_ns = -log(draw) * terms.early_refresh * terms.fetch_ns
    return now_ns + lead_ns >= terms.freshness.fresh_until_ns
