"""The facts of a limit decision, and the decision made again from them."""

from datetime import UTC
from zoneinfo import ZoneInfo

from lukhas.policy.explain.records import GroupFacts, LimitFacts, LimitTerms
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.counting import counting_of
from lukhas.policy.rate_limiting.decisions import LimitDecision, decide
from lukhas.policy.rate_limiting.dimensions import Dimension
from lukhas.policy.rate_limiting.limits import Kind, Limit
from lukhas.policy.rate_limiting.periods import Period
from lukhas.policy.rate_limiting.plans import LimitGroup, LimitPlan
from lukhas.policy.rate_limiting.undoing import uncharged

__all__ = ("decided_again", "facts_of_limits")


def facts_of_limits(decision: LimitDecision) -> LimitFacts | None:
    """What a decision was made from; None where a state is not known, as where no store has it."""
    states = (*decision.left, *decision.shadow_left)
    groups = decision.plan.groups
    if len(states) != len(groups):
        return None
    return LimitFacts(
        tuple(
            GroupFacts(
                tuple(_terms(limit) for limit in group.counting.limits),
                group.policies,
                group.mode.value,
                str(group.by),
                uncharged(
                    group.counting, state, now_ns=decision.now_ns, cost=decision.charged(index)
                ),
                state,
            )
            for index, (group, state) in enumerate(zip(groups, states, strict=True))
        ),
        decision.now_ns,
        decision.cost,
        decision.costs,
    )


def decided_again(facts: LimitFacts) -> LimitDecision:
    """The decision that the limiter makes from these facts."""
    plan = LimitPlan(tuple(_group(group) for group in facts.groups))
    states = [bytearray(group.before) for group in facts.groups]
    return decide(plan, states, facts.now_ns, facts.cost, facts.costs)


def _terms(limit: Limit) -> LimitTerms:
    return LimitTerms(
        limit.name,
        limit.quota,
        limit.window_ns,
        limit.kind.value,
        limit.burst,
        limit.period.value,
        str(limit.zone),
    )


def _group(group: GroupFacts) -> LimitGroup:
    limits = [
        Limit(
            terms.name,
            terms.quota,
            terms.window_ns,
            kind=Kind(terms.kind),
            burst=terms.burst,
            period=Period(terms.period),
            zone=UTC if terms.zone == "UTC" else ZoneInfo(terms.zone),
        )
        for terms in group.limits
    ]
    return LimitGroup(
        table="",
        counting=counting_of(limits[0].kind, limits),
        by=Dimension.CONSUMER,
        mode=Mode(group.mode),
        policies=group.policies,
    )
