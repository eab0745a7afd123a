"""What the tests of repeated requests share: keys that come and go, and limits of all tiers."""

from lukhas.errors import StoreError
from lukhas.pipeline.stages.limit_rules import LimitFields, LimitRules
from lukhas.policy.access.api_keys import Rejection
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.tiers import Tier

__all__ = ("KEYS", "Keys", "rules_of")

KEYS = (b"lk_one", b"lk_two")


class Keys:
    """API keys that may be taken back, and a table that may fail."""

    def __init__(self) -> None:
        self.accepted = {key: Consumer(f"key:{key[3:].decode()}", Tier.BASIC) for key in KEYS}
        self.fails = False

    def consumer_for(self, presented: bytes, _now_ns: int) -> Consumer | Rejection:
        if self.fails:
            raise StoreError("no table")
        return self.accepted.get(presented, Rejection.UNKNOWN)

    def renew(self, number: int) -> None:
        """Gives a key to somebody else."""
        tenant = ("", "b")[number % 2]
        self.accepted[KEYS[number % 2]] = Consumer(f"key:{number}", Tier.PREMIUM, tenant=tenant)


def rules_of(per_minute: int, *, standard: bool = True, legacy: bool = False) -> LimitRules:
    """The same limits for every tier."""
    limits = parse_limits(f"{per_minute}/minute; 1000/hour; 5000/day", policy="all")
    tiers = dict.fromkeys(Tier, limits)
    return LimitRules(tiers, fields=LimitFields(standard=standard, legacy=legacy))
