"""The suite that every `RemoteCounterStore` must pass. It needs pytest and pytest-asyncio.

Subclass it in a test module with a fixture `store`; its tests are then collected with yours.
"""
# ruff: noqa: S101 - tests assert

import asyncio

from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.dimensions import Dimension
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.plans import LimitPlan, plan_for
from lukhas.policy.rate_limiting.policies import LimitPolicy
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.storage.counters import RemoteCounterStore
from lukhas.units import SECOND_NS

__all__ = ("RemoteCounterStoreContract",)

_NOW_NS = 1_750_000_000 * SECOND_NS
_TWO = ("key:a", "addr:192.0.2.1")


class RemoteCounterStoreContract:
    """What every `RemoteCounterStore` keeps: exact, strict limits for each subject apart.

    The store may know a time of its own, so nothing here depends on which one it is.
    """

    async def settled(self, store: RemoteCounterStore) -> None:
        """Waits until what `settle` began is done; to be overridden."""
        raise NotImplementedError("override settled")

    async def test_the_quota_passes_and_no_more(self, store: RemoteCounterStore) -> None:
        """Of many requests at once exactly as many pass as the limit says."""
        plan = _plan("5/hour; 90/day")
        asked = [store.decide(plan, ("key:a",), _NOW_NS, 1) for _ in range(20)]
        decisions = await asyncio.gather(*asked)
        assert sum(decision.allowed for decision in decisions) == 5
        refused = next(decision for decision in decisions if not decision.allowed)
        assert refused.violations[0].used == 5
        assert (refused.retry_after_s or 0) > 0

    async def test_subjects_are_counted_apart(self, store: RemoteCounterStore) -> None:
        """One subject at its limit takes nothing from another."""
        plan = _plan("1/hour")
        passed = [await _passes(store, plan, (name,)) for name in ("key:a", "key:a", "key:b")]
        assert passed == [True, False, True]

    async def test_a_cost_is_charged_whole_or_not_at_all(self, store: RemoteCounterStore) -> None:
        """What does not fit whole is refused; what is left stays for cheaper requests."""
        plan = _plan("5/hour")
        passed = [await _passes(store, plan, ("key:a",), cost) for cost in (3, 3, 2, 1)]
        assert passed == [True, False, True, False]

    async def test_a_refused_request_is_not_charged_anywhere(
        self, store: RemoteCounterStore
    ) -> None:
        """All groups are charged, or none, whichever of them refuses."""
        for limits, other in (("2/hour", "9/hour"), ("9/hour", "2/hour")):
            plan = _plan(limits, LimitPolicy("o", parse_limits(other, policy="o"),
                                             by=Dimension.ADDRESS))  # fmt: skip
            subjects = tuple([f"{name}:{limits[0]}" for name in _TWO])
            for _ in range(6):
                await _passes(store, plan, subjects)
            await self.settled(store)
            left = []
            for index in range(2):
                costs = tuple([int(index == number) for number in range(2)])
                count = 0
                while (await store.decide(plan, subjects, _NOW_NS, 1, costs)).allowed:
                    count += 1
                left.append(count)
            assert sorted(left) == [0, 7]

    async def test_what_is_given_back_can_be_used_again(self, store: RemoteCounterStore) -> None:
        """A request that cost nothing after all leaves room for another one."""
        plan = _plan("2/hour", LimitPolicy("o", parse_limits("2/hour", policy="o"),
                                           by=Dimension.ADDRESS))  # fmt: skip
        decision = await store.decide(plan, _TWO, _NOW_NS, 1)
        assert await _passes(store, plan, _TWO)
        assert not await _passes(store, plan, _TWO)
        store.settle(decision, _TWO, _NOW_NS, (-1, -1))
        await self.settled(store)
        assert await _passes(store, plan, _TWO)
        await self.settled(store)
        assert not await _passes(store, plan, _TWO)

    async def test_places_in_flight_become_free(self, store: RemoteCounterStore) -> None:
        """Whoever leaves makes room, for each subject that was counted."""
        plan = _plan("2 concurrent", LimitPolicy("o", parse_limits("2 concurrent", policy="o"),
                                                 by=Dimension.ADDRESS))  # fmt: skip
        for _ in range(5):
            decisions = [await store.decide(plan, _TWO, _NOW_NS, 1) for _ in range(2)]
            assert all(decision.allowed for decision in decisions)
            assert not await _passes(store, plan, _TWO)
            await self.settled(store)
            for decision in decisions:
                store.settle(decision, _TWO, _NOW_NS, (-1, -1))
            await self.settled(store)

    async def test_shadow_limits_refuse_nothing(self, store: RemoteCounterStore) -> None:
        """They tell what they would refuse."""
        policy = LimitPolicy("trial", parse_limits("1/hour", policy="trial"), mode=Mode.SHADOW)
        plan = _plan("9/hour", policy)
        decisions = [await store.decide(plan, ("key:a",) * 2, _NOW_NS, 1) for _ in range(3)]
        assert all(decision.allowed for decision in decisions)
        assert [decision.shadow_policy for decision in decisions] == ["", "trial", "trial"]


def _plan(limits: str, *policies: LimitPolicy) -> LimitPlan:
    return plan_for(Tier.FREE, parse_limits(limits, policy="free"), policies, route="default")


async def _passes(
    store: RemoteCounterStore, plan: LimitPlan, subjects: tuple[str, ...], cost: int = 1
) -> bool:
    return (await store.decide(plan, subjects, _NOW_NS, cost)).allowed
