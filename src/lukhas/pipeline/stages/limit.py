"""The limit stage: who may pass how often."""

from collections.abc import Awaitable, Mapping
from copy import copy

from lukhas.clock import Clock, SystemClock
from lukhas.errors import ConfigError, CountersUnavailableError, StoreError
from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stage import Gate
from lukhas.pipeline.stages.limit_answers import legacy_fields, too_many, unavailable
from lukhas.pipeline.stages.limit_facts import ExchangeFacts, changes_of, costs_of, subjects_of
from lukhas.pipeline.stages.limit_rules import LimitPlans, LimitRules, RouteLimits
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.modes import FailureMode
from lukhas.policy.rate_limiting.decisions import LimitDecision
from lukhas.policy.rate_limiting.plans import LimitPlan
from lukhas.policy.routing.routes import RouteRule
from lukhas.policy.verdicts import Outcome, Verdict
from lukhas.storage.counters import CounterStore, RemoteCounterStore

__all__ = ("LimitStage",)

_EXEMPT = Verdict("limit", Outcome.SKIPPED, "the route is exempt from limits")
_EXEMPT_CLIENT = Verdict("limit", Outcome.SKIPPED, "the client is exempt from limits")
_UNLIMITED = Verdict("limit", Outcome.PASSED, "no limit applies")
_STORE_FAILED = Verdict("limit", Outcome.FAILED, "the store of the counters failed")


class LimitStage(Gate):
    """Charges each request to the limits of its consumer, and refuses with 429 what is too much.

    Args:
        store: the counters.
        rules: who may do how much. May be replaced at run time, by assigning `rules`; what was
            counted stays.
        remote: counters across the network, in place of `store`.
        clock: tells when responses end; the system's if None.
        on_failure: what to do when the store fails, and nothing else was said about that.

    Attributes:
        store: as given.
        plans: the plans that follow from the rules.
        fields: which fields tell the client about its limits.
    """

    name = "limit"

    def __init__(
        self,
        store: CounterStore,
        rules: LimitRules,
        *,
        remote: RemoteCounterStore | None = None,
        clock: Clock | None = None,
        on_failure: FailureMode = FailureMode.OPEN,
    ) -> None:
        self.on_failure = on_failure
        self.store = store
        self._remote = remote
        self._now_ns = (clock or SystemClock()).now_ns
        self._route_limits: Mapping[str, RouteLimits] = {}
        self.rules = rules

    @property
    def rules(self) -> LimitRules:
        """Who may do how much."""
        return self._rules

    @rules.setter
    def rules(self, rules: LimitRules) -> None:
        self._rules = rules
        self.fields = rules.fields
        self._has_exempt = bool(rules.exempt_consumers or rules.exempt_addresses.networks)
        self.plans = LimitPlans(rules, self._route_limits)

    @property
    def is_remote(self) -> bool:
        """Whether the counters are across the network, so that asking them takes a wait."""
        return self._remote is not None

    @property
    def looks_at_addresses(self) -> bool:
        """Whether the address of the client may tell that no limit applies."""
        return bool(self._rules.exempt_addresses.networks)

    @property
    def settles(self) -> bool:
        """Whether some limit has to be told when a response has ended."""
        return self.plans.settles

    def bound(self, route_limits: Mapping[str, RouteLimits]) -> "LimitStage":
        """A stage with the same store and rules that knows these routes, by name, too.

        Raises:
            ConfigError: a limit of a route is named like one of this stage.
        """
        taken = self._rules.limit_names
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
        stage.rules = self._rules
        return stage

    def enter(self, exchange: Exchange) -> Response | Awaitable[Response | None] | None:
        """Refuses the exchange, or lets it pass with its limits in `exchange.added`."""
        route = exchange.route
        consumer = exchange.consumer
        if route is None or consumer is None:
            raise RuntimeError("the limit stage runs after route and identify")
        rule = route.rule
        if rule.exempt or (self._has_exempt and self._is_exempt(exchange, consumer)):
            exchange.verdicts.append(_EXEMPT if rule.exempt else _EXEMPT_CLIENT)
            return None
        plans = self.plans
        if plans.is_fixed:
            # The usual case without calls; the rest is in `fixed`.
            plan = plans.known[consumer.tier].get(rule.name) or plans.fixed(
                consumer.tier, rule.name
            )
        else:
            plan = plans.of(consumer, rule.name, ExchangeFacts(exchange, consumer))
        if not plan.groups:
            exchange.verdicts.append(_UNLIMITED)
            return None
        if self._remote is not None or not (plan.by_consumer and plan.uniform):
            return self._decide(exchange, consumer, rule, plan)
        # The usual case without a call.
        try:
            decision = self.store.decide(plan, (consumer.key,), exchange.now_ns, rule.cost)
        except StoreError as error:
            return self._failed(exchange, error)
        return self._act(exchange, decision)

    def may_refuse(self, route: str) -> bool:
        """Whether some limit may refuse a request on this route, by its name."""
        return self.plans.may_refuse(route)

    def messages(self, exchange: Exchange) -> LimitPlan | None:
        """The limits on the messages of a WebSocket connection; None where there are none."""
        route, consumer = exchange.route, exchange.consumer
        if route is None or consumer is None or route.rule.exempt:
            return None
        if self._has_exempt and self._is_exempt(exchange, consumer):
            return None
        facts = ExchangeFacts(exchange, consumer)
        plan = self.plans.of(consumer, route.rule.name, facts, messages=True)
        return plan if plan.groups else None

    async def admit_message(
        self, exchange: Exchange, plan: LimitPlan, now_ns: int
    ) -> LimitDecision | None:
        """Charges one message; None where the counters do not answer and messages may pass.

        Raises:
            CountersUnavailableError: they do not answer, and a policy lets none pass then.
        """
        consumer = exchange.consumer
        if consumer is None:
            raise RuntimeError("messages are counted for connections that were identified")
        subjects = subjects_of(plan, consumer, exchange)
        try:
            if self._remote is not None:
                return await self._remote.decide(plan, subjects, now_ns, 1)
            return self.store.decide(plan, subjects, now_ns, 1)
        except CountersUnavailableError:
            raise
        except StoreError:
            return None

    def settle(
        self,
        exchange: Exchange,
        decision: LimitDecision,
        response: Response | None,
        body_bytes: int,
    ) -> None:
        """The response to an exchange has ended: puts right what it was charged.

        Args:
            exchange: which was let through.
            decision: by which.
            response: None if there was none.
            body_bytes: how much of its body went out.
        """
        consumer = exchange.consumer
        if consumer is None:
            return
        changes = changes_of(decision, exchange, response, body_bytes)
        if any(changes):
            subjects = subjects_of(decision.plan, consumer, exchange)
            store = self.store if self._remote is None else self._remote
            store.settle(decision, subjects, self._now_ns(), changes)

    def _decide(
        self, exchange: Exchange, consumer: Consumer, rule: RouteRule, plan: LimitPlan
    ) -> Response | Awaitable[Response | None] | None:
        subjects = (consumer.key,) if plan.by_consumer else subjects_of(plan, consumer, exchange)
        costs = () if plan.uniform else costs_of(plan, consumer, exchange, rule.cost)
        if self._remote is not None:
            asked = self._remote.decide(plan, subjects, exchange.now_ns, rule.cost, costs)
            return self._ask(exchange, asked)
        try:
            decision = self.store.decide(plan, subjects, exchange.now_ns, rule.cost, costs)
        except StoreError as error:
            return self._failed(exchange, error)
        return self._act(exchange, decision)

    async def _ask(self, exchange: Exchange, asked: Awaitable[LimitDecision]) -> Response | None:
        """`_decide` with a store across the network."""
        try:
            decision = await asked
        except StoreError as error:
            return self._failed(exchange, error)
        return self._act(exchange, decision)

    def _act(self, exchange: Exchange, decision: LimitDecision) -> Response | None:
        exchange.limit = decision
        exchange.verdicts.append(decision)
        plan = decision.plan
        if plan.enforced:
            fields = self.fields
            if fields.standard:
                exchange.added += (
                    plan.policy_pair,
                    (b"ratelimit", plan.limit_template % decision.figures),
                )
            if fields.legacy:
                exchange.added.extend(legacy_fields(decision))
        return None if decision.allowed else too_many(exchange, decision)

    @staticmethod
    def _failed(exchange: Exchange, error: StoreError) -> Response:
        if not isinstance(error, CountersUnavailableError):
            exchange.verdicts.append(_STORE_FAILED)
            raise error
        reason = "the counters cannot be asked"
        exchange.verdicts.append(Verdict("limit", Outcome.REFUSED, reason, error.policy))
        return unavailable(exchange, error.policy)

    def _is_exempt(self, exchange: Exchange, consumer: Consumer) -> bool:
        rules = self._rules
        names = rules.exempt_consumers
        if consumer.key in names or (consumer.name and consumer.name in names):
            return True
        return rules.exempt_addresses.holds(exchange.client)
