"""Decisions and what they tell."""

import pytest

from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.decisions import LimitDecision, Violation, decide, settle
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.limits import Limit
from lukhas.policy.rate_limiting.plans import LimitPlan, plan_for
from lukhas.policy.rate_limiting.policies import LimitPolicy
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.verdicts import Outcome, Verdict
from lukhas.units import DAY_NS, SECOND_NS

S = SECOND_NS
T0 = 20_250 * DAY_NS
NO_PLAN = LimitPlan(())
LIMIT = Limit("free-20s", 3, 20 * S)


class Judge:
    """A plan with the states it needs."""

    def __init__(self, tier_limits: str, *policies: LimitPolicy) -> None:
        own = parse_limits(tier_limits, policy="free") if tier_limits else ()
        self.plan = plan_for(Tier.FREE, own, policies, route="default")
        self.states: list[bytearray] = [group.counting.new_state(T0) for group in self.plan.groups]

    def decide(self, now_ns: int = T0, cost: int = 1) -> LimitDecision:
        return decide(self.plan, self.states, now_ns, cost)

    def used(self) -> list[tuple[int, ...]]:
        pairs = zip(self.plan.groups, self.states, strict=True)
        return [group.counting.used(state, T0) for group, state in pairs]


def policy(name: str, text: str, mode: Mode = Mode.ENFORCE) -> LimitPolicy:
    return LimitPolicy(name, parse_limits(text, policy=name), mode=mode)


def refused(*free_at_ns: int | None, now_ns: int = T0) -> LimitDecision:
    violations = tuple(Violation("p", LIMIT, 3, at_ns) for at_ns in free_at_ns)
    return LimitDecision(NO_PLAN, (), now_ns, 1, violations)


def test_what_fits_is_allowed_and_charged() -> None:
    """The figures are those after charging."""
    judge = Judge("3/20s; 9/60s")
    decision = judge.decide(cost=2)
    assert decision.allowed
    assert decision.plan is judge.plan
    assert (decision.now_ns, decision.cost) == (T0, 2)
    assert decision.figures == (1, 21, 7, 63)
    assert (decision.violations, decision.shadow_violations) == ((), ())
    assert (decision.policy, decision.shadow_policy, decision.retry_after_s) == ("", "", None)
    assert judge.used() == [(2, 2)]


def test_what_does_not_fit_is_refused_and_not_charged() -> None:
    """The violation holds the facts."""
    judge = Judge("3/20s; 9/60s")
    judge.decide(cost=2)
    decision = judge.decide(T0 + S, cost=2)
    assert not decision.allowed
    assert decision.violations == (Violation("tier-free", LIMIT, 2, T0 + 21 * S),)
    assert decision.policy == "tier-free"
    assert decision.figures == (1, 20, 7, 62)
    assert decision.retry_after_s == 20
    assert judge.used() == [(2, 2)]


def test_all_groups_are_charged_or_none() -> None:
    """A full group keeps the others from being charged, before it and behind it."""
    judge = Judge("9/20s", policy("full", "1/20s"), policy("last", "9/20s"))
    assert judge.decide().allowed
    decision = judge.decide()
    assert [found.policy for found in decision.violations] == ["full"]
    assert judge.used() == [(1,), (1,), (1,)]
    assert decision.figures == (8, 21, 0, 21, 8, 21)


def test_every_violated_limit_is_told() -> None:
    """In the order of the plan; the first gives its name to the decision."""
    judge = Judge("1/20s", policy("second", "1/60s; 9/2m"))
    judge.decide()
    decision = judge.decide()
    assert [found.limit.name for found in decision.violations] == ["free-20s", "second-minute"]
    assert decision.policy == "tier-free"
    assert decision.retry_after_s == 63


def test_shadow_refuses_nothing_and_counts_what_it_would_let_pass() -> None:
    """Its own quota bounds its count; the enforced group counts on."""
    judge = Judge("9/20s", policy("trial", "2/20s", Mode.SHADOW))
    decisions = [judge.decide() for _ in range(4)]
    assert all(decision.allowed for decision in decisions)
    assert [decision.shadow_policy for decision in decisions] == ["", "", "trial", "trial"]
    assert decisions[3].shadow_violations[0].used == 2
    assert decisions[3].violations == ()
    assert decisions[3].figures == (5, 21)
    assert judge.used() == [(4,), (2,)]


def test_shadow_does_not_count_what_is_refused_anyway() -> None:
    """As if it were enforced too."""
    judge = Judge("1/20s", policy("trial", "9/20s", Mode.SHADOW))
    judge.decide()
    assert not judge.decide().allowed
    assert judge.used() == [(1,), (1,)]


def test_shadow_alone_tells_no_figures() -> None:
    """One group that is not enforced: counted, never told."""
    judge = Judge("", policy("trial", "1/20s", Mode.SHADOW))
    first, second = judge.decide(), judge.decide()
    assert first.allowed
    assert second.allowed
    assert (first.figures, second.figures) == ((), ())
    assert (first.shadow_policy, second.shadow_policy) == ("", "trial")
    assert judge.used() == [(1,)]


@pytest.mark.parametrize(
    ("wait_ns", "expected_s"),
    [(1, 1), (S - 1, 1), (S, 1), (S + 1, 2), (2 * S, 2), (0, 1), (-5 * S, 1)],
)
def test_retry_after_is_rounded_up_and_at_least_a_second(wait_ns: int, expected_s: int) -> None:
    """Retrying at once would never help."""
    assert refused(T0 + wait_ns).retry_after_s == expected_s


def test_retry_after_waits_for_the_last_limit() -> None:
    """And there is none if one of them can never be kept."""
    assert refused(T0 + 9 * S, T0 + 5 * S).retry_after_s == 9
    assert refused(T0 + 5 * S, T0 + 9 * S).retry_after_s == 9
    assert refused(T0 + 5 * S, None).retry_after_s is None
    assert refused(None, T0 + 5 * S).retry_after_s is None


def test_the_verdict_of_an_allowed_request() -> None:
    """With the figures of every enforced limit, and of no other."""
    judge = Judge("3/20s; 9/60s", policy("trial", "9/h", Mode.SHADOW))
    assert judge.decide(cost=2).verdict() == Verdict(
        "limit",
        Outcome.PASSED,
        "within all limits",
        facts=(
            ("cost", 2),
            ("free-20s quota", 3),
            ("free-20s remaining", 1),
            ("free-minute quota", 9),
            ("free-minute remaining", 7),
        ),
    )


def test_the_verdict_of_a_refused_request() -> None:
    """It names the limit, and the policy it belongs to."""
    judge = Judge("1/20s", policy("trial", "1/h", Mode.SHADOW))
    judge.decide()
    assert judge.decide().verdict() == Verdict(
        "limit",
        Outcome.REFUSED,
        "limit free-20s reached",
        "tier-free",
        facts=(("cost", 1), ("free-20s quota", 1), ("free-20s remaining", 0)),
    )


def test_the_verdict_of_a_shadow_refusal() -> None:
    """Refused in shadow mode: it says so, and says which policy would have."""
    judge = Judge("9/20s", policy("trial", "1/h", Mode.SHADOW))
    judge.decide()
    assert judge.decide().verdict() == Verdict(
        "limit",
        Outcome.REFUSED,
        "limit trial-hour would be reached",
        "trial",
        Mode.SHADOW,
        (("cost", 1), ("free-20s quota", 9), ("free-20s remaining", 7)),
    )


def test_figures_belong_to_the_plan() -> None:
    """A decision whose figures are not those of its limits is not explained wrongly."""
    with pytest.raises(ValueError, match="zip"):
        LimitDecision(Judge("3/20s").plan, (), T0, 1).verdict()


def test_the_field_of_a_decision() -> None:
    """Remaining and seconds, for each enforced limit."""
    assert Judge("3/20s; 9/60s").decide().limit_field() == (
        b'"free-20s";r=2;t=21, "free-minute";r=8;t=63'
    )


def test_there_is_a_state_for_each_group() -> None:
    """Too few states are a mistake of the caller, and nothing is decided."""
    judge = Judge("9/20s", policy("p", "9/20s"))
    with pytest.raises(ValueError, match="zip"):
        decide(judge.plan, judge.states[:1], T0, 1)


def test_what_each_group_was_charged() -> None:
    """Nothing if it was refused; nothing of a shadow group that would have refused."""
    judge = Judge("2/20s", policy("trial", "1/20s", Mode.SHADOW))
    first, second, third = judge.decide(), judge.decide(), judge.decide()
    charged = [[one.charged(index) for index in range(2)] for one in (first, second, third)]
    assert charged == [[1, 1], [1, 0], [0, 0]]
    judge = Judge("9/20s", policy("p", "9/20s"))
    decision = decide(judge.plan, judge.states, T0, 1, (2, 0))
    assert [decision.charged(index) for index in range(2)] == [2, 0]
    assert (decision.cost, decision.costs) == (2, (2, 0))


def test_policies_near_their_end() -> None:
    """Less than a fifth left of one of their enforced limits; each told once."""
    judge = Judge("10/20s; 11/60s", policy("p", "40/20s"), policy("t", "1/20s", Mode.SHADOW))
    near = [judge.decide().near for _ in range(10)]
    assert near == [()] * 8 + [("tier-free",)] * 2


def test_settling_corrects_each_group_by_its_own_change() -> None:
    """At the time of the decision it was let through by."""
    judge = Judge("9/20s", policy("p", "9/20s"))
    decision = judge.decide(cost=3)
    settle(decision, judge.states, T0 + S, (-2, 4))
    assert judge.used() == [(1,), (7,)]
    settle(decision, judge.states, T0 + S, (0, 0))
    assert judge.used() == [(1,), (7,)]
    with pytest.raises(ValueError, match="zip"):
        settle(decision, judge.states, T0, (1,))
