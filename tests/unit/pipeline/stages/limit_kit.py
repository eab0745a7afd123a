"""Limit stages with any rules, and requests through them."""

from collections.abc import Iterable
from dataclasses import replace

from lukhas.clock import Clock
from lukhas.http.headers import HeaderPairs, Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.pipeline import Pipeline
from lukhas.pipeline.stages.limit import LimitStage
from lukhas.pipeline.stages.limit_rules import LimitRules
from lukhas.pipeline.stages.settle import SettleStage
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.rate_limiting.costs import parse_cost
from lukhas.policy.rate_limiting.dimensions import parse_dimension
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.policies import LimitPolicy
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.routing.routes import RouteMatch, RouteRule
from lukhas.storage.memory_counters import MemoryCounters
from lukhas.testing.clock import ManualClock
from tests.unit.pipeline.kit import NOW_NS, Contained, ran

A = Consumer("key:a", Tier.FREE, name="anna")


def policy(name: str, text: str, *, by: str = "consumer", cost: str = "1") -> LimitPolicy:
    limits = parse_limits(text, policy=name) if text else ()
    return LimitPolicy(name, limits, by=parse_dimension(by), cost=parse_cost(cost))


def rules_of(text: str, *policies: LimitPolicy) -> LimitRules:
    tiers = {Tier.FREE: parse_limits(text, policy="free")} if text else {}
    return LimitRules(tiers, policies)


def stage_of(text: str, *policies: LimitPolicy, clock: Clock | None = None) -> LimitStage:
    rules = rules_of(text, *policies)
    return LimitStage(MemoryCounters(), rules, clock=clock or ManualClock(NOW_NS))


def request(
    consumer: Consumer = A,
    *,
    headers: HeaderPairs | None = None,
    route: str = "default",
    weight: int = 1,
    now_ns: int = NOW_NS,
    client: str = "192.0.2.1",
) -> Exchange:
    head = RequestHead("POST", "http", b"api.test", b"/a", b"x=1", Headers(headers or []))
    one = Exchange(head, client, now_ns, b"id-1")
    one.route = RouteMatch(RouteRule(route, "*", CachePolicy(), cost=weight))
    one.consumer = consumer
    return one


def send(
    stage: LimitStage, one: Exchange | None = None, response: Response | None = None
) -> Response:
    """Through the limit stage and the settle stage, which must not fail."""
    answer = response or Response(200, Headers([]), b"ok")

    async def handler(_exchange: Exchange) -> Response:
        return answer

    contained = Contained()
    found = ran(Pipeline([stage, SettleStage(stage)], contained), handler, one or request())
    assert contained.found == []
    return found


def statuses(stage: LimitStage, requests: Iterable[Exchange]) -> list[int]:
    return [send(stage, one).status for one in requests]


def left(stage: LimitStage, one: Exchange | None = None) -> tuple[int, ...]:
    """What is left of each enforced limit after one more request."""
    one = one or request()
    send(stage, one)
    assert one.limit is not None
    return one.limit.figures[::2]


def named(found: LimitPolicy, **changes: object) -> LimitPolicy:
    return replace(found, **changes)  # type: ignore[arg-type]
