"""How long a response may be used without asking (RFC 9111 section 4.2). Times are Unix time."""

from dataclasses import dataclass

from lukhas.http.cache_control import MAX_DELTA_S, CacheControl
from lukhas.http.dates import parse_http_date
from lukhas.http.headers import Headers
from lukhas.policy.caching.policies import CachePolicy
from lukhas.units import SECOND_NS

__all__ = (
    "HEURISTIC_STATUSES",
    "Freshness",
    "Timing",
    "date_s",
    "explicit_lifetime_s",
    "freshness_of",
    "parse_age",
)

# RFC 9110 section 15.1, without 206, which is never stored whole, and without 414, which is about
# one malformed request.
HEURISTIC_STATUSES = frozenset((200, 203, 204, 300, 301, 308, 404, 405, 410, 501))
"""Statuses that may be stored without explicit freshness."""


@dataclass(frozen=True, slots=True)
class Timing:
    """When a response was asked for, and when its head came."""

    requested_ns: int
    responded_ns: int


@dataclass(frozen=True, slots=True)
class Freshness:
    """The age and lifetime of a stored response.

    Attributes:
        responded_ns: when the response came, or was last confirmed.
        initial_age_ns: its age at that time (RFC 9111 section 4.2.3).
        lifetime_ns: the age at which it becomes stale.
        source: what the lifetime comes from: s-maxage, max-age, expires, rule, heuristic or none.
    """

    responded_ns: int
    initial_age_ns: int
    lifetime_ns: int
    source: str

    @property
    def explicit(self) -> bool:
        """Whether the response itself says how long it is fresh."""
        return self.source in {"s-maxage", "max-age", "expires"}

    @property
    def born_ns(self) -> int:
        """When the response had the age zero."""
        return self.responded_ns - self.initial_age_ns

    @property
    def fresh_until_ns(self) -> int:
        """The first moment at which it is stale."""
        return self.born_ns + self.lifetime_ns

    def age_ns(self, now_ns: int) -> int:
        """Its current age; never less than it had when it came."""
        return max(now_ns, self.responded_ns) - self.born_ns


def parse_age(values: list[bytes]) -> int:
    """Reads Age: the first member of the first line, digits only, otherwise 0 (section 5.1)."""
    if not values:
        return 0
    digits = values[0].partition(b",")[0].strip(b" \t")
    if not digits.isdigit():
        return 0
    significant = digits.lstrip(b"0")
    return MAX_DELTA_S if len(significant) > 10 else min(int(significant or b"0"), MAX_DELTA_S)


def date_s(headers: Headers, responded_ns: int) -> int:
    """The Date of a response, or when it came if there is no valid one."""
    now_s = responded_ns // SECOND_NS
    value = headers.get(b"date")
    parsed = None if value is None else parse_http_date(value, now_s=now_s)
    return now_s if parsed is None else parsed


def explicit_lifetime_s(
    headers: Headers, directives: CacheControl, *, shared: bool, timing: Timing
) -> tuple[int, str] | None:
    """The lifetime that a response states itself: s-maxage, else max-age, else Expires - Date.

    A targeted field stands in place of Expires too (RFC 9213 section 2.2). Expires that is there
    twice, or is not a date, means stale (RFC 9111 section 5.3).

    Returns:
        Seconds and the name of the source, or None where it states nothing.
    """
    if shared and directives.s_maxage is not None:
        return directives.s_maxage, "s-maxage"
    if directives.max_age is not None:
        return directives.max_age, "max-age"
    expires = headers.get_all(b"expires")
    if not expires or directives.targeted:
        return None
    now_s = timing.responded_ns // SECOND_NS
    at_s = parse_http_date(expires[0], now_s=now_s) if len(expires) == 1 else None
    if at_s is None:
        return 0, "expires"
    return max(0, at_s - date_s(headers, timing.responded_ns)), "expires"


def freshness_of(
    status: int,
    headers: Headers,
    directives: CacheControl,
    *,
    policy: CachePolicy,
    shared: bool,
    timing: Timing,
) -> Freshness:
    """The freshness of a response that has just come.

    Args:
        status: its status.
        headers: its fields.
        directives: its Cache-Control.
        policy: gives default and bounds.
        shared: whether the entry is for more than one principal (then s-maxage counts).
        timing: when it was asked for and came.
    """
    stated = explicit_lifetime_s(headers, directives, shared=shared, timing=timing)
    if stated is None:
        stated = _unstated_lifetime_s(status, headers, directives, policy=policy, timing=timing)
    lifetime_s, source = stated
    initial_age_ns = _initial_age_ns(headers, timing)
    cap_s = policy.max_ttl_s
    if status == 204 or status >= 400:
        cap_s = min(cap_s, policy.max_error_ttl_s)
    # The bounds are about the time here, so what it aged on its way is left out of them.
    lifetime_ns = min(lifetime_s * SECOND_NS, initial_age_ns + cap_s * SECOND_NS)
    return Freshness(timing.responded_ns, initial_age_ns, lifetime_ns, source)


def _initial_age_ns(headers: Headers, timing: Timing) -> int:
    apparent_s = max(0, timing.responded_ns // SECOND_NS - date_s(headers, timing.responded_ns))
    delay_ns = max(0, timing.responded_ns - timing.requested_ns)
    corrected_ns = parse_age(headers.get_all(b"age")) * SECOND_NS + delay_ns
    return max(apparent_s * SECOND_NS, corrected_ns)


def _unstated_lifetime_s(
    status: int,
    headers: Headers,
    directives: CacheControl,
    *,
    policy: CachePolicy,
    timing: Timing,
) -> tuple[int, str]:
    if status not in HEURISTIC_STATUSES and not directives.public:
        return 0, "none"
    if policy.default_ttl_s is not None and b"set-cookie" not in headers:
        return policy.default_ttl_s, "rule"
    value = headers.get(b"last-modified")
    if value is None or not policy.max_heuristic_ttl_s:
        return 0, "none"
    modified_s = parse_http_date(value, now_s=timing.responded_ns // SECOND_NS)
    if modified_s is None:
        return 0, "none"
    since_s = date_s(headers, timing.responded_ns) - modified_s
    return min(max(0, since_s // 10), policy.max_heuristic_ttl_s), "heuristic"
