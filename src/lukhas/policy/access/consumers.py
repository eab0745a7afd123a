"""Who calls."""

from dataclasses import dataclass

from lukhas.policy.rate_limiting.tiers import Tier

__all__ = ("Consumer", "anonymous")


@dataclass(frozen=True, slots=True)
class Consumer:
    """A caller as far as it is known.

    Attributes:
        key: what limits and private cache partitions are kept under; unique over all kinds
            of consumers (`"key:..."`, `"user:..."`, `"addr:..."`).
        tier: the tier that its limits come from.
        name: for people and metrics; empty if anonymous.
        tenant: whose consumer it is; empty if there are no tenants.
        credential_id: the public id of the credential used; empty if none.
    """

    key: str
    tier: Tier
    name: str = ""
    tenant: str = ""
    credential_id: str = ""

    @property
    def is_anonymous(self) -> bool:
        """Whether the caller is known only by its address."""
        return self.key.startswith("addr:")


def anonymous(address_key: str) -> Consumer:
    """The consumer that stands for everybody calling from one address (IPv6: one /64)."""
    return Consumer(key=f"addr:{address_key}", tier=Tier.FREE)
