"""Named limit policies: rules about who is limited where, by what, and how strictly."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from lukhas.http.headers import Headers
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.costs import Cost
from lukhas.policy.rate_limiting.dimensions import Dimension
from lukhas.policy.rate_limiting.limits import Limit
from lukhas.policy.rate_limiting.tiers import Tier

__all__ = ("CostFunction", "LimitFunction", "LimitPolicy", "LimitRequest", "OnStoreError")


class LimitRequest(Protocol):
    """What a function that gives limits or costs is told about a request."""

    @property
    def method(self) -> str:
        """The method."""
        ...

    @property
    def path(self) -> bytes:
        """The path in its normal form."""
        ...

    @property
    def query(self) -> bytes:
        """The query, without its question mark."""
        ...

    @property
    def headers(self) -> Headers:
        """The fields."""
        ...

    @property
    def client(self) -> str:
        """The address of the client."""
        ...

    @property
    def consumer(self) -> str:
        """The name of the consumer; its key if it has none."""
        ...

    @property
    def tenant(self) -> str:
        """Its tenant; empty if there is none."""
        ...

    @property
    def tier(self) -> Tier:
        """Its tier."""
        ...


LimitFunction = Callable[[LimitRequest], str | None]
"""Gives the limits of a request as text, such as `"10/minute"`; None for no limit."""

CostFunction = Callable[[LimitRequest], int]
"""Gives the cost of a request, at least 1."""


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
        limits_for: gives the limits of each request in place of `limits`.
        cost_for: gives the cost of each request in place of `cost`.
        on_store_error: what it does while the store does not answer.
        windows_apart: whether each window is counted by itself, so that limits which come and go
            from request to request keep what was counted.
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
    limits_for: LimitFunction | None = None
    cost_for: CostFunction | None = None
    on_store_error: OnStoreError = OnStoreError.LOCAL
    windows_apart: bool = False

    @property
    def is_personal(self) -> bool:
        """Whether it applies to some consumers only."""
        return bool(self.consumers or self.tenants)
