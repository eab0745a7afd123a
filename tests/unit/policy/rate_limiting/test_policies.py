"""Policies and the plan of all that apply."""

import pytest

from lukhas.errors import ConfigError
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.dimensions import Dimension
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.limits import Limit
from lukhas.policy.rate_limiting.plans import LimitPlan, plan_for
from lukhas.policy.rate_limiting.policies import LimitPolicy
from lukhas.policy.rate_limiting.tiers import Tier

FREE = parse_limits("60/minute; 1000/hour", policy="free")


def policy(
    name: str,
    *,
    text: str = "5/minute",
    mode: Mode = Mode.ENFORCE,
    by: Dimension = Dimension.CONSUMER,
    routes: frozenset[str] = frozenset(),
) -> LimitPolicy:
    return LimitPolicy(name, parse_limits(text, policy=name), mode=mode, by=by, routes=routes)


def tables(plan: LimitPlan) -> list[str]:
    return [group.table for group in plan.groups]


def test_a_policy_applies_to_all_but_internal_everywhere() -> None:
    """Enforced, by consumer, on all routes, if it says nothing else."""
    plain = LimitPolicy("p", FREE)
    assert plain.tiers == frozenset(Tier) - {Tier.INTERNAL}
    assert (plain.mode, plain.by, plain.routes) == (Mode.ENFORCE, Dimension.CONSUMER, frozenset())


def test_the_tiers_own_limits_are_a_group() -> None:
    """Counted by consumer, under the tier's name."""
    (group,) = plan_for(Tier.FREE, FREE, (), route="default").groups
    assert group.table == "@free:consumer:enforce"
    assert group.counting.limits == FREE
    assert (group.by, group.mode) == (Dimension.CONSUMER, Mode.ENFORCE)
    assert group.policies == ("tier-free", "tier-free")


def test_internal_is_unlimited() -> None:
    """No limits of the tier, and policies leave it out unless they name it."""
    assert plan_for(Tier.INTERNAL, (), [policy("p")], route="default").groups == ()
    named = LimitPolicy("p", FREE, tiers=frozenset({Tier.INTERNAL}))
    assert tables(plan_for(Tier.INTERNAL, (), [named], route="default")) == ["p:consumer:enforce"]


def test_policies_apply_to_their_tiers() -> None:
    """And to no other."""
    basic = LimitPolicy("p", FREE, tiers=frozenset({Tier.BASIC}))
    assert plan_for(Tier.FREE, (), [basic], route="default").groups == ()
    assert len(plan_for(Tier.BASIC, (), [basic], route="default").groups) == 1


def test_policies_bound_to_routes_are_counted_for_each_apart() -> None:
    """The route is part of the table's name; elsewhere they do not apply."""
    bound = policy("p", routes=frozenset({"login", "pay"}))
    assert tables(plan_for(Tier.FREE, (), [bound], route="login")) == ["p@login:consumer:enforce"]
    assert tables(plan_for(Tier.FREE, (), [bound], route="pay")) == ["p@pay:consumer:enforce"]
    assert plan_for(Tier.FREE, (), [bound], route="default").groups == ()
    assert tables(plan_for(Tier.FREE, (), [policy("p")], route="login")) == ["p:consumer:enforce"]


def test_what_is_off_does_not_apply() -> None:
    """Neither the tier's limits nor a policy; policies behind it still do."""
    plan = plan_for(
        Tier.FREE,
        FREE,
        [policy("off", mode=Mode.OFF), policy("on")],
        route="default",
        tier_mode=Mode.OFF,
    )
    assert tables(plan) == ["on:consumer:enforce"]


def test_policies_that_do_not_apply_do_not_hide_others() -> None:
    """Of another tier, of another route: the next is still looked at."""
    others = [
        LimitPolicy("tier", FREE, tiers=frozenset({Tier.BASIC})),
        policy("route", routes=frozenset({"x"})),
        policy("here"),
    ]
    assert tables(plan_for(Tier.FREE, (), others, route="default")) == ["here:consumer:enforce"]


def test_each_policy_has_counters_of_its_own() -> None:
    """So adding one never resets another; a shadow one counts apart from an enforced one."""
    plan = plan_for(
        Tier.FREE,
        FREE,
        [
            policy("trial", mode=Mode.SHADOW),
            policy("a"),
            policy("b", by=Dimension.ADDRESS),
        ],
        route="default",
        tier_mode=Mode.SHADOW,
    )
    assert tables(plan) == [
        "a:consumer:enforce",
        "b:address:enforce",
        "@free:consumer:shadow",
        "trial:consumer:shadow",
    ]
    assert [group.by for group in plan.groups][1] is Dimension.ADDRESS
    assert plan.enforced == 2
    assert [group.policies for group in plan.groups] == [
        ("a",),
        ("b",),
        ("tier-free", "tier-free"),
        ("trial",),
    ]


def test_a_policy_cannot_take_over_the_counters_of_a_tier() -> None:
    """Not even one that is named like its group."""
    plan = plan_for(Tier.FREE, FREE, [policy("tier-free")], route="default")
    assert len(set(tables(plan))) == 2


def test_one_name_with_two_dimensions_is_two_tables() -> None:
    """As marks on one route can have; in one table each would wipe out the other's counts."""
    one, other = policy("p", text="5/m"), policy("p", text="9/h", by=Dimension.ADDRESS)
    assert len(set(tables(plan_for(Tier.FREE, (), [one, other], route="default")))) == 2


def test_policies_alike_are_one_group() -> None:
    """Marks of one name on one route add up to one state."""
    one, other = policy("p", text="5/m"), policy("p", text="9/h")
    (group,) = plan_for(Tier.FREE, (), [one, other], route="default").groups
    assert [limit.name for limit in group.counting.limits] == ["p-minute", "p-hour"]
    assert group.policies == ("p", "p")


@pytest.mark.parametrize("mode", [Mode.ENFORCE, Mode.SHADOW])
def test_names_of_limits_are_unique_in_a_plan(mode: Mode) -> None:
    """Also between a shadow policy and the tier: it may be enforced tomorrow."""
    clash = LimitPolicy("again", (Limit("free-hour", 5, FREE[0].window_ns),), mode=mode)
    with pytest.raises(ConfigError) as caught:
        plan_for(Tier.FREE, FREE, [clash], route="default")
    assert caught.value.what == "two limits that apply together are named 'free-hour'"
    assert caught.value.where == "again"
    assert caught.value.hint == "give one policy another name"


def test_fields_tell_only_what_is_enforced() -> None:
    """RateLimit-Policy once and for all; RateLimit with a place for each figure."""
    plan = plan_for(
        Tier.FREE, FREE, [policy("trial", mode=Mode.SHADOW), policy("a")], route="default"
    )
    assert plan.policy_field == (
        b'"free-minute";q=60;w=60, "free-hour";q=1000;w=3600, "a-minute";q=5;w=60'
    )
    assert plan.limit_template % (1, 2, 3, 4, 5, 6) == (
        b'"free-minute";r=1;t=2, "free-hour";r=3;t=4, "a-minute";r=5;t=6'
    )


@pytest.mark.parametrize(
    ("tier_limits", "policies", "expected"),
    [
        (FREE, [], True),
        ((), [policy("p")], True),
        ((), [policy("p", by=Dimension.ADDRESS)], False),
        (FREE, [policy("p")], False),
        ((), [], False),
    ],
)
def test_a_plan_knows_whether_the_consumer_is_its_only_subject(
    tier_limits: tuple[Limit, ...], policies: list[LimitPolicy], expected: object
) -> None:
    """The usual case, for which nobody has to look at the groups: one group, by consumer."""
    assert plan_for(Tier.FREE, tier_limits, policies, route="r").by_consumer is expected


def test_a_plan_of_nothing_says_nothing() -> None:
    """Without groups, or with shadow only."""
    shadow = [policy("trial", mode=Mode.SHADOW)]
    for plan in (LimitPlan(()), plan_for(Tier.FREE, (), shadow, route="default")):
        assert (plan.enforced, plan.policy_field, plan.limit_template) == (0, b"", b"")
