"""Facts of limit decisions."""

from lukhas.policy.explain.limit_facts import decided_again, facts_of_limits
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.decisions import LimitDecision, decide
from lukhas.policy.rate_limiting.limits import Limit
from lukhas.policy.rate_limiting.plans import LimitPlan, plan_for
from lukhas.policy.rate_limiting.policies import LimitPolicy
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.units import DAY_NS, MINUTE_NS

NOW_NS = 20_250 * DAY_NS


def plan_of(*modes: Mode) -> LimitPlan:
    policies = [
        LimitPolicy(f"p{index}", (Limit(f"l{index}", 2, MINUTE_NS),), mode=mode)
        for index, mode in enumerate(modes)
    ]
    return plan_for(Tier.FREE, (), policies, route="default")


def test_the_state_before_lacks_what_was_charged() -> None:
    """And only that: the second of three requests finds one used, and leaves two."""
    plan = plan_of(Mode.ENFORCE)
    states = [group.counting.new_state(NOW_NS) for group in plan.groups]
    decide(plan, states, NOW_NS, 1)
    facts = facts_of_limits(decide(plan, states, NOW_NS, 1))
    assert facts is not None
    (group,) = facts.groups
    counting = plan.groups[0].counting
    assert counting.figures(group.before, NOW_NS)[0] == 1
    assert counting.figures(group.after, NOW_NS)[0] == 0
    refused = facts_of_limits(decide(plan, states, NOW_NS, 1))
    assert refused is not None
    assert refused.groups[0].before == refused.groups[0].after
    assert not decided_again(refused).allowed


def test_shadow_limits_are_decided_again_too() -> None:
    """The one that would have refused is named."""
    plan = plan_of(Mode.ENFORCE, Mode.SHADOW)
    states = [group.counting.new_state(NOW_NS) for group in plan.groups]
    decide(plan, [bytearray(states[0]), states[1]], NOW_NS, 1)
    decide(plan, [bytearray(states[0]), states[1]], NOW_NS, 1)
    facts = facts_of_limits(decide(plan, states, NOW_NS, 1))
    assert facts is not None
    assert decided_again(facts).shadow_policy == "p1"


def test_without_all_states_there_are_no_facts() -> None:
    """As where a shadow limit was decided by a store that did not give its state."""
    plan = plan_of(Mode.ENFORCE, Mode.SHADOW)
    state = bytes(plan.groups[0].counting.new_state(NOW_NS))
    assert facts_of_limits(LimitDecision(plan, (state,), NOW_NS, 1)) is None
