"""The limit stage: who may pass how often."""

from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass

from lukhas.errors import ConfigError, StoreError
from lukhas.http.client_address import address_key
from lukhas.http.headers import HeaderPairs
from lukhas.http.messages import Response
from lukhas.http.problem import JsonValue
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.refusals import refusal
from lukhas.pipeline.stage import Gate
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.modes import FailureMode, Mode
from lukhas.policy.rate_limiting.decisions import LimitDecision
from lukhas.policy.rate_limiting.limits import Limit
from lukhas.policy.rate_limiting.policies import (
    Dimension,
    LimitGroup,
    LimitPlan,
    LimitPolicy,
    plan_for,
)
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.verdicts import Outcome, Verdict
from lukhas.storage.counters import CounterStore

__all__ = ("LimitFields", "LimitStage", "RouteLimits")

_EXEMPT = Verdict("limit", Outcome.SKIPPED, "the route is exempt from limits")
_UNLIMITED = Verdict("limit", Outcome.PASSED, "no limit applies")
_STORE_FAILED = Verdict("limit", Outcome.FAILED, "the store of the counters failed")

QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"


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


class LimitStage(Gate):
    """Charges each request to the limits of its consumer, and refuses with 429 what is too much.

    Args:
        store: the counters.
        tier_limits: the limits of each tier.
        policies: further policies.
        tier_mode: the mode of the tiers' own limits.
        fields: what the client is told.
        on_failure: what to do when the store fails.

    Raises:
        ConfigError: two policies have the same name, and so would share their counters.
    """

    name = "limit"

    def __init__(
        self,
        store: CounterStore,
        tier_limits: Mapping[Tier, tuple[Limit, ...]],
        *,
        policies: Iterable[LimitPolicy] = (),
        tier_mode: Mode = Mode.ENFORCE,
        fields: LimitFields | None = None,
        on_failure: FailureMode = FailureMode.OPEN,
    ) -> None:
        self.on_failure = on_failure
        self._store = store
        self._tier_limits = dict(tier_limits)
        self._policies = _named_apart(policies)
        self._tier_mode = tier_mode
        self._fields = fields or LimitFields()
        self._route_limits: Mapping[str, RouteLimits] = {}
        self._plans: dict[Tier, dict[str, LimitPlan]] = {tier: {} for tier in Tier}

    @property
    def limit_names(self) -> frozenset[str]:
        """The names of all limits of the tiers and the policies."""
        tiers = [limit for limits in self._tier_limits.values() for limit in limits]
        policies = [limit for policy in self._policies for limit in policy.limits]
        return frozenset(limit.name for limit in (*tiers, *policies))

    def bound(self, route_limits: Mapping[str, RouteLimits]) -> "LimitStage":
        """A stage with the same store and settings that knows these routes, by name, too.

        Raises:
            ConfigError: a limit of a route is named like one of this stage.
        """
        taken = self.limit_names
        for name, limits in route_limits.items():
            for policy in limits.policies:
                for limit in policy.limits:
                    if limit.name in taken:
                        raise ConfigError(
                            f"two limits that apply together are named {limit.name!r}",
                            where=f"route {name!r}",
                            hint="give the limit of the route another name",
                        )
        stage = copy(self)
        stage._route_limits = dict(route_limits)
        stage._plans = {tier: {} for tier in Tier}
        return stage

    def enter(self, exchange: Exchange) -> Response | None:
        """Refuses the exchange, or lets it pass with its limits in `exchange.added`."""
        route = exchange.route
        consumer = exchange.consumer
        if route is None or consumer is None:
            raise RuntimeError("the limit stage runs after route and identify")
        rule = route.rule
        if rule.exempt:
            exchange.verdicts.append(_EXEMPT)
            return None
        plan = self._plans[consumer.tier].get(rule.name)
        if plan is None:
            plan = self._plan(consumer.tier, rule.name)
        if not plan.groups:
            exchange.verdicts.append(_UNLIMITED)
            return None
        subjects = (consumer.key,) if plan.by_consumer else _subjects(plan, consumer, exchange)
        try:
            decision = self._store.decide(plan, subjects, exchange.now_ns, 1)
        except StoreError:
            exchange.verdicts.append(_STORE_FAILED)
            raise
        exchange.limit = decision
        exchange.verdicts.append(decision)
        if plan.enforced:
            self._tell(exchange, decision)
        if decision.allowed:
            return None
        return _too_many(exchange, decision)

    def _plan(self, tier: Tier, route: str) -> LimitPlan:
        own = self._route_limits.get(route)
        if own is None:
            plan = plan_for(
                tier,
                self._tier_limits.get(tier, ()),
                self._policies,
                route=route,
                tier_mode=self._tier_mode,
            )
        else:
            # The parent's own groups, so that one counter never sees two of a kind.
            plan = self._plans[tier].get(own.parent) or self._plan(tier, own.parent)
            if own.policies:
                groups = (*plan.groups, *plan_for(tier, (), own.policies, route=own.scope).groups)
                plan = LimitPlan(tuple(sorted(groups, key=_is_shadow)))
        self._plans[tier][route] = plan
        return plan

    def _tell(self, exchange: Exchange, decision: LimitDecision) -> None:
        added = exchange.added
        if self._fields.standard:
            plan = decision.plan
            added.append((b"ratelimit-policy", plan.policy_field))
            added.append((b"ratelimit", plan.limit_template % decision.figures))
        if self._fields.legacy:
            added.extend(_legacy_fields(decision))


def _named_apart(policies: Iterable[LimitPolicy]) -> tuple[LimitPolicy, ...]:
    found: dict[str, LimitPolicy] = {}
    for policy in policies:
        if policy.name in found:
            what = f"two limit policies are named {policy.name!r}"
            raise ConfigError(what, hint="give one of them another name")
        found[policy.name] = policy
    return tuple(found.values())


def _is_shadow(group: LimitGroup) -> bool:
    return group.mode is not Mode.ENFORCE


def _subjects(plan: LimitPlan, consumer: Consumer, exchange: Exchange) -> tuple[str, ...]:
    return tuple(
        [
            consumer.key
            if group.by is Dimension.CONSUMER
            else f"addr:{address_key(exchange.client)}"
            for group in plan.groups
        ]
    )


def _legacy_fields(decision: LimitDecision) -> HeaderPairs:
    limits = [
        limit
        for group in decision.plan.groups[: decision.plan.enforced]
        for limit in group.ring.limits
    ]
    pairs = zip(limits, decision.figures[::2], decision.figures[1::2], strict=True)
    limit, remaining, wait_s = min(pairs, key=lambda pair: pair[1] / pair[0].quota)
    return [
        (b"x-ratelimit-limit", b"%d" % limit.quota),
        (b"x-ratelimit-remaining", b"%d" % remaining),
        (b"x-ratelimit-reset", b"%d" % wait_s),
    ]


def _too_many(exchange: Exchange, decision: LimitDecision) -> Response:
    violation = decision.violations[0]
    limit = violation.limit
    retry_after_s = decision.retry_after_s
    wait = (
        f"Try again in {retry_after_s} s."
        if retry_after_s is not None
        else "The request can never fit this limit."
    )
    violated: list[JsonValue] = [found.limit.name for found in decision.violations]
    return refusal(
        exchange,
        status=429,
        slug=QUOTA_EXCEEDED,
        title="Request cannot be satisfied as assigned quota has been exceeded",
        detail=(
            f"Policy {violation.policy!r} allows {limit.quota} requests in any "
            f"{limit.window_s} s; {violation.used} are counted. {wait}"
        ),
        extensions=(
            ("violated-policies", violated),
            ("policy", violation.policy),
            ("limit", limit.quota),
            ("window_s", limit.window_s),
            ("retry_after_s", retry_after_s),
        ),
        headers=[(b"retry-after", b"%d" % retry_after_s)] if retry_after_s is not None else None,
    )
