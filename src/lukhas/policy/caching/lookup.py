"""Whether a stored response may answer a request (RFC 9111 section 4)."""

from collections.abc import Iterable
from enum import Enum
from typing import Protocol, TypeVar

from lukhas.http.cache_control import CacheControl
from lukhas.policy.caching.requests import CacheRequest
from lukhas.policy.caching.terms import ReuseTerms
from lukhas.policy.caching.variants import SelectingValues, matches
from lukhas.units import SECOND_NS

__all__ = ("Reuse", "Variant", "may_replace_error", "may_serve", "reuse", "select")


class Variant(Protocol):
    """A stored response, as far as selecting it goes."""

    @property
    def vary(self) -> tuple[bytes, ...]:
        """The selecting fields, sorted."""
        ...

    @property
    def selected_by(self) -> SelectingValues:
        """What the request had in them that the response was made for."""
        ...

    @property
    def terms(self) -> ReuseTerms:
        """How it may be reused."""
        ...


VariantT = TypeVar("VariantT", bound=Variant)


class Reuse(Enum):
    """What to do with the stored response that a request selects."""

    FRESH = "fresh"
    """Serve it."""
    STALE_ALLOWED = "stale"
    """Serve it: it is stale, and the client accepts that."""
    STALE_REFRESHED = "stale-while-revalidate"
    """Serve it, and ask the origin without letting the client wait (RFC 5861 section 3)."""
    STALE = "revalidate"
    """Ask the origin: it is stale, or says itself that one must ask."""
    ASKED = "request"
    """Ask the origin: the client wants that."""
    UNSURE = "unsure"
    """Ask the origin for this client: what is stored may be meant for another one."""

    # Members are singletons; the inherited hash runs Python code.
    __hash__ = object.__hash__


def may_serve(terms: ReuseTerms, request: CacheRequest) -> bool:
    """Whether the response may be seen by the principal of this request at all."""
    if request.credentialed and not terms.for_credentials:
        return False
    return terms.for_cookies or not request.has_cookie


def select(variants: Iterable[VariantT], request: CacheRequest) -> VariantT | None:
    """The newest variant that fits the request, or None.

    One without Vary is taken only where no variant fits: origins forget Vary more often than
    they send it in vain (RFC 9111 section 4.1).

    Args:
        variants: newest first.
        request: the request.
    """
    fallback = None
    for variant in variants:
        if not may_serve(variant.terms, request):
            continue
        if not variant.vary:
            fallback = fallback or variant
        elif matches(variant.vary, variant.selected_by, request.headers):
            return variant
    return fallback


def reuse(terms: ReuseTerms, directives: CacheControl, *, now_ns: int) -> Reuse:
    """Decides on the selected response.

    Args:
        terms: those of the stored response.
        directives: those of the request.
        now_ns: Unix time.
    """
    if directives.no_cache:
        return Reuse.ASKED
    if terms.no_cache:
        return Reuse.STALE
    freshness = terms.freshness
    age_ns = freshness.age_ns(now_ns)
    remaining_ns = freshness.lifetime_ns - age_ns
    if terms.outdated:
        remaining_ns = min(remaining_ns, 0)
    if not _is_young_enough(directives, age_ns=age_ns, remaining_ns=remaining_ns):
        return Reuse.ASKED
    if remaining_ns > 0:
        return Reuse.FRESH
    if terms.must_revalidate:
        return Reuse.STALE
    if _accepts_stale(directives, -remaining_ns):
        return Reuse.STALE_ALLOWED
    if -remaining_ns < terms.stale_while_revalidate_s * SECOND_NS:
        return Reuse.STALE_REFRESHED
    return Reuse.STALE


def _is_young_enough(directives: CacheControl, *, age_ns: int, remaining_ns: int) -> bool:
    max_age_s = directives.max_age
    accepts_stale = directives.max_stale_any or directives.max_stale is not None
    # max-age=0 is how clients ask for revalidation, so it is not met even in the same instant.
    too_old = max_age_s is not None and (max_age_s == 0 or age_ns > max_age_s * SECOND_NS)
    if too_old and not accepts_stale:
        return False
    min_fresh_s = directives.min_fresh
    return min_fresh_s is None or remaining_ns >= min_fresh_s * SECOND_NS


def _accepts_stale(directives: CacheControl, staleness_ns: int) -> bool:
    if directives.max_stale_any:
        return True
    return directives.max_stale is not None and staleness_ns <= directives.max_stale * SECOND_NS


def may_replace_error(terms: ReuseTerms, *, now_ns: int, unreachable: bool = False) -> bool:
    """Whether a stale response may be served in place of a failure.

    Args:
        terms: those of the stored response.
        now_ns: Unix time.
        unreachable: whether the origin could not be reached at all, or broke off. Then a stale
            response may serve for a short time without a permission of its own (RFC 9111 section
            4.2.4); for other failures stale-if-error must permit it (RFC 5861 section 4).
    """
    bound_s = terms.stale_if_error_s
    if unreachable:
        bound_s = max(bound_s, terms.stale_if_unreachable_s)
    if terms.must_revalidate or not bound_s:
        return False
    staleness_ns = terms.freshness.age_ns(now_ns) - terms.freshness.lifetime_ns
    return staleness_ns <= bound_s * SECOND_NS
