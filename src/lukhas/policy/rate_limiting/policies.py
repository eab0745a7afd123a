"""Named limit policies and the plan of all that apply to one kind of request."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from lukhas.errors import ConfigError
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.limits import Limit
from lukhas.policy.rate_limiting.strict_ring import StrictRing
from lukhas.policy.rate_limiting.tiers import Tier

__all__ = ("Dimension", "LimitGroup", "LimitPlan", "LimitPolicy", "plan_for")


class Dimension(Enum):
    """What a limit is counted by."""

    CONSUMER = "consumer"
    ADDRESS = "address"


@dataclass(frozen=True, slots=True)
class LimitPolicy:
    """Limits under one name.

    Attributes:
        name: shown to clients and operators.
        limits: at least one.
        mode: enforce, shadow or off.
        by: what is counted.
        tiers: the tiers it applies to.
        routes: the names of the routes it applies to; empty for all. A policy bound to routes is
            counted for each of them apart.
    """

    name: str
    limits: tuple[Limit, ...]
    mode: Mode = Mode.ENFORCE
    by: Dimension = Dimension.CONSUMER
    tiers: frozenset[Tier] = frozenset(tier for tier in Tier if tier is not Tier.INTERNAL)
    routes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class LimitGroup:
    """Limits counted in one state: same dimension, same scope, same mode.

    Attributes:
        table: the name of the table that the states are kept in, by subject.
        ring: the limits.
        by: what the subject is.
        mode: enforce or shadow.
        policies: for each limit of the ring, the name of its policy.
    """

    table: str
    ring: StrictRing
    by: Dimension
    mode: Mode
    policies: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class LimitPlan:
    """All limits that apply to requests of one tier on one route; checked and charged as one.

    Attributes:
        groups: enforced groups first, then those in shadow mode.
        enforced: how many of the groups are enforced.
        by_consumer: whether there is one group, counted by consumer: the usual case.
        policy_field: the value of RateLimit-Policy; empty if nothing is enforced.
        limit_template: the value of RateLimit with `%d` for each `r` and `t`.
    """

    groups: tuple[LimitGroup, ...]
    enforced: int = field(init=False)
    by_consumer: bool = field(init=False)
    policy_field: bytes = field(init=False)
    limit_template: bytes = field(init=False)

    def __post_init__(self) -> None:
        limits = [
            limit
            for group in self.groups
            if group.mode is Mode.ENFORCE
            for limit in group.ring.limits
        ]
        put = object.__setattr__
        put(self, "enforced", sum(group.mode is Mode.ENFORCE for group in self.groups))
        by_consumer = len(self.groups) == 1 and self.groups[0].by is Dimension.CONSUMER
        put(self, "by_consumer", by_consumer)
        put(
            self,
            "policy_field",
            ", ".join(
                f'"{limit.name}";q={limit.quota};w={limit.window_s}' for limit in limits
            ).encode(),
        )
        put(
            self,
            "limit_template",
            ", ".join(f'"{limit.name}";r=%d;t=%d' for limit in limits).encode(),
        )


def plan_for(
    tier: Tier,
    tier_limits: Sequence[Limit],
    policies: Iterable[LimitPolicy],
    *,
    route: str,
    tier_mode: Mode = Mode.ENFORCE,
) -> LimitPlan:
    """Gathers what applies to requests of a tier on a route.

    Args:
        tier: the consumer's tier.
        tier_limits: the limits of that tier itself; may be empty.
        policies: all policies of the settings.
        route: the name of the route.
        tier_mode: the mode of the tier's own limits.

    Raises:
        ConfigError: two limits that apply together have the same name.
    """
    grouped: dict[tuple[str, Dimension, Mode], list[tuple[str, Limit]]] = {}
    if tier_limits and tier_mode is not Mode.OFF:
        own = [(f"tier-{tier.value}", limit) for limit in tier_limits]
        # No policy begins like this, so none can share the counters of a tier.
        grouped[f"@{tier.value}", Dimension.CONSUMER, tier_mode] = own
    for policy in policies:
        if policy.mode is Mode.OFF or tier not in policy.tiers:
            continue
        if policy.routes and route not in policy.routes:
            continue
        # A name of its own for each policy, so that adding one never resets another's counters.
        scope = f"{policy.name}@{route}" if policy.routes else policy.name
        named = [(policy.name, limit) for limit in policy.limits]
        grouped.setdefault((scope, policy.by, policy.mode), []).extend(named)
    _check_names(grouped.values())
    groups = [
        LimitGroup(
            table=f"{scope}:{by.value}:{mode.value}",
            ring=StrictRing([limit for _name, limit in named]),
            by=by,
            mode=mode,
            policies=tuple(name for name, _limit in named),
        )
        for (scope, by, mode), named in grouped.items()
    ]
    groups.sort(key=lambda group: group.mode is not Mode.ENFORCE)
    return LimitPlan(tuple(groups))


def _check_names(groups: Iterable[Sequence[tuple[str, Limit]]]) -> None:
    seen: set[str] = set()
    for named in groups:
        for policy, limit in named:
            if limit.name in seen:
                what = f"two limits that apply together are named {limit.name!r}"
                raise ConfigError(what, where=policy, hint="give one policy another name")
            seen.add(limit.name)
