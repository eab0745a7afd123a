"""The limit stage: charging, refusing, and what clients are told."""

import json
import re
from dataclasses import replace

import pytest

from lukhas.errors import ConfigError, StoreError
from lukhas.http.headers import Headers
from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.pipeline import Pipeline
from lukhas.pipeline.stages.limit import LimitStage
from lukhas.pipeline.stages.limit_rules import LimitFields, LimitRules, RouteLimits
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.modes import FailureMode, Mode
from lukhas.policy.rate_limiting.costs import parse_cost
from lukhas.policy.rate_limiting.decisions import LimitDecision, Violation
from lukhas.policy.rate_limiting.dimensions import Dimension
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.plans import LimitPlan
from lukhas.policy.rate_limiting.policies import LimitPolicy
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.verdicts import Outcome, Verdict
from lukhas.storage.memory_counters import MemoryCounters
from lukhas.units import SECOND_NS
from tests.unit.pipeline.kit import NOW_NS, Contained, exchange, known, ran

OK = Response(200, Headers([]), b"ok")
RETRY_S = 21  # a window of 20 s and the bucket of 1 s in which the charge fell

_ITEM = re.compile(r'"([^"\\]*)"((?:;[a-z]+=[0-9]+)+)')


async def handler(_exchange: Exchange) -> Response:
    return OK


def policy(
    name: str,
    text: str,
    *,
    mode: Mode = Mode.ENFORCE,
    by: Dimension = Dimension.CONSUMER,
    routes: tuple[str, ...] = (),
) -> LimitPolicy:
    limits = parse_limits(text, policy=name)
    return LimitPolicy(name, limits, mode=mode, by=by, routes=frozenset(routes))


def stage_of(
    text: str = "",
    *policies: LimitPolicy,
    tier_mode: Mode = Mode.ENFORCE,
    fields: LimitFields | None = None,
) -> LimitStage:
    limits = {Tier.FREE: parse_limits(text, policy="free")} if text else {}
    rules = LimitRules(
        limits, policies=policies, tier_mode=tier_mode, fields=fields or LimitFields()
    )
    return LimitStage(MemoryCounters(), rules)


def sent(stage: LimitStage, one: Exchange | None = None) -> tuple[Response, Exchange]:
    """A request through the stage, which must not fail."""
    one = one or known()
    contained = Contained()
    response = ran(Pipeline([stage], contained), handler, one)
    assert contained.found == []
    return response, one


def added(one: Exchange) -> dict[str, str]:
    """What is added to the response, beside the request id; no field twice."""
    pairs = [(name.decode(), value.decode()) for name, value in one.added[1:]]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def items(field: str) -> dict[str, dict[str, int]]:
    """A list of strings with integer parameters (RFC 9651 section 4.2), read strictly."""
    found = {}
    for member in field.split(", "):
        match = _ITEM.fullmatch(member)
        assert match is not None, member
        pairs = [pair.split("=") for pair in match[2][1:].split(";")]
        found[match[1]] = {key: int(value) for key, value in pairs}
    return found


def problem(response: Response) -> dict[str, object]:
    assert isinstance(response.body, bytes)
    assert response.headers.get(b"content-type") == b"application/problem+json"
    found: dict[str, object] = json.loads(response.body)
    return found


def test_the_quota_passes_and_the_next_is_refused() -> None:
    """The handler answers what passes; the decision stays on the exchange."""
    stage = stage_of("2/20s")
    for _ in range(2):
        response, one = sent(stage)
        assert response is OK
        assert one.limit is not None
        assert one.limit.allowed
    response, one = sent(stage)
    assert response.status == 429
    assert one.limit is not None
    assert one.verdicts == [one.limit]
    assert one.limit.verdict().reason == "limit free-20s reached"
    assert one.limit.cost == 1


def test_a_refusal_is_a_problem_a_client_can_act_on() -> None:
    """Type of the draft, policy, limit, window, and when to come again (RFC 9457)."""
    stage = stage_of("1/20s", policy("login", "1/20s"))
    sent(stage)
    response, one = sent(stage)
    assert problem(response) == {
        "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
        "title": "Request cannot be satisfied as assigned quota has been exceeded",
        "status": 429,
        "detail": "Policy 'tier-free' allows 1 requests in any 20 s; 1 are counted. "
        "Try again in 21 s.",
        "instance": "urn:lukhas:request:id-1",
        "violated-policies": ["free-20s", "login-20s"],
        "policy": "tier-free",
        "limit": 1,
        "window_s": 20,
        "retry_after_s": RETRY_S,
    }
    assert response.headers.get_all(b"retry-after") == [b"21"]
    assert response.headers.get(b"cache-control") == b"no-store"
    assert one.response is response


def test_retry_after_is_just_enough() -> None:
    """A second sooner is refused, then it passes; never earlier than `t` of that limit."""
    stage = stage_of("1/20s")
    sent(stage)
    response, one = sent(stage)
    retry_s = int(response.headers.get(b"retry-after") or b"")
    assert retry_s >= items(added(one)["ratelimit"])["free-20s"]["t"]
    for seconds, status in ((retry_s - 1, 429), (retry_s, 200)):
        late = exchange(now_ns=NOW_NS + seconds * SECOND_NS)
        late.route, late.consumer = one.route, one.consumer
        assert sent(stage, late)[0].status == status


def test_what_can_never_fit_has_no_retry_after() -> None:
    """The client is told so instead of being kept waiting."""

    class Store(MemoryCounters):
        def decide(
            self,
            plan: LimitPlan,
            subjects: tuple[str, ...],
            now_ns: int,
            cost: int,
            costs: tuple[int, ...] = (),
        ) -> LimitDecision:
            decision = super().decide(plan, subjects, now_ns, cost, costs)
            limit = plan.groups[0].counting.limits[0]
            never = (Violation("p", limit, 0, None),)
            return LimitDecision(plan, decision.left, now_ns, cost, never)

    stage = LimitStage(Store(), LimitRules({Tier.FREE: parse_limits("1/20s", policy="free")}))
    response, _one = sent(stage)
    assert response.status == 429
    assert b"retry-after" not in response.headers
    found = problem(response)
    assert found["retry_after_s"] is None
    assert found["detail"] == (
        "Policy 'p' allows 1 requests in any 20 s; 0 are counted. "
        "The request can never fit this limit."
    )


def test_the_fields_of_the_draft() -> None:
    """RateLimit-Policy tells quota and window, RateLimit what is left; same names, same order."""
    stage = stage_of("2/20s; 9/60s", policy("login", "5/60s"))
    _response, one = sent(stage)
    fields = added(one)
    assert list(fields) == ["ratelimit-policy", "ratelimit"]
    assert items(fields["ratelimit-policy"]) == {
        "free-20s": {"q": 2, "w": 20},
        "free-minute": {"q": 9, "w": 60},
        "login-minute": {"q": 5, "w": 60},
    }
    assert items(fields["ratelimit"]) == {
        "free-20s": {"r": 1, "t": 21},
        "free-minute": {"r": 8, "t": 63},
        "login-minute": {"r": 4, "t": 63},
    }
    assert list(items(fields["ratelimit"])) == list(items(fields["ratelimit-policy"]))


def test_refusals_carry_the_fields_too() -> None:
    """With nothing left of the limit that was reached."""
    stage = stage_of("1/20s")
    sent(stage)
    _response, one = sent(stage)
    assert items(added(one)["ratelimit"]) == {"free-20s": {"r": 0, "t": 21}}


@pytest.mark.parametrize("used", [1, 2])
def test_legacy_fields_tell_of_the_limit_nearest_to_its_end(used: int) -> None:
    """By the share that is left, not by the number: 3 of 4 before 8 of 10."""
    fields = LimitFields(standard=False, legacy=True)
    stage = stage_of("4/20s; 10/60s", fields=fields)
    for _ in range(used):
        _response, one = sent(stage)
    assert added(one) == {
        "x-ratelimit-limit": "4",
        "x-ratelimit-remaining": str(4 - used),
        "x-ratelimit-reset": "21",
    }


def test_legacy_fields_may_be_of_any_enforced_limit() -> None:
    """Here of the last; a shadow limit nearer to its end is not told."""
    fields = LimitFields(standard=False, legacy=True)
    trial = policy("trial", "1/h", mode=Mode.SHADOW)
    stage = stage_of("10/20s", policy("login", "2/60s"), trial, fields=fields)
    _response, one = sent(stage)
    assert added(one) == {
        "x-ratelimit-limit": "2",
        "x-ratelimit-remaining": "1",
        "x-ratelimit-reset": "63",
    }


def test_fields_are_a_setting() -> None:
    """Those of the draft by default; both, or none."""
    assert LimitFields() == LimitFields(standard=True, legacy=False)
    both = sent(stage_of("1/20s", fields=LimitFields(legacy=True)))[1]
    assert len(added(both)) == 5
    none = sent(stage_of("1/20s", fields=LimitFields(standard=False)))[1]
    assert added(none) == {}


def test_exempt_routes_are_not_charged() -> None:
    """And nothing is told."""
    stage = stage_of("1/20s")
    for _ in range(3):
        response, one = sent(stage, known(exempt=True))
        assert response is OK
        assert (added(one), one.limit) == ({}, None)
        assert one.verdicts == [
            Verdict("limit", Outcome.SKIPPED, "the route is exempt from limits")
        ]
    assert sent(stage)[0] is OK


@pytest.mark.parametrize("tier_mode", [Mode.ENFORCE, Mode.OFF])
def test_who_has_no_limits_is_not_charged(tier_mode: Mode) -> None:
    """A tier without limits, or with its limits off."""
    stage = stage_of("1/20s", tier_mode=tier_mode)
    tier = Tier.INTERNAL if tier_mode is Mode.ENFORCE else Tier.FREE
    for _ in range(3):
        response, one = sent(stage, known(Consumer("key:i", tier)))
        assert response is OK
        assert (added(one), one.limit) == ({}, None)
        assert one.verdicts == [Verdict("limit", Outcome.PASSED, "no limit applies")]


def test_consumers_are_counted_apart_and_by_their_tier() -> None:
    """Each tier has limits of its own."""
    limits = {
        Tier.FREE: parse_limits("1/20s", policy="free"),
        Tier.BASIC: parse_limits("2/20s", policy="basic"),
    }
    stage = LimitStage(MemoryCounters(), LimitRules(limits))
    consumers = [Consumer("key:a", Tier.FREE), Consumer("key:b", Tier.BASIC)]
    passed = [
        sum(sent(stage, known(consumer))[0].status == 200 for _ in range(4))
        for consumer in (*consumers, Consumer("key:c", Tier.FREE))
    ]
    assert passed == [1, 2, 1]


def test_all_routes_share_what_is_bound_to_none() -> None:
    """A policy bound to routes is counted for each of them apart."""
    shared = stage_of("2/20s")
    statuses = [sent(shared, known(route=route))[0].status for route in ("a", "b", "c")]
    assert statuses == [200, 200, 429]
    apart = stage_of("", policy("p", "1/20s", routes=("a", "b")))
    statuses = [sent(apart, known(route=route))[0].status for route in ("a", "b", "a", "b", "c")]
    assert statuses == [200, 200, 429, 429, 200]


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
    ],
)
def test_limits_by_address_are_counted_by_subscriber(one: str, other: str, together: bool) -> None:
    """Whoever calls from there; IPv6 by its /64, which one caller has all of."""
    stage = stage_of("", policy("p", "1/20s", by=Dimension.ADDRESS))
    statuses = []
    for number, client in enumerate((one, other)):
        found = known(Consumer(f"key:{number}", Tier.FREE))
        found.client = client
        statuses.append(sent(stage, found)[0].status)
    assert statuses == [200, 429 if together else 200]


def test_limits_by_consumer_and_by_address_apply_together() -> None:
    """Each group is counted for its own subject."""
    stage = stage_of("3/20s", policy("p", "2/20s", by=Dimension.ADDRESS))
    keys = ("key:a", "key:b", "key:a")
    statuses = [sent(stage, known(Consumer(key, Tier.FREE)))[0].status for key in keys]
    assert statuses == [200, 200, 429]
    found = known(Consumer("key:a", Tier.FREE))
    found.client = "192.0.2.9"
    _response, one = sent(stage, found)
    assert items(added(one)["ratelimit"])["free-20s"]["r"] == 1


@pytest.mark.parametrize("text", ["", "2/20s"])
@pytest.mark.parametrize("legacy", [False, True])
def test_a_shadow_policy_changes_no_byte_of_the_answer(text: str, legacy: bool) -> None:
    """Status, fields and body of passing and of refused requests; but it leaves its verdict."""
    trial = policy("trial", "1/h", mode=Mode.SHADOW)
    fields = LimitFields(legacy=legacy)
    with_it, without = stage_of(text, trial, fields=fields), stage_of(text, fields=fields)
    for number in range(5):
        response, one = sent(with_it)
        expected, other = sent(without)
        assert (response.status, response.headers, response.body) == (
            expected.status,
            expected.headers,
            expected.body,
        )
        assert one.added == other.added
        assert one.limit is not None
        assert one.limit.shadow_policy == ("trial" if number else "")


def test_the_tiers_limits_can_be_tried_in_shadow() -> None:
    """All pass; the decision tells who would not have."""
    stage = stage_of("1/20s", tier_mode=Mode.SHADOW)
    shown = []
    for _ in range(3):
        response, one = sent(stage)
        assert response is OK
        assert added(one) == {}
        assert one.limit is not None
        shown.append(one.limit.shadow_policy)
    assert shown == ["", "tier-free", "tier-free"]


@pytest.mark.parametrize("cost", ["1", "request-kib"])
@pytest.mark.parametrize(
    ("on_failure", "status"), [(FailureMode.OPEN, 200), (FailureMode.CLOSED, 503)]
)
def test_a_failing_store_is_contained_by_on_failure(
    on_failure: FailureMode, status: int, cost: str
) -> None:
    """It leaves a verdict that names the store, and nothing is told to the client."""

    class Store(MemoryCounters):
        def decide(self, *_given: object) -> LimitDecision:
            raise StoreError("gone")

    rules = LimitRules({}, (replace(policy("p", "1/20s"), cost=parse_cost(cost)),))
    stage = LimitStage(Store(), rules, on_failure=on_failure)
    contained = Contained()
    one = known()
    assert ran(Pipeline([stage], contained), handler, one).status == status
    assert contained.found == [("limit", "gone")]
    assert [found.verdict().reason for found in one.verdicts] == [
        "the store of the counters failed",
        f"the stage failed: fail-{on_failure.value}",
    ]
    assert added(one) == {}
    assert one.limit is None


def test_limits_fail_open_unless_said() -> None:
    """An API without limits for a moment is better than none."""
    assert stage_of("1/20s").on_failure is FailureMode.OPEN


@pytest.mark.parametrize("missing", ["route", "consumer"])
def test_the_stage_needs_route_and_consumer(missing: str) -> None:
    """A pipeline put together in the wrong order is told so."""
    one = known()
    setattr(one, missing, None)
    contained = Contained()
    ran(Pipeline([stage_of("1/20s")], contained), handler, one)
    assert contained.found == [("limit", "the limit stage runs after route and identify")]


def test_policies_of_one_name_are_refused() -> None:
    """They would share one table, and each wipe out what the other counted."""
    with pytest.raises(ConfigError) as caught:
        stage_of("", policy("p", "1/s"), policy("q", "1/s"), policy("p", "2/m"))
    assert caught.value.what == "two limit policies are named 'p'"
    assert caught.value.hint == "give one of them another name"


def test_a_policy_named_like_a_tier_leaves_the_tier_alone() -> None:
    """Traffic of another tier under that name does not reset the counters."""
    stage = stage_of("2/20s", policy("tier-free", "9/h"))
    statuses = []
    for _ in range(3):
        statuses.append(sent(stage)[0].status)
        sent(stage, known(Consumer("key:b", Tier.BASIC)))
    assert statuses == [200, 200, 429]


def test_the_names_of_all_limits_are_known() -> None:
    """Of the tiers and of the policies."""
    stage = stage_of("1/20s; 9/60s", policy("p", "1/h"))
    assert stage.rules.limit_names == {"free-20s", "free-minute", "p-hour"}


def bound_stage(stage: LimitStage, *own: LimitPolicy, parent: str = "default") -> LimitStage:
    return stage.bound({"GET /x": RouteLimits(parent, "GET /x", own)})


def test_a_bound_route_adds_its_limits_to_those_of_its_parent() -> None:
    """The parent's are counted with the parent's, its own under its own scope."""
    stage = stage_of("3/20s", policy("p", "9/20s", routes=("api",)))
    own = policy("own", "1/20s", routes=("GET /x",))
    bound = bound_stage(stage, own, parent="api")
    _response, one = sent(bound, known(route="GET /x"))
    assert items(added(one)["ratelimit"]) == {
        "free-20s": {"r": 2, "t": 21},
        "p-20s": {"r": 8, "t": 21},
        "own-20s": {"r": 0, "t": 21},
    }
    response, _one = sent(bound, known(route="GET /x"))
    assert problem(response)["violated-policies"] == ["own-20s"]
    _response, one = sent(bound, known(route="api"))
    assert items(added(one)["ratelimit"]) == {
        "free-20s": {"r": 1, "t": 21},
        "p-20s": {"r": 7, "t": 21},
    }


def test_a_bound_route_without_limits_shares_its_parents_plan() -> None:
    """Also where the parent's plan was made before."""
    stage = stage_of("2/20s")
    bound = bound_stage(stage)
    routes = ("default", "GET /x", "GET /x")
    plans = []
    for route in routes:
        _response, one = sent(bound, known(route=route))
        assert one.limit is not None
        plans.append(one.limit.plan)
    assert plans[0] is plans[1] is plans[2]
    assert sent(bound)[0].status == 429


def test_one_scope_below_several_parents_is_counted_once() -> None:
    """The route's own limits do not multiply with the routes of the settings."""
    own = policy("own", "2/20s", routes=("GET /x",))
    bound = stage_of("9/20s").bound(
        {
            "GET /x": RouteLimits("default", "GET /x", (own,)),
            "api: GET /x": RouteLimits("api", "GET /x", (own,)),
        }
    )
    routes = ("GET /x", "api: GET /x", "GET /x", "api: GET /x")
    assert [sent(bound, known(route=route))[0].status for route in routes] == [200, 200, 429, 429]


def test_enforced_groups_of_a_bound_route_come_before_shadow_ones() -> None:
    """The tier in shadow, the route enforced: only the route's figures are told."""
    stage = stage_of("1/20s", tier_mode=Mode.SHADOW)
    bound = bound_stage(stage, policy("own", "2/20s", routes=("GET /x",)))
    _response, one = sent(bound, known(route="GET /x"))
    assert items(added(one)["ratelimit"]) == {"own-20s": {"r": 1, "t": 21}}
    response, one = sent(bound, known(route="GET /x"))
    assert response is OK
    assert one.limit is not None
    assert one.limit.shadow_policy == "tier-free"
    assert sent(bound, known(route="GET /x"))[0].status == 429


def test_binding_leaves_the_stage_as_it_was() -> None:
    """Same store and settings; the routes are known to the new one only."""
    stage = stage_of("5/20s", fields=LimitFields(legacy=True))
    sent(stage, known(route="GET /x"))
    bound = bound_stage(stage, policy("own", "1/20s", routes=("GET /x",)))
    assert (bound.name, bound.on_failure, bound.rules.limit_names) == (
        stage.name,
        stage.on_failure,
        stage.rules.limit_names,
    )
    assert len(added(sent(bound, known(route="GET /x"))[1])) == 5
    assert sent(bound, known(route="GET /x"))[0].status == 429
    _response, one = sent(stage, known(route="GET /x"))
    assert items(added(one)["ratelimit"]) == {"free-20s": {"r": 2, "t": 21}}


@pytest.mark.parametrize("name", ["free", "p"])
def test_a_bound_limit_has_a_name_of_its_own(name: str) -> None:
    """Clients could not tell it from one of the settings."""
    stage = stage_of("1/20s", policy("p", "5/20s"))
    with pytest.raises(ConfigError) as caught:
        bound_stage(stage, policy("fine", "1/20s"), policy(name, "1/s; 9/20s"))
    assert caught.value.what == f"two limits that apply together are named '{name}-20s'"
    assert caught.value.where == "route 'GET /x'"
    assert caught.value.hint == "give the limit of the route another name"


def test_exempt_holds_for_bound_routes() -> None:
    """The mark takes off all limits, those of the route too."""
    bound = bound_stage(stage_of("1/20s"), policy("own", "1/20s", routes=("GET /x",)))
    found = known(route="GET /x")
    assert found.route is not None
    found.route = replace(found.route, rule=replace(found.route.rule, exempt=True))
    for _ in range(2):
        assert sent(bound, found)[0] is OK
