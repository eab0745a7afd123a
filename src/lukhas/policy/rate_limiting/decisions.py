"""What the limiter decided: all limits of a plan checked, then all charged, or none."""

from collections.abc import Sequence
from dataclasses import dataclass

from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.limits import Limit
from lukhas.policy.rate_limiting.plans import LimitGroup, LimitPlan
from lukhas.policy.verdicts import Fact, Outcome, Verdict
from lukhas.units import SECOND_NS

__all__ = ("LimitDecision", "Violation", "decide", "settle", "violations_of")


@dataclass(frozen=True, slots=True)
class Violation:
    """One limit that the request would break.

    Attributes:
        policy: the name of the policy.
        limit: the limit.
        used: what was counted in the window.
        free_at_ns: when the request would fit; None if it never can.
    """

    policy: str
    limit: Limit
    used: int
    free_at_ns: int | None


class LimitDecision:
    """The verdict of the limiter on one request.

    Attributes:
        allowed: whether the request may pass.
        plan: the limits it was judged by.
        cost: what it was to be charged.
        now_ns: the time of the decision.
        left: the states of the enforced groups, after charging.
        violations: the enforced limits that it breaks; empty if allowed.
        shadow_violations: the limits in shadow mode that it would have broken.
        costs: what each group of the plan was to be charged; empty where all got `cost`.
    """

    __slots__ = (
        "_figures",
        "_shadow_left",
        "allowed",
        "cost",
        "costs",
        "left",
        "now_ns",
        "plan",
        "shadow_violations",
        "violations",
    )

    def __init__(  # noqa: PLR0917 - one call a request, and keywords cost
        self,
        plan: LimitPlan,
        left: tuple[bytes, ...],
        now_ns: int,
        cost: int,
        violations: tuple[Violation, ...] = (),
        shadow_violations: tuple[Violation, ...] = (),
        costs: tuple[int, ...] = (),
    ) -> None:
        self.allowed = not violations
        self.plan = plan
        self.left = left
        self._figures: tuple[int, ...] | None = None
        self.now_ns = now_ns
        self.cost = cost
        self.violations = violations
        self.shadow_violations = shadow_violations
        self.costs = costs

    @property
    def figures(self) -> tuple[int, ...]:
        """Remaining and seconds until something is given back, for each enforced limit in turn.

        `(r, t, r, t, ...)`, after charging. Worked out when somebody asks.
        """
        figures = self._figures
        if figures is None:
            left = self.left
            if len(left) == 1:
                # The usual case, at half the price.
                figures = self.plan.groups[0].counting.figures(left[0], self.now_ns)
                self._figures = figures
                return figures
            figures = ()
            for group, state in zip(self.plan.groups, left, strict=False):
                figures += group.counting.figures(state, self.now_ns)
            self._figures = figures
        return figures

    @property
    def shadow_left(self) -> tuple[bytes, ...]:
        """The states of the groups in shadow mode, after charging; set by who has them.

        Empty where there are none, and where they are not known.
        """
        # Not set when it is made: most decisions know of none, and are made once a request.
        return getattr(self, "_shadow_left", ())

    @shadow_left.setter
    def shadow_left(self, states: tuple[bytes, ...]) -> None:
        self._shadow_left = states

    @property
    def policy(self) -> str:
        """The name of the first policy that refuses; empty if none does."""
        return self.violations[0].policy if self.violations else ""

    @property
    def shadow_policy(self) -> str:
        """The name of the first policy in shadow mode that would refuse; empty if none would."""
        return self.shadow_violations[0].policy if self.shadow_violations else ""

    @property
    def retry_after_s(self) -> int | None:
        """After how many whole seconds the request would fit; None if allowed, or never."""
        latest_ns = 0
        for violation in self.violations:
            if violation.free_at_ns is None:
                return None
            latest_ns = max(latest_ns, violation.free_at_ns)
        if not self.violations:
            return None
        return max(1, -((self.now_ns - latest_ns) // SECOND_NS))

    @property
    def near(self) -> tuple[str, ...]:
        """The policies of the enforced limits that have less than a fifth left."""
        enforced = self.plan.groups[: self.plan.enforced]
        policies = [policy for group in enforced for policy in group.policies]
        figures = zip(policies, self.figures[::2], self.plan.near, strict=True)
        return tuple(dict.fromkeys(name for name, left, near in figures if left < near))

    def charged(self, index: int) -> int:
        """What the group at `index` of the plan was charged."""
        if self.violations:
            return 0
        group = self.plan.groups[index]
        if index >= self.plan.enforced and any(
            found.limit in group.counting.limits for found in self.shadow_violations
        ):
            return 0
        return self.costs[index] if self.costs else self.cost

    def limit_field(self) -> bytes:
        """The value of the RateLimit field (draft-ietf-httpapi-ratelimit-headers)."""
        return self.plan.limit_template % self.figures

    def verdict(self) -> Verdict:
        """The decision in words and figures."""
        facts: list[Fact] = [("cost", self.cost)]
        enforced = self.plan.groups[: self.plan.enforced]
        limits = [limit for group in enforced for limit in group.counting.limits]
        for limit, remaining in zip(limits, self.figures[::2], strict=True):
            facts.append((f"{limit.name} quota", limit.quota))
            facts.append((f"{limit.name} remaining", remaining))
        if self.violations:
            reason = f"limit {self.violations[0].limit.name} reached"
            return Verdict("limit", Outcome.REFUSED, reason, self.policy, facts=tuple(facts))
        if self.shadow_violations:
            reason = f"limit {self.shadow_violations[0].limit.name} would be reached"
            return Verdict(
                "limit", Outcome.REFUSED, reason, self.shadow_policy, Mode.SHADOW, tuple(facts)
            )
        return Verdict("limit", Outcome.PASSED, "within all limits", facts=tuple(facts))


def decide(
    plan: LimitPlan,
    states: Sequence[bytearray],
    now_ns: int,
    cost: int,
    costs: tuple[int, ...] = (),
) -> LimitDecision:
    """Checks every limit of the plan, and charges all of them or none.

    The states are changed in place, those of refused requests only in that time moves on. Limits in
    shadow mode are charged just as they would be if they were enforced: only by requests that
    every enforced limit and they themselves let pass.

    Args:
        plan: the limits.
        states: one state for each group of the plan, in order.
        now_ns: Unix time.
        cost: what the request uses of each limit, at least 1.
        costs: what it uses of each group instead; 0 is not charged, and always fits.
    """
    if plan.is_simple and not costs:
        # The usual case, without the bookkeeping of the general one.
        taken = plan.groups[0].counting.take(states[0], now_ns, cost)
        if taken is not None:
            return LimitDecision(plan, (taken,), now_ns, cost)
    return _decide_all(plan, states, now_ns, costs or (cost,) * len(plan.groups))


def settle(
    decision: LimitDecision, states: Sequence[bytearray], now_ns: int, changes: Sequence[int]
) -> None:
    """The request that was let through has ended: puts right what its groups were charged.

    Args:
        decision: by which it was let through.
        states: as for `decide`.
        now_ns: Unix time.
        changes: for each group, what is to be added to what it was charged; negative gives back.
    """
    for group, state, change in zip(decision.plan.groups, states, changes, strict=True):
        if change:
            counting = group.counting
            counting.settle(state, at_ns=decision.now_ns, now_ns=now_ns, change=change)


def _decide_all(
    plan: LimitPlan, states: Sequence[bytearray], now_ns: int, costs: tuple[int, ...]
) -> LimitDecision:
    violations: list[Violation] = []
    shadow: list[Violation] = []
    fitting: list[tuple[LimitGroup, bytearray, int]] = []
    for group, state, cost in zip(plan.groups, states, costs, strict=True):
        if group.counting.fits(state, now_ns, cost) or not cost:
            fitting.append((group, state, cost))
        else:
            found = violations if group.mode is Mode.ENFORCE else shadow
            found.extend(violations_of(group, state, now_ns, cost))
    if not violations:
        for group, state, cost in fitting:
            if cost:
                group.counting.charge(state, now_ns, cost)
    left = tuple([bytes(state) for state in states[: plan.enforced]])
    cost = max(costs, default=1)
    decision = LimitDecision(plan, left, now_ns, cost, tuple(violations), tuple(shadow), costs)
    if plan.enforced < len(states):
        decision.shadow_left = tuple([bytes(state) for state in states[plan.enforced :]])
    return decision


def violations_of(group: LimitGroup, state: bytearray, now_ns: int, cost: int) -> list[Violation]:
    """The limits of a group that a cost would break, after `fits` at this moment."""
    counting = group.counting
    used = counting.used(state, now_ns)
    return [
        Violation(
            policy=group.policies[index],
            limit=counting.limits[index],
            used=used[index],
            free_at_ns=counting.fits_at_ns(state, now_ns, index, cost),
        )
        for index in counting.violated(state, now_ns, cost)
    ]
