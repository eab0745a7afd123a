"""The script in the server and the step functions in Python are the same limiter."""

import asyncio
import random
from dataclasses import dataclass, field

import pytest

from lukhas.errors import StoreError
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
from lukhas.storage.redis_scripts import Script
from lukhas.testing.redis_server import RedisServer
from lukhas.units import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS
from tests.integration.storage.kit import opened

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


@pytest.fixture
def lasting_store(store: RedisCounterStore) -> RedisCounterStore:
    """The same, whose keys outlive the test: they expire by a clock that the test does not move."""
    brief, lasting = (b"GRACE_MS = %d\n" % ms for ms in (_KEY_GRACE_MS, DAY_NS // 1_000_000))
    assert store._script.source.count(brief) == 1
    store._script = Script(store._script.source.replace(brief, lasting).decode())
    return store


@pytest.mark.parametrize("seed", [20260101])
async def test_script_and_step_functions_agree(lasting_store: RedisCounterStore, seed: int) -> None:
    """All kinds, several subjects, shadow, costs, charges put right, clocks that go back."""
    lanes = [_Lane(number, random.Random(f"{seed}:{number}")) for number in range(_LANES)]
    assert len(lanes) * _STEPS >= 10_000
    kinds = {group.counting.kind for lane in lanes for group in lane.plan.groups}
    assert kinds == set(Kind)
    await asyncio.gather(*[lane.run(lasting_store) for lane in lanes])
    assert lasting_store.settle_failures == 0


@pytest.mark.parametrize("limits", _LIMITS)
async def test_every_key_lives_as_long_as_it_counts(
    store: RedisCounterStore, link: RedisLink, limits: str
) -> None:
    """Each key expires, and not before its state counts nothing any more."""
    plan, rng = _plan(limits), random.Random(limits)
    subjects = ("key:a",) * len(plan.groups)
    now_ns = _BEGIN_NS
    for _ in range(60):
        now_ns += rng.choice([0, SECOND_NS // 7, SECOND_NS, 9 * SECOND_NS])
        decision = await store.decide(plan, subjects, now_ns, 1)
        if decision.allowed and rng.random() < 0.3:
            store.settle(decision, subjects, now_ns, [rng.choice([-1, 2]) for _ in subjects])
            await store.settled()
        for key in await link.call("KEYS", "*"):
            ttl_ms, state = await link.call("PTTL", key), await link.call("GET", key)
            (group,) = [group for group in plan.groups if group.counting.owns(state)]
            counts_ms = (group.counting.expires_ns(bytearray(state)) - now_ns) / 1_000_000
            # Real time passes here, which that of the test does not know: hence the grace.
            assert ttl_ms > 0
            assert ttl_ms + _KEY_GRACE_MS / 2 >= counts_ms
    assert store.settle_failures == 0


async def test_what_counts_nothing_is_not_kept(store: RedisCounterStore, link: RedisLink) -> None:
    """A request that can never pass leaves nothing behind."""
    assert not (await store.decide(_plan("5/20s"), ("key:a",), _BEGIN_NS, 6)).allowed
    assert await link.call("DBSIZE") == 0


async def test_other_quota_keeps_the_count(store: RedisCounterStore) -> None:
    """Limits changed under a live key: the same window with another quota goes on counting."""
    before, after = _plan("5/minute"), _plan("9/minute")
    for _ in range(4):
        await store.decide(before, ("key:a",), _BEGIN_NS, 1)
    decision = await store.decide(after, ("key:a",), _BEGIN_NS, 1)
    assert decision.figures[0] == 9 - 5


async def test_a_window_that_is_added_begins_with_what_is_known(store: RedisCounterStore) -> None:
    """Limits changed under a live key: nobody gets a fresh quota by it."""
    before, after = _plan("5/minute"), _plan("5/minute; 20/hour")
    for _ in range(5):
        await store.decide(before, ("key:a",), _BEGIN_NS, 1)
    refused = await store.decide(after, ("key:a",), _BEGIN_NS, 1)
    assert not refused.allowed
    assert refused.figures[::2] == (0, 15)


async def test_another_kind_begins_anew_and_the_old_one_is_kept(store: RedisCounterStore) -> None:
    """Kinds are counted under keys of their own, so that switching back finds the old counts."""
    strict, smooth = _plan("1/minute"), _plan("6/minute burst 1")
    assert (await store.decide(strict, ("key:a",), _BEGIN_NS, 1)).allowed
    assert (await store.decide(smooth, ("key:a",), _BEGIN_NS, 1)).allowed
    assert not (await store.decide(strict, ("key:a",), _BEGIN_NS, 1)).allowed


@pytest.mark.parametrize("limits", ["5/minute", "5/minute exact", "5/minute burst 2", "5/day"])
@pytest.mark.parametrize("rubbish", [b"", b"x", b"\x01\x02\x01\x00", b"\x02\0\0\0\1", bytes(300)])
async def test_what_somebody_else_wrote_is_replaced(
    store: RedisCounterStore, link: RedisLink, limits: str, rubbish: bytes
) -> None:
    """A value that is no state does not stop the limit for ever."""
    plan = _plan(limits)
    assert (await store.decide(plan, ("key:a",), _BEGIN_NS, 1)).allowed
    (key,) = await link.call("KEYS", "*")
    await link.call("SET", key, rubbish)
    decision = await store.decide(plan, ("key:a",), _BEGIN_NS, 1)
    assert (decision.allowed, decision.charged(0)) == (True, 1)
    assert await link.call("PTTL", key) > 0


async def test_changed_limits_are_adopted_once_under_concurrency(store: RedisCounterStore) -> None:
    """Many requests that meet a state of other limits at once are all counted."""
    before, after = _plan("50/minute"), _plan("100/minute")
    for _ in range(10):
        await store.decide(before, ("key:a",), _BEGIN_NS, 1)
    asked = [store.decide(after, ("key:a",), _BEGIN_NS, 1) for _ in range(40)]
    assert all(decision.allowed for decision in await asyncio.gather(*asked))
    last = await store.decide(after, ("key:a",), _BEGIN_NS, 1)
    assert last.figures[0] == 100 - 51


async def test_no_two_subjects_share_a_key(store: RedisCounterStore) -> None:
    """Brackets in a subject do not end the hash tag, and do not make it another subject."""
    plan = _plan("1/minute")
    for subject in ("a}", "a)", "a%7D", "a%257D", "{a}", "", "-", "%", "\udcff"):
        assert (await store.decide(plan, (subject,), _BEGIN_NS, 1)).allowed
        assert not (await store.decide(plan, (subject,), _BEGIN_NS, 1)).allowed


async def test_a_flushed_script_is_sent_again(
    store: RedisCounterStore, server: RedisServer
) -> None:
    """SCRIPT FLUSH while counting costs nobody an error, nor a count."""
    plan = _plan("9/minute")
    for left in range(8, -1, -1):
        decision = await store.decide(plan, ("key:a",), _BEGIN_NS, 1)
        assert decision.figures[0] == left
        server.ask("SCRIPT", "FLUSH")


async def test_a_restarted_server_counts_again(own_server: RedisServer) -> None:
    """It lost scripts and counts; the next request that reaches it is decided."""
    plan = _plan("2/minute")
    async with opened(own_server.url) as link:
        store = RedisCounterStore(link)
        assert (await store.decide(plan, ("key:a",), 0, 1)).figures[0] == 1
        own_server.restart()
        while True:
            try:
                decision = await store.decide(plan, ("key:a",), 0, 1)
                break
            except StoreError:
                await asyncio.sleep(0.002)
        assert decision.figures[0] == 1


async def test_the_time_is_that_of_the_server(link: RedisLink) -> None:
    """What a node thinks the time is changes nothing."""
    store, plan = RedisCounterStore(link), _plan("2/minute")
    times_ns = [0, DAY_NS, 0]
    decisions = [await store.decide(plan, ("key:a",), now_ns, 1) for now_ns in times_ns]
    assert [decision.allowed for decision in decisions] == [True, True, False]
    seconds, _micros = await link.call("TIME")
    assert abs(decisions[2].now_ns - int(seconds) * SECOND_NS) < HOUR_NS
    assert decisions[0].now_ns <= decisions[1].now_ns <= decisions[2].now_ns


async def test_quotas_of_the_calendar_survive_a_clock_that_differs(link: RedisLink) -> None:
    """A node that is a minute ahead at the turn of a day resets nobody's quota twice."""
    store, plan = RedisCounterStore(link, server_time=False), _plan("2/calendar day")
    turn_ns = _BEGIN_NS // DAY_NS * DAY_NS + DAY_NS
    assert (await store.decide(plan, ("key:a",), turn_ns + MINUTE_NS, 2)).allowed
    assert not (await store.decide(plan, ("key:a",), turn_ns - MINUTE_NS, 1)).allowed
    assert not (await store.decide(plan, ("key:a",), turn_ns, 1)).allowed
