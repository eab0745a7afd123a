"""Named limit policies: rules about who is limited where, by what, and how strictly."""

from dataclasses import dataclass
from enum import Enum

from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.costs import Cost
from lukhas.policy.rate_limiting.dimensions import Dimension
from lukhas.policy.rate_limiting.limits import Limit
from lukhas.policy.rate_limiting.tiers import Tier

__all__ = ("LimitPolicy", "OnStoreError")


class OnStoreError(Enum):
    """What a limit does while its store does not answer."""

    ALLOW = "allow"
    """Nothing: requests pass uncounted."""
    DENY = "deny"
    """Refuse with 503."""
    LOCAL = "local"
    """Count on this node alone, up to its share of the quota."""


@dataclass(frozen=True, slots=True)
class LimitPolicy:
    """Limits under one name.

    Attributes:
        name: shown to clients and operators.
        limits: what is allowed; empty only where the policy takes the place of the tier's limits,
            and frees from them.
        mode: enforce, shadow or off.
        by: what is counted.
        tiers: the tiers it applies to.
        routes: the names of the routes it applies to; empty for all. A policy bound to routes is
            counted for each of them apart.
        consumers: the names or keys of the consumers it applies to; with `tenants` empty too, all.
        tenants: the tenants whose consumers it applies to.
        replaces_tier: whether it takes the place of the limits of the tier.
        cost: how it is charged.
        on_store_error: what it does while the store does not answer.
    """

    name: str
    limits: tuple[Limit, ...]
    mode: Mode = Mode.ENFORCE
    by: Dimension = Dimension.CONSUMER
    tiers: frozenset[Tier] = frozenset(tier for tier in Tier if tier is not Tier.INTERNAL)
    routes: frozenset[str] = frozenset()
    consumers: frozenset[str] = frozenset()
    tenants: frozenset[str] = frozenset()
    replaces_tier: bool = False
    cost: Cost = Cost.REQUEST
    on_store_error: OnStoreError = OnStoreError.LOCAL

    @property
    def is_personal(self) -> bool:
        """Whether it applies to some consumers only."""
        return bool(self.consumers or self.tenants)
