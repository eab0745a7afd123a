"""What the limiter decided: all limits of a plan checked, then all charged, or none."""

from collections.abc import Sequence
from dataclasses import dataclass

from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.limits import Limit
from lukhas.policy.rate_limiting.policies import LimitGroup, LimitPlan
from lukhas.policy.rate_limiting.strict_ring import RingState
from lukhas.policy.verdicts import Fact, Outcome, Verdict
from lukhas.units import SECOND_NS

__all__ = ("LimitDecision", "Violation", "decide")


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
        figures: remaining and seconds until something is given back, for each enforced limit in
            turn: `(r, t, r, t, ...)`, after charging.
        violations: the enforced limits that it breaks; empty if allowed.
        shadow_violations: the limits in shadow mode that it would have broken.
    """

    __slots__ = ("allowed", "cost", "figures", "now_ns", "plan", "shadow_violations", "violations")

    def __init__(  # noqa: PLR0917 - one call a request, and keywords cost
        self,
        plan: LimitPlan,
        figures: tuple[int, ...],
        now_ns: int,
        cost: int,
        violations: tuple[Violation, ...] = (),
        shadow_violations: tuple[Violation, ...] = (),
    ) -> None:
        self.allowed = not violations
        self.plan = plan
        self.figures = figures
        self.now_ns = now_ns
        self.cost = cost
        self.violations = violations
        self.shadow_violations = shadow_violations

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

    def limit_field(self) -> bytes:
        """The value of the RateLimit field (draft-ietf-httpapi-ratelimit-headers)."""
        return self.plan.limit_template % self.figures

    def verdict(self) -> Verdict:
        """The decision in words and figures."""
        facts: list[Fact] = [("cost", self.cost)]
        enforced = self.plan.groups[: self.plan.enforced]
        limits = [limit for group in enforced for limit in group.ring.limits]
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


def decide(plan: LimitPlan, states: Sequence[RingState], now_ns: int, cost: int) -> LimitDecision:
    """Checks every limit of the plan, and charges all of them or none.

    The states are changed in place, those of refused requests only in that time moves on. Limits in
    shadow mode are charged just as they would be if they were enforced: only by requests that
    every enforced limit and they themselves let pass.

    Args:
        plan: the limits.
        states: one state for each group of the plan, in order.
        now_ns: Unix time.
        cost: what the request uses of each limit, at least 1.
    """
    groups = plan.groups
    if len(groups) == 1 and plan.enforced:
        # The usual case, without the bookkeeping of the general one.
        ring = groups[0].ring
        state = states[0]
        if ring.fits(state, now_ns, cost):
            ring.charge(state, cost)
            return LimitDecision(plan, ring.figures(state, now_ns), now_ns, cost)
    return _decide_all(plan, states, now_ns, cost)


def _decide_all(
    plan: LimitPlan, states: Sequence[RingState], now_ns: int, cost: int
) -> LimitDecision:
    violations: list[Violation] = []
    shadow: list[Violation] = []
    fitting: list[tuple[LimitGroup, RingState]] = []
    for group, state in zip(plan.groups, states, strict=True):
        if group.ring.fits(state, now_ns, cost):
            fitting.append((group, state))
        else:
            found = violations if group.mode is Mode.ENFORCE else shadow
            found.extend(_violations(group, state, cost))
    if not violations:
        for group, state in fitting:
            group.ring.charge(state, cost)
    figures: tuple[int, ...] = ()
    for group, state in zip(plan.groups[: plan.enforced], states, strict=False):
        figures += group.ring.figures(state, now_ns)
    return LimitDecision(plan, figures, now_ns, cost, tuple(violations), tuple(shadow))


def _violations(group: LimitGroup, state: RingState, cost: int) -> list[Violation]:
    used = group.ring.used(state)
    return [
        Violation(
            policy=group.policies[index],
            limit=group.ring.limits[index],
            used=used[index],
            free_at_ns=group.ring.fits_at_ns(state, index, cost),
        )
        for index in group.ring.violated(state, cost)
    ]
