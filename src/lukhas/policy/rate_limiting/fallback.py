"""What is left of a plan while the store of its counters does not answer."""

from dataclasses import dataclass, replace
from typing import assert_never

from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.counting import counting_of
from lukhas.policy.rate_limiting.plans import LimitGroup, LimitPlan
from lukhas.policy.rate_limiting.policies import OnStoreError

__all__ = ("Fallback", "fallback_for")


@dataclass(frozen=True, slots=True)
class Fallback:
    """What stands in for a plan.

    Attributes:
        plan: the limits that are counted on this node meanwhile, each with its share of the quota.
        kept: which groups of the full plan they are.
        denies: the policy that refuses requests meanwhile; empty if none does.
    """

    plan: LimitPlan
    kept: tuple[int, ...]
    denies: str = ""


def fallback_for(plan: LimitPlan, *, shares: int) -> Fallback:
    """Works out what stands in for a plan.

    Args:
        plan: the full plan.
        shares: among how many nodes the quotas are shared; each gets its part, rounded down, and
            at least 1.
    """
    groups: list[LimitGroup] = []
    kept: list[int] = []
    denies = ""
    for index, group in enumerate(plan.groups):
        match group.on_store_error:
            case OnStoreError.LOCAL:
                groups.append(_share(group, shares))
                kept.append(index)
            case OnStoreError.DENY:
                if group.mode is Mode.ENFORCE:
                    denies = denies or group.policies[0]
            case OnStoreError.ALLOW:
                pass
            case _:
                assert_never(group.on_store_error)
    return Fallback(LimitPlan(tuple(groups), is_fallback=True), tuple(kept), denies)


def _share(group: LimitGroup, shares: int) -> LimitGroup:
    limits = [
        replace(
            limit,
            quota=max(1, limit.quota // shares),
            burst=max(1, limit.burst // shares) if limit.burst else 0,
        )
        for limit in group.counting.limits
    ]
    return replace(group, counting=counting_of(group.counting.kind, limits))
