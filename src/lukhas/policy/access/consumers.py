"""Who calls."""

from dataclasses import dataclass

from lukhas.policy.rate_limiting.tiers import Tier

__all__ = ("Consumer", "anonymous")


@dataclass(frozen=True, slots=True)
class Consumer:
    """A caller as far as it is known.

    Attributes:
        key: what limits and private cache partitions are kept under; unique over all kinds
            of consumers (`"key:..."`, `"jwt:..."`, `"user:..."`, `"addr:..."`).
        tier: the tier that its limits come from.
        name: for people and metrics; empty if anonymous.
        tenant: whose consumer it is; empty if there are no tenants.
        credential_id: the lasting public id of the credential used; empty if none. Tokens come and
            go, so for them it is the key of the consumer.
        claims: what its token says about it, by name: only what the settings name, as text.
    """

    key: str
    tier: Tier
    name: str = ""
    tenant: str = ""
    credential_id: str = ""
    claims: tuple[tuple[str, str], ...] = ()

    @property
    def is_anonymous(self) -> bool:
        """Whether the caller is known only by its address."""
        return self.key.startswith("addr:")

    def claim(self, name: str) -> str:
        """The value of a claim; empty if there is none."""
        for known, value in self.claims:
            if known == name:
                return value
        return ""


def anonymous(address_key: str) -> Consumer:
    """The consumer that stands for everybody calling from one address (IPv6: one /64)."""
    return Consumer(key=f"addr:{address_key}", tier=Tier.FREE)
