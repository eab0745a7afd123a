"""The rules of the limit stage, and the plans that follow from them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from lukhas.errors import ConfigError
from lukhas.http.client_address import TrustedProxies
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.costs import CostBasis
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.limits import Kind, Limit
from lukhas.policy.rate_limiting.plans import LimitGroup, LimitPlan, plan_for
from lukhas.policy.rate_limiting.policies import LimitPolicy, LimitRequest, OnStoreError
from lukhas.policy.rate_limiting.tiers import Tier

__all__ = ("LimitFields", "LimitPlans", "LimitRules", "RouteLimits")

_MOST_MADE_PLANS = 1024


@dataclass(frozen=True, slots=True)
class LimitFields:
    """Which fields tell the client about its limits.

    Attributes:
        standard: RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers).
        legacy: X-RateLimit-Limit, -Remaining and -Reset, for the limit nearest to its end.
    """

    standard: bool = True
    legacy: bool = False


@dataclass(frozen=True, slots=True)
class RouteLimits:
    """Limits that one route brings along, on top of those of the route it was derived from.

    Attributes:
        parent: the name of the route of the settings whose policies apply, and are counted there.
        scope: what the route's own policies are bound to and counted under.
        policies: the route's own.
    """

    parent: str
    scope: str
    policies: tuple[LimitPolicy, ...] = ()


@dataclass(frozen=True, slots=True)
class LimitRules:
    """Who may do how much.

    Attributes:
        tier_limits: the limits of each tier.
        policies: further policies.
        tier_mode: the mode of the tiers' own limits.
        tier_on_store_error: what they do while the store does not answer.
        fields: what the client is told.
        exempt_addresses: clients that no limit applies to.
        exempt_consumers: names or keys of consumers that no limit applies to.

    Raises:
        ConfigError: two policies have the same name, and so would share their counters.
    """

    tier_limits: Mapping[Tier, tuple[Limit, ...]] = field(default_factory=dict)
    policies: tuple[LimitPolicy, ...] = ()
    tier_mode: Mode = Mode.ENFORCE
    tier_on_store_error: OnStoreError = OnStoreError.LOCAL
    fields: LimitFields = LimitFields()
    exempt_addresses: TrustedProxies = TrustedProxies()  # noqa: RUF009 - a frozen value
    exempt_consumers: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        found: set[str] = set()
        for policy in self.policies:
            if policy.name in found:
                what = f"two limit policies are named {policy.name!r}"
                raise ConfigError(what, hint="give one of them another name")
            found.add(policy.name)

    @property
    def limit_names(self) -> frozenset[str]:
        """The names of all limits of the tiers and the policies."""
        tiers = [limit for limits in self.tier_limits.values() for limit in limits]
        policies = [limit for policy in self.policies for limit in policy.limits]
        return frozenset(limit.name for limit in (*tiers, *policies))

    @property
    def settles(self) -> bool:
        """Whether some limit has to be told when a response has ended."""
        tiers = [limit for limits in self.tier_limits.values() for limit in limits]
        return any(limit.kind is Kind.CONCURRENCY for limit in tiers) or any(
            map(_settles, self.policies)
        )


class LimitPlans:
    """The plans of some rules, each made when it is first asked for.

    Args:
        rules: see there.
        route_limits: what routes bring along, by their names.

    Attributes:
        is_fixed: whether every plan depends on tier and route alone.
        settles: whether some limit has to be told when a response has ended.
        known: the plans that `fixed` has made, by tier and route.
    """

    def __init__(self, rules: LimitRules, route_limits: Mapping[str, RouteLimits]) -> None:
        self._rules = rules
        self._route_limits = route_limits
        self._personal = tuple(policy for policy in rules.policies if policy.is_personal)
        self._general = tuple(policy for policy in rules.policies if not policy.is_personal)
        own = [policy for limits in route_limits.values() for policy in limits.policies]
        # Where no limit depends on more than tier and route, one look-up finds the plan.
        self.is_fixed = not self._personal and not any(
            policy.limits_for for policy in (*rules.policies, *own)
        )
        self.settles = rules.settles or any(map(_settles, own))
        self.known: dict[Tier, dict[str, LimitPlan]] = {tier: {} for tier in Tier}
        self._made: dict[tuple[object, ...], LimitPlan] = {}

    def fixed(self, tier: Tier, route: str) -> LimitPlan:
        """The plan for a tier on a route, where it depends on nothing else."""
        plan = self.known[tier].get(route)
        if plan is None:
            own = self._route_limits.get(route)
            if own is None or own.policies or own.parent == route:
                plan = self._plan(tier, route, self._general)
            else:
                plan = self.fixed(tier, own.parent)
            self.known[tier][route] = plan
        return plan

    def of(
        self, consumer: Consumer, route: str, request: LimitRequest, *, messages: bool = False
    ) -> LimitPlan:
        """The plan for a request of a consumer.

        Args:
            consumer: who calls.
            route: the name of the route.
            request: what functions that give limits are told.
            messages: whether what is counted are messages of a WebSocket.
        """
        mine = tuple(policy for policy in self._personal if _is_for(policy, consumer))
        own = self._route_limits.get(route)
        policies = (*self._general, *mine)
        texts = tuple(
            policy.limits_for(request)
            for policy in (*policies, *(own.policies if own is not None else ()))
            if policy.limits_for is not None
        )
        key = (consumer.tier, route, messages, texts, *(policy.name for policy in mine))
        plan = self._made.get(key)
        if plan is None:
            if len(self._made) >= _MOST_MADE_PLANS:
                self._made.clear()
            given = iter(texts)
            plan = self._plan(consumer.tier, route, policies, given=given, messages=messages)
            self._made[key] = plan
        return plan

    def may_refuse(self, route: str) -> bool:
        """Whether some limit may refuse a request of anybody on this route, by its name."""
        rules = self._rules
        own = self._route_limits.get(route)
        parent, more = (route, ()) if own is None else (own.parent, own.policies)
        if rules.tier_mode is Mode.ENFORCE and any(rules.tier_limits.values()):
            return True
        return any(
            policy.mode is Mode.ENFORCE
            and policy.cost.basis is not CostBasis.MESSAGES
            and (bool(policy.limits) or policy.limits_for is not None)
            for policy in (
                *(one for one in rules.policies if not one.routes or parent in one.routes),
                *more,
            )
        )

    def _plan(
        self,
        tier: Tier,
        route: str,
        policies: Iterable[LimitPolicy],
        *,
        given: Iterable[str | None] = (),
        messages: bool = False,
    ) -> LimitPlan:
        texts = iter(given)
        rules = self._rules
        own = self._route_limits.get(route)
        plan = plan_for(
            tier,
            rules.tier_limits.get(tier, ()),
            [_with_text(policy, texts) for policy in policies],
            # The parent's own groups, so that one counter never sees two of a kind.
            route=route if own is None else own.parent,
            tier_mode=rules.tier_mode,
            on_store_error=rules.tier_on_store_error,
            messages=messages,
        )
        if own is None or not own.policies:
            return plan
        policies = [_with_text(policy, texts) for policy in own.policies]
        more = plan_for(tier, (), policies, route=own.scope, messages=messages)
        groups = (*plan.groups, *more.groups)
        return LimitPlan(tuple(sorted(groups, key=_is_shadow)))


def _with_text(policy: LimitPolicy, texts: Iterable[str | None]) -> LimitPolicy:
    if policy.limits_for is None:
        return policy
    text = next(iter(texts))
    limits = parse_limits(text, policy=policy.name) if text else ()
    # The next text may name other windows, and this one may come again.
    return replace(policy, limits=limits, limits_for=None, windows_apart=True)


def _is_for(policy: LimitPolicy, consumer: Consumer) -> bool:
    return (
        consumer.name in policy.consumers
        or consumer.key in policy.consumers
        or (consumer.tenant != "" and consumer.tenant in policy.tenants)
    )


def _settles(policy: LimitPolicy) -> bool:
    return (
        policy.cost.of_response
        or policy.limits_for is not None
        or any(limit.kind is Kind.CONCURRENCY for limit in policy.limits)
    )


def _is_shadow(group: LimitGroup) -> bool:
    return group.mode is not Mode.ENFORCE
