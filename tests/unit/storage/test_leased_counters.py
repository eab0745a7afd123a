"""Slices reserved ahead, on a clock that is set by hand, over a store that is a pure function."""

import asyncio
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from lukhas.errors import StoreError, StoreUnavailableError
from lukhas.policy.rate_limiting.decisions import LimitDecision
from lukhas.policy.rate_limiting.leases import LeaseSettings
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.plans import LimitPlan, plan_for
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.storage.leased_counters import LeasedCounters
from lukhas.storage.memory_counters import MemoryCounters
from lukhas.testing.clock import ManualClock
from lukhas.units import MILLISECOND_NS, SECOND_NS

_BEGIN_NS = 1_750_000_020 * SECOND_NS
_A = ("key:a",)


@dataclass
class _Remote:
    """Counters with a clock of their own, that answer a turn of the loop later."""

    clock: ManualClock
    counters: MemoryCounters = field(default_factory=MemoryCounters)
    fails: bool = False
    asked: int = 0
    given_back: int = 0
    held: asyncio.Event | None = None

    async def decide(
        self,
        plan: LimitPlan,
        subjects: tuple[str, ...],
        now_ns: int,
        cost: int,
        costs: tuple[int, ...] = (),
    ) -> LimitDecision:
        del now_ns
        self.asked += 1
        await asyncio.sleep(0)
        if self.held is not None:
            await self.held.wait()
        if self.fails:
            raise StoreUnavailableError("remote", "is away")
        return self.counters.decide(plan, subjects, self.clock.now_ns(), cost, costs)

    def settle(
        self,
        decision: LimitDecision,
        subjects: tuple[str, ...],
        now_ns: int,
        changes: Sequence[int],
    ) -> None:
        del now_ns
        self.given_back -= sum(changes)
        self.counters.settle(decision, subjects, self.clock.now_ns(), changes)

    def left(self, plan: LimitPlan, subjects: tuple[str, ...] = _A) -> int:
        """What others may still do under the first limit."""
        state = self.counters.decide(plan, subjects, self.clock.now_ns(), 1, (0,))
        return state.figures[0]


def _plan(limits: str) -> LimitPlan:
    return plan_for(Tier.FREE, parse_limits(limits, policy="free"), (), route="default")


@pytest.fixture
def clock() -> ManualClock:
    """At the begin of a bucket of every window that is used here."""
    return ManualClock(_BEGIN_NS)


@pytest.fixture
def remote(clock: ManualClock) -> _Remote:
    """The shared counters."""
    return _Remote(clock)


def _node(remote: _Remote, *, nodes: int = 1, most: int = 1000) -> LeasedCounters:
    return LeasedCounters(remote, LeaseSettings(nodes=nodes), clock=remote.clock, most=most)


@pytest.mark.parametrize("seed", range(4))
async def test_no_window_ever_admits_more_than_the_limit(
    clock: ManualClock, remote: _Remote, seed: int
) -> None:
    """Any number of nodes, clocks that differ, bursts: never above the limit, in any window."""
    rng = random.Random(seed)
    quota, window_s = rng.choice([(40, 4), (200, 10), (1000, 20)])
    plan = _plan(f"{quota}/{window_s}s; {quota * 3}/{window_s * 6}s")
    count = rng.choice([2, 3, 5])
    nodes = [_node(remote, nodes=count) for _ in range(count)]
    skews_ns = [rng.randrange(-5 * SECOND_NS, 5 * SECOND_NS) for _ in nodes]
    admitted: deque[int] = deque()
    total = 0
    for _ in range(1500):
        clock.advance(ns=rng.choice([0, 1, 30, 200, rng.choice([900, 3000])]) * MILLISECOND_NS)
        now_ns = clock.now_ns()
        index = rng.randrange(count)
        at_ns = now_ns + skews_ns[index]
        burst = [nodes[index].decide(plan, _A, at_ns, 1) for _ in range(rng.choice([1, 1, 4, 20]))]
        found = await asyncio.gather(*burst)
        admitted.extend([now_ns] * sum(decision.allowed for decision in found))
        total += sum(decision.allowed for decision in found)
        if rng.random() < 0.2:
            nodes[index].give_back_ended(at_ns)
        while admitted and admitted[0] <= now_ns - window_s * SECOND_NS:
            admitted.popleft()
        assert len(admitted) <= quota
    assert total > quota
    for node in nodes:
        await node.close()


async def test_steady_traffic_is_answered_here(clock: ManualClock, remote: _Remote) -> None:
    """With 100 requests a bucket and node, at least 95 of 100 need no question."""
    plan = _plan("10000/minute; 500000/hour")
    nodes = [_node(remote, nodes=2) for _ in range(2)]
    for _ in range(40 * 100):
        clock.advance(ns=30 * MILLISECOND_NS)
        for node in nodes:
            assert (await node.decide(plan, _A, clock.now_ns(), 1)).allowed
    for node in nodes:
        assert node.answered >= 0.95 * 4000
        assert node.answered + node.asked >= 4000
        await node.close()


async def test_the_whole_quota_can_be_used(clock: ManualClock, remote: _Remote) -> None:
    """Of a limit of 100, two nodes that take turns let exactly 100 pass within one bucket."""
    plan = _plan("100/minute")
    nodes = [_node(remote, nodes=2) for _ in range(2)]
    passed = 0
    for number in range(400):
        clock.advance(ns=MILLISECOND_NS)
        decision = await nodes[number % 2].decide(plan, _A, clock.now_ns(), 1)
        passed += decision.allowed
    assert 98 <= passed <= 100
    for node in nodes:
        await node.close()
    assert remote.left(plan) == 100 - passed


async def test_what_is_not_used_is_given_back(clock: ManualClock, remote: _Remote) -> None:
    """A bucket later only what was used is counted, also if the subject never comes again."""
    plan, node = _plan("100/minute"), _node(remote)
    for _ in range(3):
        assert (await node.decide(plan, _A, clock.now_ns(), 1)).allowed
    assert remote.left(plan) < 97
    assert not node.give_back_ended(clock.now_ns())
    assert remote.left(plan) < 97
    clock.advance(ns=3 * SECOND_NS)
    assert not node.give_back_ended(clock.now_ns())
    assert remote.left(plan) == 97
    await node.close()


async def test_closing_gives_everything_back(clock: ManualClock, remote: _Remote) -> None:
    """A node that is shut down leaves only what it used, questions under way included."""
    plan, node = _plan("100/minute"), _node(remote)
    for _ in range(2):
        await node.decide(plan, _A, clock.now_ns(), 1)
    remote.held = asyncio.Event()
    waiting = asyncio.ensure_future(node.decide(plan, ("key:b",), clock.now_ns(), 1))
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(node.close())
    await asyncio.sleep(0)
    remote.held.set()
    await asyncio.gather(closing, waiting)
    assert (remote.left(plan), remote.left(plan, ("key:b",))) == (98, 99)


async def test_a_subject_that_comes_once_costs_one_question(
    clock: ManualClock, remote: _Remote
) -> None:
    """Nothing is reserved for who may never come again."""
    plan, node = _plan("100/minute"), _node(remote)
    for number in range(20):
        subject = (f"key:{number}",)
        assert (await node.decide(plan, subject, clock.now_ns(), 1)).allowed
        assert remote.left(plan, subject) == 99
    assert (remote.asked, node.asked) == (20, 20)
    await node.close()


async def test_a_refusal_is_not_asked_about_again_at_once(
    clock: ManualClock, remote: _Remote
) -> None:
    """Until it can change, or for a second; then the store is asked."""
    plan, node = _plan("1/minute"), _node(remote)
    assert (await node.decide(plan, _A, clock.now_ns(), 1)).allowed
    first = await node.decide(plan, _A, clock.now_ns(), 1)
    asked = remote.asked
    for _ in range(10):
        clock.advance(ns=50 * MILLISECOND_NS)
        refused = await node.decide(plan, _A, clock.now_ns(), 1)
        assert not refused.allowed
        assert refused.violations == first.violations
    assert remote.asked == asked
    clock.advance(ns=SECOND_NS)
    assert not (await node.decide(plan, _A, clock.now_ns(), 1)).allowed
    assert remote.asked == asked + 1
    clock.advance(ns=63 * SECOND_NS)
    assert (await node.decide(plan, _A, clock.now_ns(), 1)).allowed
    await node.close()


async def test_near_the_end_requests_do_not_wait_for_each_other(
    clock: ManualClock, remote: _Remote
) -> None:
    """When less than a tenth is left each request is asked about, all at the same time."""
    plan, node = _plan("1000/minute"), _node(remote)
    for _ in range(920):
        remote.counters.decide(plan, _A, clock.now_ns(), 1)
    await node.decide(plan, _A, clock.now_ns(), 1)
    before = remote.asked
    remote.held = asyncio.Event()
    asking = [asyncio.ensure_future(node.decide(plan, _A, clock.now_ns(), 1)) for _ in range(100)]
    for _ in range(3):
        await asyncio.sleep(0)
    assert remote.asked == before + 100
    remote.held.set()
    assert sum(decision.allowed for decision in await asyncio.gather(*asking)) == 79
    await node.close()


async def test_all_who_wait_are_told_of_a_failure_at_once(
    clock: ManualClock, remote: _Remote
) -> None:
    """One question fails for all that wait for it, so that nobody waits for a second one."""
    plan, node = _plan("1000/minute"), _node(remote)
    remote.fails = True
    found = await asyncio.gather(
        *[node.decide(plan, _A, clock.now_ns(), 1) for _ in range(50)], return_exceptions=True
    )
    assert all(isinstance(error, StoreError) for error in found)
    assert remote.asked == 1
    remote.fails = False
    assert (await node.decide(plan, _A, clock.now_ns(), 1)).allowed
    await node.close()


async def test_a_failure_while_filling_hurts_nobody(clock: ManualClock, remote: _Remote) -> None:
    """What is reserved is used up; only then is somebody told."""
    plan, node = _plan("1000/minute"), _node(remote)
    for _ in range(2):
        await node.decide(plan, _A, clock.now_ns(), 1)
    remote.fails = True
    passed = 0
    for _ in range(20):
        try:
            passed += (await node.decide(plan, _A, clock.now_ns(), 1)).allowed
        except StoreError:
            break
    assert passed == 7
    remote.fails = False
    assert (await node.decide(plan, _A, clock.now_ns(), 1)).allowed
    await node.close()
    assert remote.left(plan) == 1000 - 10


async def test_who_goes_away_while_asking_leaves_no_slice_behind(
    clock: ManualClock, remote: _Remote
) -> None:
    """The slice that a cancelled request has asked for is there for the next one."""
    plan, node = _plan("1000/minute"), _node(remote)
    await node.decide(plan, _A, clock.now_ns(), 1)
    remote.held = asyncio.Event()
    gone = asyncio.ensure_future(node.decide(plan, _A, clock.now_ns(), 1))
    for _ in range(3):
        await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    remote.held.set()
    asked = remote.asked
    assert (await node.decide(plan, _A, clock.now_ns(), 1)).allowed
    assert remote.asked == asked
    await node.close()
    assert remote.left(plan) == 1000 - 3


async def test_many_subjects_are_bounded(clock: ManualClock, remote: _Remote) -> None:
    """Beyond so many subjects with slices, each request of others is asked about."""
    plan, node = _plan("1000/minute"), _node(remote, most=20)
    for number in range(100):
        for _ in range(3):
            assert (await node.decide(plan, (f"key:{number}",), clock.now_ns(), 1)).allowed
    assert len(node) == 20
    clock.advance(ns=3 * SECOND_NS)
    for number in range(100, 130):
        assert (await node.decide(plan, (f"key:{number}",), clock.now_ns(), 1)).allowed
    assert len(node) == 20
    await node.close()
    assert remote.left(plan, ("key:3",)) == 997


async def test_a_clock_that_is_set_back_holds_no_slice_longer(
    clock: ManualClock, remote: _Remote
) -> None:
    """What was reserved by the old time is given back, and reserved anew."""
    plan, node = _plan("1000/minute"), _node(remote)
    for _ in range(3):
        await node.decide(plan, _A, clock.now_ns(), 1)
    assert remote.given_back == 0
    asked = remote.asked
    await node.decide(plan, _A, clock.now_ns() - 10 * SECOND_NS, 1)
    assert remote.given_back == 6
    assert remote.asked == asked + 1
    await node.close()
    assert remote.left(plan) == 996


async def test_other_plans_are_asked_about(clock: ManualClock, remote: _Remote) -> None:
    """Other kinds, and costs that differ, are nothing that slices can be cut from."""
    node = _node(remote)
    for _ in range(5):
        assert (await node.decide(_plan("9/minute exact"), _A, clock.now_ns(), 1)).allowed
    for _ in range(5):
        assert (await node.decide(_plan("9/minute"), _A, clock.now_ns(), 1, (1,))).allowed
    assert (node.answered, node.asked, len(node)) == (0, 10, 0)
    await node.close()
