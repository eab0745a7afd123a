"""Tiers and the limits they come with."""

from enum import Enum

from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.limits import Limit

__all__ = ("DEFAULT_TIER_LIMITS", "Tier", "default_tier_limits")


class Tier(Enum):
    """The classes of consumers, lowest first."""

    FREE = "free"
    BASIC = "basic"
    PREMIUM = "premium"
    ENTERPRISE = "enterprise"
    INTERNAL = "internal"

    # Members are singletons; the inherited hash runs Python code, and tiers key hot tables.
    __hash__ = object.__hash__


DEFAULT_TIER_LIMITS = (
    (Tier.FREE, "60/minute; 1000/hour; 10000/day"),
    (Tier.BASIC, "300/minute; 10000/hour; 100000/day"),
    (Tier.PREMIUM, "1000/minute; 50000/hour; 1000000/day"),
    (Tier.ENTERPRISE, "10000/minute; 500000/hour; 10000000/day"),
    (Tier.INTERNAL, ""),
)


def default_tier_limits() -> dict[Tier, tuple[Limit, ...]]:
    """The limits of each tier where settings say nothing else; INTERNAL is unlimited."""
    return {
        tier: parse_limits(text, policy=tier.value) if text else ()
        for tier, text in DEFAULT_TIER_LIMITS
    }
