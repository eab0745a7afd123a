"""The plan of all limits that apply to one kind of request."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import lt

from lukhas.errors import ConfigError
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.costs import Cost, CostBasis
from lukhas.policy.rate_limiting.counting import Counting, counting_of
from lukhas.policy.rate_limiting.dimensions import Dimension
from lukhas.policy.rate_limiting.limits import Kind, Limit
from lukhas.policy.rate_limiting.policies import CostFunction, LimitPolicy, OnStoreError
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.units import SECOND_NS

__all__ = ("LimitGroup", "LimitPlan", "plan_for")


@dataclass(frozen=True, slots=True)
class LimitGroup:
    """Limits counted in one state: same dimension, scope, mode, kind and cost.

    Attributes:
        table: the name of the table that the states are kept in, by subject.
        counting: the limits, compiled.
        by: what the subject is.
        mode: enforce or shadow.
        policies: for each limit, the name of its policy.
        cost: how they are charged.
        cost_for: works the cost out, where there is such a function.
        on_store_error: what they do while the store does not answer.
    """

    table: str
    counting: Counting
    by: Dimension
    mode: Mode
    policies: tuple[str, ...]
    cost: Cost = Cost.REQUEST
    cost_for: CostFunction | None = None
    on_store_error: OnStoreError = OnStoreError.LOCAL

    @property
    def settles(self) -> bool:
        """Whether it has to be told when the response has ended."""
        return self.cost.of_response or self.counting.kind is Kind.CONCURRENCY


@dataclass(frozen=True, slots=True, eq=False)
class LimitPlan:
    """All limits that apply to one kind of request; checked and charged as one.

    Attributes:
        groups: enforced groups first, then those in shadow mode.
        is_fallback: whether it stands in for another plan while the store does not answer.
        enforced: how many of the groups are enforced.
        by_consumer: whether there is one group, counted by consumer: the usual case.
        is_simple: whether there is one group, enforced: then one step decides.
        uniform: whether every group is charged the weight of the request.
        settles: whether a group has to be told when the response has ended.
        near: for each enforced limit, below which remainder it is near its end.
        policy_field: the value of RateLimit-Policy; empty if nothing is enforced.
        policy_pair: that field with its name.
        limit_template: the value of RateLimit with `%d` for each `r` and `t`.
    """

    groups: tuple[LimitGroup, ...]
    is_fallback: bool = False
    enforced: int = field(init=False)
    by_consumer: bool = field(init=False)
    is_simple: bool = field(init=False)
    uniform: bool = field(init=False)
    settles: bool = field(init=False)
    near: tuple[int, ...] = field(init=False)
    policy_field: bytes = field(init=False)
    policy_pair: tuple[bytes, bytes] = field(init=False)
    limit_template: bytes = field(init=False)

    def __post_init__(self) -> None:
        groups = self.groups
        limits = [
            limit
            for group in groups
            if group.mode is Mode.ENFORCE
            for limit in group.counting.limits
        ]
        put = object.__setattr__
        put(self, "enforced", sum(group.mode is Mode.ENFORCE for group in groups))
        single = len(groups) == 1
        put(self, "by_consumer", single and groups[0].by == Dimension.CONSUMER)
        uniform = all(group.cost == Cost.REQUEST and group.cost_for is None for group in groups)
        put(self, "uniform", uniform)
        put(self, "is_simple", single and groups[0].mode is Mode.ENFORCE)
        put(self, "settles", any(group.settles for group in groups))
        put(self, "near", tuple(limit.near for limit in limits))
        policy_field = ", ".join(limit.policy_item for limit in limits)
        put(self, "policy_field", policy_field.encode())
        put(self, "policy_pair", (b"ratelimit-policy", self.policy_field))
        template = ", ".join(f'"{limit.name}";r=%d;t=%d' for limit in limits)
        put(self, "limit_template", template.encode())

    def is_near(self, figures: tuple[int, ...]) -> bool:
        """Whether a limit is near its end, by the figures of a decision."""
        near = self.near
        if len(near) == 3:
            # The usual case, at a third of the price.
            return figures[0] < near[0] or figures[2] < near[1] or figures[4] < near[2]
        return any(map(lt, figures[::2], near))


def plan_for(
    tier: Tier,
    tier_limits: Sequence[Limit],
    policies: Iterable[LimitPolicy],
    *,
    route: str,
    tier_mode: Mode = Mode.ENFORCE,
    on_store_error: OnStoreError = OnStoreError.LOCAL,
    messages: bool = False,
) -> LimitPlan:
    """Gathers what applies to requests of a tier on a route.

    Args:
        tier: the consumer's tier.
        tier_limits: the limits of that tier itself; may be empty.
        policies: all policies of the settings that apply to the consumer.
        route: the name of the route.
        tier_mode: the mode of the tier's own limits.
        on_store_error: what the tier's own limits do while the store does not answer.
        messages: whether what is counted are WebSocket messages, and not requests.

    Raises:
        ConfigError: two limits that apply together have the same name.
    """
    applying = [
        policy
        for policy in policies
        if policy.mode is not Mode.OFF
        and tier in policy.tiers
        and (not policy.routes or route in policy.routes)
    ]
    grouped: dict[_GroupKey, list[tuple[str, Limit]]] = {}
    if tier_mode is not Mode.OFF and not any(policy.replaces_tier for policy in applying):
        for limit in tier_limits:
            # No policy begins like this, so none can share the counters of a tier.
            own = _GroupKey(f"@{tier.value}", tier_mode, limit.kind, on_store_error)
            grouped.setdefault(own, []).append((f"tier-{tier.value}", limit))
    for policy in applying:
        # A name of its own for each policy, so that adding one never resets another's counters.
        scope = f"{policy.name}@{route}" if policy.routes else policy.name
        for limit in policy.limits:
            grouped.setdefault(_key(scope, policy, limit), []).append((policy.name, limit))
    return _plan_of(
        {
            key: named
            for key, named in grouped.items()
            if (key.cost.basis is CostBasis.MESSAGES) == messages
        }
    )


@dataclass(frozen=True, slots=True)
class _GroupKey:
    scope: str
    mode: Mode
    kind: Kind
    on_store_error: OnStoreError
    by: Dimension = Dimension.CONSUMER
    cost: Cost = Cost.REQUEST
    cost_for: CostFunction | None = None
    window_ns: int = 0

    def group(self, named: Sequence[tuple[str, Limit]]) -> LimitGroup:
        # Not the mode: what a policy has counted in shadow mode counts when it is switched on.
        table = f"{self.scope}:{self.by}"
        if self.kind is not Kind.STRICT:
            table = f"{table}:{self.kind.value}"
        if self.cost.basis is not CostBasis.REQUESTS:
            table = f"{table}:{self.cost}"
        if self.window_ns:
            table = f"{table}:{self.window_ns // SECOND_NS}s"
        return LimitGroup(
            table=table,
            counting=counting_of(self.kind, [limit for _name, limit in named]),
            by=self.by,
            mode=self.mode,
            policies=tuple(name for name, _limit in named),
            cost=self.cost,
            cost_for=self.cost_for,
            on_store_error=self.on_store_error,
        )


def _key(scope: str, policy: LimitPolicy, limit: Limit) -> _GroupKey:
    return _GroupKey(
        scope,
        policy.mode,
        limit.kind,
        policy.on_store_error,
        by=policy.by,
        cost=policy.cost,
        cost_for=policy.cost_for,
        window_ns=limit.window_ns if policy.windows_apart else 0,
    )


def _plan_of(grouped: "Mapping[_GroupKey, Sequence[tuple[str, Limit]]]") -> LimitPlan:
    _check_names(grouped.values())
    groups = _apart([key.group(named) for key, named in grouped.items()])
    groups.sort(key=lambda group: group.mode is not Mode.ENFORCE)
    return LimitPlan(tuple(groups))


def _apart(groups: Sequence[LimitGroup]) -> list[LimitGroup]:
    """Groups of one name that are charged differently: in one table each would undo the other."""
    found: dict[str, int] = {}
    apart = []
    for group in groups:
        number = found[group.table] = found.get(group.table, 0) + 1
        apart.append(replace(group, table=f"{group.table}#{number}") if number > 1 else group)
    return apart


def _check_names(groups: Iterable[Sequence[tuple[str, Limit]]]) -> None:
    seen: set[str] = set()
    for named in groups:
        for policy, limit in named:
            if limit.name in seen:
                what = f"two limits that apply together are named {limit.name!r}"
                raise ConfigError(what, where=policy, hint="give one policy another name")
            seen.add(limit.name)
