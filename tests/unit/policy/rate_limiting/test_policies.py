"""Policies and the plan of all that apply."""

from dataclasses import replace

import pytest

from lukhas.errors import ConfigError
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.costs import Cost, parse_cost
from lukhas.policy.rate_limiting.dimensions import Dimension
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.limits import Limit
from lukhas.policy.rate_limiting.plans import LimitPlan, plan_for
from lukhas.policy.rate_limiting.policies import LimitPolicy, OnStoreError
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
    assert group.table == "@free:consumer"
    assert group.counting.limits == FREE
    assert (group.by, group.mode) == (Dimension.CONSUMER, Mode.ENFORCE)
    assert group.policies == ("tier-free", "tier-free")


def test_internal_is_unlimited() -> None:
    """No limits of the tier, and policies leave it out unless they name it."""
    assert plan_for(Tier.INTERNAL, (), [policy("p")], route="default").groups == ()
    named = LimitPolicy("p", FREE, tiers=frozenset({Tier.INTERNAL}))
    assert tables(plan_for(Tier.INTERNAL, (), [named], route="default")) == ["p:consumer"]


def test_policies_apply_to_their_tiers() -> None:
    """And to no other."""
    basic = LimitPolicy("p", FREE, tiers=frozenset({Tier.BASIC}))
    assert plan_for(Tier.FREE, (), [basic], route="default").groups == ()
    assert len(plan_for(Tier.BASIC, (), [basic], route="default").groups) == 1


def test_policies_bound_to_routes_are_counted_for_each_apart() -> None:
    """The route is part of the table's name; elsewhere they do not apply."""
    bound = policy("p", routes=frozenset({"login", "pay"}))
    assert tables(plan_for(Tier.FREE, (), [bound], route="login")) == ["p@login:consumer"]
    assert tables(plan_for(Tier.FREE, (), [bound], route="pay")) == ["p@pay:consumer"]
    assert plan_for(Tier.FREE, (), [bound], route="default").groups == ()
    assert tables(plan_for(Tier.FREE, (), [policy("p")], route="login")) == ["p:consumer"]


def test_what_is_off_does_not_apply() -> None:
    """Neither the tier's limits nor a policy; policies behind it still do."""
    plan = plan_for(
        Tier.FREE,
        FREE,
        [policy("off", mode=Mode.OFF), policy("on")],
        route="default",
        tier_mode=Mode.OFF,
    )
    assert tables(plan) == ["on:consumer"]


def test_policies_that_do_not_apply_do_not_hide_others() -> None:
    """Of another tier, of another route: the next is still looked at."""
    others = [
        LimitPolicy("tier", FREE, tiers=frozenset({Tier.BASIC})),
        policy("route", routes=frozenset({"x"})),
        policy("here"),
    ]
    assert tables(plan_for(Tier.FREE, (), others, route="default")) == ["here:consumer"]


def test_each_policy_has_counters_of_its_own() -> None:
    """So adding one never resets another, and switching one on keeps what it counted in shadow."""
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
        "a:consumer",
        "b:address",
        "@free:consumer",
        "trial:consumer",
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


def test_one_name_that_is_charged_in_two_ways_is_two_tables() -> None:
    """Else the limits of each would undo the counts of the other."""
    marks = [
        policy("p", text="5/m"),
        policy("p", text="9/h", mode=Mode.SHADOW),
        replace(policy("p", text="9/d"), cost=Cost(weight=2)),
        replace(policy("p", text="9/2d"), cost_for=lambda _request: 2),
        replace(policy("p", text="9/3d"), on_store_error=OnStoreError.DENY),
    ]
    found = tables(plan_for(Tier.FREE, (), marks, route="default"))
    assert sorted(found) == ["p:consumer", *(f"p:consumer#{number}" for number in range(2, 6))]


def test_tables_tell_kind_and_cost_apart() -> None:
    """What is no plain count of requests has its own name."""
    every = policy("p", text="5/m; 5/s burst 2; 5/month; 5 concurrent")
    other = replace(policy("q", text="5/m"), cost=parse_cost("response-kib"))
    exact = policy("r", text="5/m exact", by=Dimension.ADDRESS)
    assert tables(plan_for(Tier.FREE, (), [every, other, exact], route="default")) == [
        "p:consumer:gcra",
        "p:consumer",
        "p:consumer:concurrency",
        "p:consumer:quota",
        "q:consumer:response-kib",
        "r:address:exact",
    ]


def test_a_policy_in_place_of_the_tiers_limits() -> None:
    """Only where it applies, and is not off."""
    instead = replace(policy("p"), replaces_tier=True, routes=frozenset({"x"}))
    assert tables(plan_for(Tier.FREE, FREE, [instead], route="x")) == ["p@x:consumer"]
    assert tables(plan_for(Tier.FREE, FREE, [instead], route="y")) == ["@free:consumer"]
    off = replace(instead, mode=Mode.OFF)
    assert tables(plan_for(Tier.FREE, FREE, [off], route="x")) == ["@free:consumer"]


def test_messages_and_requests_are_planned_apart() -> None:
    """One never counts the other."""
    chat = replace(policy("chat"), cost=parse_cost("messages"))
    both = [chat, policy("p")]
    assert tables(plan_for(Tier.FREE, FREE, both, route="r")) == ["@free:consumer", "p:consumer"]
    messages = plan_for(Tier.FREE, FREE, both, route="r", messages=True)
    assert tables(messages) == ["chat:consumer:messages"]


def test_what_a_plan_knows_of_itself() -> None:
    """What the stage asks on every request is worked out once."""
    plain = plan_for(Tier.FREE, FREE, (), route="r")
    assert (plain.is_simple, plain.uniform, plain.settles) == (True, True, False)
    assert plain.near == (12, 200)
    trial = plan_for(Tier.FREE, (), [policy("p", mode=Mode.SHADOW)], route="r")
    assert (trial.is_simple, trial.near) == (False, ())
    held = plan_for(Tier.FREE, (), [policy("p", text="3 concurrent")], route="r")
    assert (held.uniform, held.settles, held.near) == (True, True, (1,))
    sized = replace(policy("p", text="9/s burst 11"), cost=parse_cost("response-kib"))
    later = plan_for(Tier.FREE, FREE, [sized], route="r")
    assert (later.is_simple, later.uniform, later.settles) == (False, False, True)
    assert later.near == (12, 200, 3)
    given = replace(policy("p"), cost_for=lambda _request: 2)
    assert not plan_for(Tier.FREE, (), [given], route="r").uniform
    for figures, near in (
        ((12, 0, 200, 0), False),
        ((11, 0, 999, 0), True),
        ((99, 0, 199, 0), True),
    ):
        assert plain.is_near(figures) is near


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
