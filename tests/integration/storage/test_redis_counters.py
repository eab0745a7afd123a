"""The script in the server and the step functions in Python are the same limiter."""

import asyncio
import random
from dataclasses import dataclass, field

import pytest

from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.decisions import LimitDecision, Violation
from lukhas.policy.rate_limiting.dimensions import Dimension
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.limits import Kind
from lukhas.policy.rate_limiting.plans import LimitPlan, plan_for
from lukhas.policy.rate_limiting.policies import LimitPolicy
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.storage.memory_counters import MemoryCounters
from lukhas.storage.redis_counters import RedisCounterStore
from lukhas.storage.redis_link import RedisLink
from lukhas.testing.redis_server import RedisServer
from lukhas.units import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS

_LIMITS = (
    "3/second; 20/minute",
    "5/7s; 9/20s; 70000/hour",
    "4/10s exact; 8/minute exact",
    "10/second burst 3",
    "50/calendar day; 200/month",
    "3 concurrent",
    "5/minute; 2/second burst 4; 3 concurrent; 9/calendar day",
)
_BEGIN_NS = 1_750_000_000 * SECOND_NS
_SPREAD_US = 10**12
_STEPS = 160
_LANES = 72
_KEY_GRACE_MS = 1000


def _plan(limits: str, policies: list[LimitPolicy] | None = None) -> LimitPlan:
    named = parse_limits(limits, policy="free")
    return plan_for(Tier.FREE, named, policies or [], route="default")


def _policy(rng: random.Random, name: str) -> LimitPolicy:
    return LimitPolicy(
        name,
        parse_limits(rng.choice(_LIMITS), policy=name),
        by=rng.choice([Dimension.ADDRESS, Dimension.CONSUMER]),
        mode=rng.choice([Mode.ENFORCE, Mode.SHADOW]),
    )


def _seen(decision: LimitDecision) -> tuple[object, ...]:
    def told(violations: tuple[Violation, ...]) -> list[tuple[object, ...]]:
        return [(v.policy, v.limit.name, v.used, v.free_at_ns) for v in violations]

    return (
        decision.allowed,
        decision.now_ns,
        decision.figures,
        told(decision.violations),
        told(decision.shadow_violations),
        [decision.charged(index) for index in range(len(decision.plan.groups))],
    )


@dataclass
class _Lane:
    """One subject with a plan of its own, whose operations come one after the other."""

    number: int
    rng: random.Random
    memory: MemoryCounters = field(default_factory=MemoryCounters)
    under_way: list[tuple[LimitDecision, LimitDecision]] = field(default_factory=list)
    now_ns: int = 0

    def __post_init__(self) -> None:
        rng = self.rng
        policies = [_policy(rng, f"p{n}") for n in range(rng.choice([0, 0, 1, 2]))]
        self.plan = _plan(rng.choice(_LIMITS), policies)
        self.subjects = tuple([f"{self.number}:{group.by}" for group in self.plan.groups])
        self.now_ns = _BEGIN_NS + rng.randrange(_SPREAD_US) * 1000

    async def run(self, store: RedisCounterStore) -> None:
        for step in range(_STEPS):
            self._pass_time()
            if self.under_way and self.rng.random() < 0.3:
                await self._settle(store)
            else:
                await self._decide(store, step)

    def _pass_time(self) -> None:
        rng = self.rng
        if rng.random() < 0.9:
            passed = (0, 0, 1, rng.randrange(10**6), rng.randrange(10**7), 10**7, 10**9)
            self.now_ns += rng.choice(passed) * 1000
        else:
            self.now_ns -= rng.randrange(10**6) * 1000

    async def _decide(self, store: RedisCounterStore, step: int) -> None:
        rng, plan = self.rng, self.plan
        # The first is charged everywhere: before, the server keeps nothing, and so no time either.
        cost = rng.choice([1, 1, 1, 2, 3, 30]) if step else 1
        costs: tuple[int, ...] = ()
        if step and rng.random() < 0.2:
            costs = tuple([rng.choice([0, 1, 2, 5]) for _ in plan.groups])
        ours = self.memory.decide(plan, self.subjects, self.now_ns, cost, costs)
        theirs = await store.decide(plan, self.subjects, self.now_ns, cost, costs)
        assert _seen(theirs) == _seen(ours), (self.number, step, plan.policy_field)
        if ours.allowed:
            self.under_way.append((ours, theirs))

    async def _settle(self, store: RedisCounterStore) -> None:
        rng, groups = self.rng, self.plan.groups
        ours, theirs = self.under_way.pop(rng.randrange(len(self.under_way)))
        changes = [
            0
            if not ours.charged(index)
            else -ours.charged(index)
            if group.counting.kind is Kind.CONCURRENCY
            else rng.choice([-3, -1, 0, 1, 2, 40])
            for index, group in enumerate(groups)
        ]
        self.memory.settle(ours, self.subjects, self.now_ns, changes)
        await store._settle(
            self.plan, self.subjects, changes, (theirs.now_ns,) * len(groups), self.now_ns
        )


@pytest.fixture
def store(link: RedisLink) -> RedisCounterStore:
    """Counters that decide by the time they are told."""
    return RedisCounterStore(link, server_time=False)


@pytest.mark.parametrize("seed", [20260101])
async def test_script_and_step_functions_agree(store: RedisCounterStore, seed: int) -> None:
    """All kinds, several subjects, shadow, costs, charges put right, clocks that go back."""
    lanes = [_Lane(number, random.Random(f"{seed}:{number}")) for number in range(_LANES)]
    assert len(lanes) * _STEPS >= 10_000
    kinds = {group.counting.kind for lane in lanes for group in lane.plan.groups}
    assert kinds == set(Kind)
    await asyncio.gather(*[lane.run(store) for lane in lanes])
    assert store.settle_failures == 0
