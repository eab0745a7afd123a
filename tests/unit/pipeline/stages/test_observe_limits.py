"""What the observe stage says about limits that are near their end."""

import pytest

from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stages.observe import ObserveStage
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.decisions import decide
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.plans import LimitPlan, plan_for
from lukhas.policy.rate_limiting.policies import LimitPolicy
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.telemetry.recorder import Recorder

NOW_NS = 1_700_000_000 * 10**9


class ManualClock:
    def now_ns(self) -> int:
        return NOW_NS


async def near(plan: LimitPlan, count: int) -> list[dict[tuple[str, str], int]]:
    """What is recorded for each of so many requests under the same limits."""
    recorder = Recorder()
    stage = ObserveStage(recorder, ManualClock())
    states = [group.counting.new_state(NOW_NS) for group in plan.groups]
    found = []
    for _ in range(count):
        head = RequestHead("GET", "http", b"api.test", b"/", b"", Headers([]))
        exchange = Exchange(head, "192.0.2.1", NOW_NS, b"id")
        exchange.consumer = Consumer("key:a", Tier.BASIC)
        exchange.limit = decision = decide(plan, states, NOW_NS, 1)

        status = 200 if decision.allowed else 429

        async def answer(_exchange: Exchange, status: int = status) -> Response:
            return Response(status, Headers([]), b"")

        await stage(exchange, answer)
        found.append(recorder.drain().near)
    return found


@pytest.mark.parametrize(
    "text", ["10/minute", "10/minute; 1000/hour", "10/minute; 1000/hour; 10000/day"]
)
async def test_a_request_that_leaves_less_than_a_fifth_is_counted(text: str) -> None:
    """The ninth and the tenth of ten leave one and none; the eleventh does not pass."""
    plan = plan_for(Tier.BASIC, parse_limits(text, policy="basic"), (), route="r")
    once = {("tier-basic", "basic"): 1}
    assert await near(plan, 11) == [{}] * 8 + [once, once, {}]


async def test_each_policy_is_counted_once() -> None:
    """Those in shadow mode tell nobody what is left."""
    policies = [
        LimitPolicy("one", parse_limits("5/minute; 6/hour", policy="one")),
        LimitPolicy("two", parse_limits("100/minute", policy="two")),
        LimitPolicy("dark", parse_limits("5/minute", policy="dark"), mode=Mode.SHADOW),
    ]
    plan = plan_for(Tier.BASIC, (), policies, route="r")
    assert await near(plan, 5) == [{}] * 4 + [{("one", "basic"): 1}]


async def test_without_limits_nothing_is_near() -> None:
    """Nor in a plan that enforces none."""
    assert await near(LimitPlan(()), 2) == [{}, {}]
