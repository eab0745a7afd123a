"""The rules of the limits: whom they are for, and what happens when they change."""

import itertools
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lukhas.http.client_address import TrustedProxies
from lukhas.pipeline.stages.limit import LimitStage
from lukhas.pipeline.stages.limit_rules import LimitRules, RouteLimits
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.costs import parse_cost
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.policies import LimitRequest
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.verdicts import Outcome, Verdict
from lukhas.storage.memory_counters import MemoryCounters
from lukhas.units import DAY_NS, HOUR_NS, SECOND_NS
from tests.unit.pipeline.kit import NOW_NS
from tests.unit.pipeline.stages.limit_kit import (
    A,
    left,
    named,
    policy,
    request,
    rules_of,
    send,
    stage_of,
    statuses,
)

B = Consumer("key:b", Tier.FREE)
T = Consumer("key:t", Tier.FREE, tenant="acme")


def passing(stage: LimitStage, consumer: Consumer, tries: int = 9) -> int:
    return statuses(stage, [request(consumer) for _ in range(tries)]).count(200)


@pytest.mark.parametrize("name", ["anna", "key:a"])
def test_a_policy_of_one_consumer_applies_to_no_other(name: str) -> None:
    """By its name or its key; on top of the limits of the tier."""
    stage = stage_of("5/20s", named(policy("p", "2/20s"), consumers=frozenset({name})))
    assert (passing(stage, A), passing(stage, B)) == (2, 5)


def test_a_policy_that_replaces_the_tier() -> None:
    """More than the tier, or less, or no limit at all."""
    stage = stage_of(
        "3/20s",
        named(policy("big", "6/20s"), consumers=frozenset({"anna"}), replaces_tier=True),
        named(policy("free", ""), tenants=frozenset({"acme"}), replaces_tier=True),
    )
    assert [passing(stage, each) for each in (A, B, T)] == [6, 3, 9]
    one = request(T)
    send(stage, one)
    assert one.verdicts == [Verdict("limit", Outcome.PASSED, "no limit applies")]


def test_a_policy_of_a_tenant_applies_to_all_of_it_alone() -> None:
    """Counted by tenant, its consumers share it; nobody without a tenant is meant."""
    stage = stage_of("", named(policy("p", "2/20s", by="tenant"), tenants=frozenset({"acme", ""})))
    second = Consumer("key:u", Tier.FREE, tenant="acme")
    assert [send(stage, request(each)).status for each in (T, second, T)] == [200, 200, 429]
    assert passing(stage, A) == 9


def test_a_function_gives_the_limits() -> None:
    """As text, for each request; none where it says none."""

    def limits_for(found: LimitRequest) -> str | None:
        return {"anna": "2/20s", "key:b": "4/20s"}.get(found.consumer)

    stage = stage_of("", named(policy("p", "1/20s"), limits_for=limits_for))
    alternating = [request(each) for _ in range(6) for each in (A, B)]
    found = statuses(stage, alternating)
    assert found[::2] == [200] * 2 + [429] * 4
    assert found[1::2] == [200] * 4 + [429] * 2
    assert passing(stage, T) == 9


def test_windows_outlive_texts_that_do_not_name_them() -> None:
    """Texts that take turns neither forget a window nor hand out a fresh quota of one."""
    texts = itertools.cycle(("5/20s; 7/minute", "6/20s"))
    stage = stage_of("", named(policy("p", "1/20s"), limits_for=lambda _found: next(texts)))
    # Five of the first and one more of the second fill 20 s, whichever text counted them.
    assert statuses(stage, [request() for _ in range(8)]) == [200] * 5 + [200, 429, 429]
    later = [request(now_ns=NOW_NS + 30 * SECOND_NS) for _ in range(6)]
    assert statuses(stage, later) == [200] * 6
    # By now six were counted in the minute: one is left, though the second text named no minute.
    last = [request(now_ns=NOW_NS + 55 * SECOND_NS) for _ in range(3)]
    assert statuses(stage, last) == [200, 200, 429]


@given(
    texts=st.lists(
        st.sampled_from(("3/20s", "2/20s; 4/minute", "6/minute", "3/20s; 5/hour")),
        min_size=1,
        max_size=60,
    ),
    gaps_s=st.lists(st.integers(0, 15), min_size=60, max_size=60),
)
def test_no_window_is_ever_exceeded_whatever_texts_take_turns(
    texts: list[str], gaps_s: list[int]
) -> None:
    """A request that passes by a text keeps every window that it names, over all that passed."""
    given_texts = iter(texts)
    stage = stage_of("", named(policy("p", "1/20s"), limits_for=lambda _found: next(given_texts)))
    now_ns = NOW_NS
    counted: dict[str, list[int]] = {"20s": [], "minute": [], "hour": []}
    lengths_s = {"20s": 20, "minute": 60, "hour": 3600}
    for text, gap_s in zip(texts, gaps_s, strict=False):
        now_ns += gap_s * SECOND_NS
        if statuses(stage, [request(now_ns=now_ns)]) == [429]:
            continue
        for part in text.split("; "):
            quota, _, window = part.partition("/")
            counted[window].append(now_ns)
            since_ns = now_ns - lengths_s[window] * SECOND_NS
            assert sum(at_ns > since_ns for at_ns in counted[window]) <= int(quota)


def test_plans_of_functions_do_not_pile_up() -> None:
    """However many texts a function makes up; what was counted stays."""
    texts = iter(f"{quota}/20s" for quota in range(1, 3000))
    stage = stage_of("", named(policy("p", "1/20s"), limits_for=lambda _found: next(texts)))
    assert statuses(stage, [request() for _ in range(2500)]) == [200] * 2500
    assert len(stage.plans._made) <= 1024


def test_texts_go_to_their_policies() -> None:
    """With several functions, with policies that have none in between, and those of a route."""
    one = named(policy("one", "1/20s"), limits_for=lambda _found: "7/20s")
    mine = named(
        policy("mine", "1/20s"), limits_for=lambda _found: "5/20s", consumers=frozenset({"anna"})
    )
    own = named(
        policy("own", "1/20s"), limits_for=lambda _found: "4/20s", routes=frozenset({"GET /x"})
    )
    stage = stage_of("", mine, policy("plain", "9/20s"), one)
    bound = stage.bound({"GET /x": RouteLimits("default", "GET /x", (own,))})
    assert left(bound, request(A, route="GET /x")) == (8, 6, 4, 3)
    assert left(bound, request(B, route="GET /x")) == (8, 6, 3)
    assert left(bound, request(B)) == (7, 5)


@pytest.mark.parametrize(
    ("rules", "client", "consumer", "exempt"),
    [
        (LimitRules(exempt_consumers=frozenset({"anna"})), "192.0.2.1", A, True),
        (LimitRules(exempt_consumers=frozenset({"key:a"})), "192.0.2.1", A, True),
        (LimitRules(exempt_consumers=frozenset({"anna", ""})), "192.0.2.1", B, False),
        (LimitRules(exempt_addresses=TrustedProxies(("192.0.2.0/28",))), "192.0.2.1", A, True),
        (LimitRules(exempt_addresses=TrustedProxies(("192.0.2.0/28",))), "192.0.2.99", A, False),
    ],
)
def test_who_is_exempt(rules: LimitRules, client: str, consumer: Consumer, *, exempt: bool) -> None:
    """Is not counted, and told nothing."""
    tiers = {Tier.FREE: parse_limits("1/20s", policy="free")}
    stage = LimitStage(MemoryCounters(), replace(rules, tier_limits=tiers))
    requests = [request(consumer, client=client) for _ in range(3)]
    assert statuses(stage, requests) == [200, *([200 if exempt else 429] * 2)]
    reason = "the client is exempt from limits"
    verdict = Verdict("limit", Outcome.SKIPPED, reason)
    assert (requests[0].verdicts == [verdict]) is exempt
    assert (len(requests[0].added) == 1) is exempt


def test_rules_that_are_replaced_keep_what_was_counted() -> None:
    """At run time, for the next request; nobody gets a fresh quota."""
    stage = stage_of("3/20s")
    assert left(stage) == (2,)
    stage.rules = rules_of("5/20s", policy("p", "9/20s"))
    assert left(stage) == (3, 8)
    stage.rules = rules_of("3/20s")
    assert left(stage) == (0,)
    assert send(stage).status == 429
    assert stage.rules.limit_names == {"free-20s"}


def test_a_bound_stage_has_rules_of_its_own_to_replace() -> None:
    """Its routes stay; the store is one."""
    stage = stage_of("9/20s")
    own = named(policy("own", "5/20s"), routes=frozenset({"GET /x"}))
    bound = stage.bound({"GET /x": RouteLimits("default", "GET /x", (own,))})
    assert left(bound, request(route="GET /x")) == (8, 4)
    bound.rules = rules_of("7/20s")
    assert left(bound, request(route="GET /x")) == (5, 3)
    assert left(stage) == (6,)


def test_replaced_rules_are_those_of_the_exempt_and_the_fields_too() -> None:
    """All of them at once."""
    stage = stage_of("1/20s")
    assert not stage.settles
    stage.rules = replace(
        rules_of("1 concurrent"),
        exempt_consumers=frozenset({"anna"}),
    )
    assert stage.settles
    assert passing(stage, A) == 9


def test_a_shadow_tier_becomes_enforced_with_its_counts() -> None:
    """What was counted on trial counts for real."""
    stage = LimitStage(MemoryCounters(), replace(rules_of("3/20s"), tier_mode=Mode.SHADOW))
    assert passing(stage, A, 2) == 2
    stage.rules = rules_of("3/20s")
    assert passing(stage, A, 4) == 1


@pytest.mark.parametrize(
    "rules",
    [
        rules_of("3 concurrent"),
        rules_of("", policy("p", "3 concurrent")),
        rules_of("", policy("p", "3/20s", cost="response-kib")),
        rules_of("", named(policy("p", "3/20s"), limits_for=lambda _found: "3 concurrent")),
    ],
)
def test_rules_know_whether_the_end_of_a_response_matters(rules: LimitRules) -> None:
    """Else no stage needs to follow it."""
    assert rules.settles
    assert not rules_of("3/20s; 9 /month", policy("p", "3/20s", cost="request-kib")).settles


def test_a_month_passes_by_the_hour() -> None:
    """A quota of a month: never above it in the month, all there in the next."""
    stage = stage_of("", policy("p", "1000/month"))
    hours = [request(now_ns=NOW_NS // DAY_NS * DAY_NS + hour * HOUR_NS) for hour in range(24 * 70)]
    passed: dict[int, int] = {}
    # 20_250 days after 1970 is the 11th of June 2025.
    for number, one in enumerate(hours):
        status = statuses(stage, [one, request(now_ns=one.now_ns)])
        month = 6 if number < 20 * 24 else 7 if number < 51 * 24 else 8
        passed[month] = passed.get(month, 0) + status.count(200)
    assert passed == {6: 960, 7: 1000, 8: 912}


def test_calendar_months_end_in_their_zone() -> None:
    """A refusal says how long it is to the first of the next month."""
    stage = stage_of("", policy("p", "1/month"))
    assert send(stage).status == 200
    response = send(stage)
    assert response.headers.get(b"retry-after") == b"%d" % (20 * 86_400)
    assert isinstance(response.body, bytes)
    found = json.loads(response.body)
    assert found["detail"].startswith("Policy 'p' allows 1 requests a calendar month; 1 are")


def test_messages_have_limits_of_their_own() -> None:
    """What counts messages counts no requests, and the other way round."""
    stage = stage_of("1/20s", policy("chat", "2/20s", cost="messages"))
    assert left(stage) == (0,)
    one = request()
    plan = stage.messages(one)
    assert plan is not None
    assert [limit.name for limit in plan.groups[0].counting.limits] == ["chat-20s"]
    assert stage_of("1/20s").messages(one) is None
    exempt = request()
    assert exempt.route is not None
    exempt.route = replace(exempt.route, rule=replace(exempt.route.rule, exempt=True))
    assert stage.messages(exempt) is None
    one.consumer = None
    assert stage.messages(one) is None
    assert parse_cost("messages").basis.value == "messages"
