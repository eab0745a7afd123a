"""Decisions over several groups of limits: all or nothing, with and without shadow."""

from dataclasses import dataclass, field
from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.decisions import LimitDecision, Violation, decide
from lukhas.policy.rate_limiting.limits import Limit
from lukhas.policy.rate_limiting.plans import LimitPlan, plan_for
from lukhas.policy.rate_limiting.policies import LimitPolicy
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.units import MINUTE_NS, SECOND_NS
from tests.property.rate_limiting.exact_log import NOW_NS, RingModel

Arrivals = list[tuple[int, int]]

arrivals = st.lists(
    st.tuples(
        st.one_of(st.just(0), st.integers(0, 90 * SECOND_NS), st.just(3 * MINUTE_NS)),
        st.integers(1, 3),
    ),
    max_size=40,
)


@st.composite
def policies(draw: st.DrawFn, mode: Mode, name: str) -> LimitPolicy:
    windows = draw(st.lists(st.sampled_from((20, 60, 120)), min_size=1, max_size=3, unique=True))
    limits = [
        Limit(f"{name}-{window}s", draw(st.integers(1, 8)), window * SECOND_NS)
        for window in windows
    ]
    return LimitPolicy(name, tuple(limits), mode=mode)


enforced_policies = st.one_of(
    st.just(()),
    st.tuples(policies(Mode.ENFORCE, "a")),
    st.tuples(policies(Mode.ENFORCE, "a"), policies(Mode.ENFORCE, "b")),
)
shadow_policies = st.one_of(
    st.just(()),
    st.tuples(policies(Mode.SHADOW, "s")),
    st.tuples(policies(Mode.SHADOW, "s"), policies(Mode.SHADOW, "u")),
)


@dataclass
class Run:
    """A plan with its states, and what it decided so far."""

    plan: LimitPlan
    states: list[bytearray]
    decisions: list[LimitDecision] = field(default_factory=list)

    def used(self) -> list[tuple[int, ...]]:
        groups = zip(self.plan.groups, self.states, strict=True)
        return [group.counting.used(state, 0) for group, state in groups]


def play(own: tuple[LimitPolicy, ...], arrivals: Arrivals) -> Run:
    plan = plan_for(Tier.FREE, (), own, route="default")
    run = Run(plan, [group.counting.new_state(NOW_NS) for group in plan.groups])
    now_ns = NOW_NS
    for step_ns, cost in arrivals:
        now_ns += step_ns
        run.decisions.append(decide(plan, run.states, now_ns, cost))
    return run


def names(violations: tuple[Violation, ...]) -> list[str]:
    return [found.limit.name for found in violations]


@given(enforced_policies, shadow_policies, arrivals)
def test_groups_are_charged_all_or_none(
    enforced: tuple[LimitPolicy, ...], shadow: tuple[LimitPolicy, ...], arrivals: Arrivals
) -> None:
    """Enforced groups as one; a shadow group if they and it itself let the request pass."""
    plan = plan_for(Tier.FREE, (), (*shadow, *enforced), route="default")
    states = [group.counting.new_state(NOW_NS) for group in plan.groups]
    models = [RingModel(group.counting.limits) for group in plan.groups]
    now_ns = NOW_NS
    for step_ns, cost in arrivals:
        now_ns += step_ns
        decision = decide(plan, states, now_ns, cost)
        for model in models:
            model.move_on(now_ns)
        fits = [model.fits(cost) for model in models]
        allowed = all(fits[: plan.enforced])
        broken = [
            [limit.name for limit in model.limits if model.used(limit) + cost > limit.quota]
            for model in models
        ]
        for model, fit in zip(models, fits, strict=True):
            if allowed and fit:
                model.charge(cost)
        assert decision.allowed == allowed
        assert names(decision.violations) == list(chain(*broken[: plan.enforced]))
        assert names(decision.shadow_violations) == list(chain(*broken[plan.enforced :]))
        for group, state, model in zip(plan.groups, states, models, strict=True):
            assert group.counting.used(state, 0) == tuple(map(model.used, model.limits))
        remaining = [
            limit.quota - model.used(limit)
            for model in models[: plan.enforced]
            for limit in model.limits
        ]
        assert list(decision.figures[::2]) == remaining


@given(enforced_policies, shadow_policies, arrivals)
def test_a_shadow_policy_changes_nothing_that_is_seen(
    enforced: tuple[LimitPolicy, ...], shadow: tuple[LimitPolicy, ...], arrivals: Arrivals
) -> None:
    """Answer, figures, fields and retry time are those of the plan without it."""
    seen = play((*shadow, *enforced), arrivals)
    alone = play(enforced, arrivals)
    assert seen.plan.policy_field == alone.plan.policy_field
    for one, other in zip(seen.decisions, alone.decisions, strict=True):
        assert (one.allowed, one.policy, one.figures) == (
            other.allowed,
            other.policy,
            other.figures,
        )
        assert one.violations == other.violations
        assert one.retry_after_s == other.retry_after_s
        assert one.limit_field() == other.limit_field()
    assert seen.used()[: alone.plan.enforced] == alone.used()


@given(policies(Mode.ENFORCE, "a"), arrivals)
def test_shadow_counts_as_if_it_were_enforced(policy: LimitPolicy, arrivals: Arrivals) -> None:
    """So switching it on changes nothing but that it acts."""
    shadow = LimitPolicy(policy.name, policy.limits, mode=Mode.SHADOW)
    tried, real = play((shadow,), arrivals), play((policy,), arrivals)
    assert tried.states == real.states
    for one, other in zip(tried.decisions, real.decisions, strict=True):
        assert one.allowed
        assert one.shadow_violations == other.violations


@given(policies(Mode.ENFORCE, "a"), arrivals)
def test_a_refused_request_fits_after_retry_after(policy: LimitPolicy, arrivals: Arrivals) -> None:
    """In whole seconds: not sooner than one, passing then, and not yet a second before."""
    run = play((policy,), arrivals)
    for decision in run.decisions[-1:]:
        if decision.allowed or decision.retry_after_s is None:
            continue
        ring, state = run.plan.groups[0].counting, run.states[0]
        at_ns = decision.now_ns + decision.retry_after_s * SECOND_NS
        if decision.retry_after_s > 1:
            assert not ring.fits(state.copy(), at_ns - SECOND_NS, decision.cost)
        assert ring.fits(state.copy(), at_ns, decision.cost)
