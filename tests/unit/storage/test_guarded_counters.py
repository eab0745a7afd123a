"""What happens while the store of the counters does not answer."""

import asyncio
from collections.abc import Sequence

import pytest

from lukhas.errors import CountersUnavailableError, StoreError
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.decisions import LimitDecision
from lukhas.policy.rate_limiting.dimensions import Dimension
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.plans import LimitPlan, plan_for
from lukhas.policy.rate_limiting.policies import LimitPolicy, OnStoreError
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.storage.guarded_counters import GuardedCounters, GuardedRemoteCounters
from lukhas.storage.memory_counters import MemoryCounters
from lukhas.units import DAY_NS

T0 = 20_250 * DAY_NS
SUBJECT = ("key:a",)


class Store(MemoryCounters):
    """Fails while it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.fails = ""
        self.settled = 0

    def decide(
        self,
        plan: LimitPlan,
        subjects: tuple[str, ...],
        now_ns: int,
        cost: int,
        costs: tuple[int, ...] = (),
    ) -> LimitDecision:
        if self.fails:
            raise StoreError(self.fails)
        return super().decide(plan, subjects, now_ns, cost, costs)

    def settle(
        self,
        decision: LimitDecision,
        subjects: tuple[str, ...],
        now_ns: int,
        changes: Sequence[int],
    ) -> None:
        if self.fails:
            raise StoreError(self.fails)
        self.settled += 1
        super().settle(decision, subjects, now_ns, changes)

    def __len__(self) -> int:
        if self.fails:
            raise StoreError(self.fails)
        return super().__len__()


class Far:
    """The same across a network."""

    def __init__(self, near: Store) -> None:
        self.near = near

    async def decide(
        self,
        plan: LimitPlan,
        subjects: tuple[str, ...],
        now_ns: int,
        cost: int,
        costs: tuple[int, ...] = (),
    ) -> LimitDecision:
        await asyncio.sleep(0)
        return self.near.decide(plan, subjects, now_ns, cost, costs)

    def settle(
        self,
        decision: LimitDecision,
        subjects: tuple[str, ...],
        now_ns: int,
        changes: Sequence[int],
    ) -> None:
        self.near.settle(decision, subjects, now_ns, changes)


class Guarded:
    """Guarded counters of either form, asked alike."""

    def __init__(self, form: str, *, shares: int = 4) -> None:
        self.store = Store()
        self.local = GuardedCounters(self.store, shares=shares)
        self.remote = GuardedRemoteCounters(Far(self.store), shares=shares)
        self.is_local = form == "local"

    @property
    def counters(self) -> GuardedCounters | GuardedRemoteCounters:
        return self.local if self.is_local else self.remote

    def decide(
        self,
        plan: LimitPlan,
        subjects: tuple[str, ...] = SUBJECT,
        cost: int = 1,
        costs: tuple[int, ...] = (),
    ) -> LimitDecision:
        if self.is_local:
            return self.local.decide(plan, subjects, T0, cost, costs)
        return asyncio.run(self.remote.decide(plan, subjects, T0, cost, costs))

    def allowed(self, plan: LimitPlan, times: int) -> int:
        return sum(self.decide(plan).allowed for _ in range(times))


@pytest.fixture(params=["local", "remote"])
def guarded(request: pytest.FixtureRequest) -> Guarded:
    return Guarded(request.param)


def policy(
    name: str,
    text: str,
    on_store_error: OnStoreError = OnStoreError.LOCAL,
    *,
    mode: Mode = Mode.ENFORCE,
    by: Dimension = Dimension.CONSUMER,
) -> LimitPolicy:
    limits = parse_limits(text, policy=name)
    return LimitPolicy(name, limits, mode=mode, by=by, on_store_error=on_store_error)


def plan_of(*policies: LimitPolicy) -> LimitPlan:
    return plan_for(Tier.FREE, (), policies, route="r")


def test_a_store_that_works_decides(guarded: Guarded) -> None:
    """Nothing is shared out, nothing counted as a failure."""
    plan = plan_of(policy("p", "8/20s"))
    assert guarded.allowed(plan, 9) == 8
    assert guarded.decide(plan).plan is plan
    assert (guarded.counters.failures, guarded.counters.last_error) == (0, "")


def test_local_counts_up_to_the_share_of_this_process(guarded: Guarded) -> None:
    """A quarter of 8 where four share; subjects apart as ever."""
    plan = plan_of(policy("p", "8/20s"))
    guarded.store.fails = "no answer"
    assert guarded.allowed(plan, 5) == 2
    assert guarded.decide(plan, ("key:b",)).allowed
    decision = guarded.decide(plan)
    assert decision.plan.is_fallback
    assert decision.policy == "p"
    assert decision.violations[0].limit.quota == 2
    assert guarded.counters.failures == 7
    assert guarded.counters.last_error == "no answer"


def test_allow_lets_everything_pass_and_tells_nothing(guarded: Guarded) -> None:
    """There are no figures to tell."""
    plan = plan_of(policy("p", "1/20s", OnStoreError.ALLOW))
    guarded.store.fails = "no answer"
    assert guarded.allowed(plan, 5) == 5
    decision = guarded.decide(plan, costs=(1,))
    assert (decision.plan.groups, decision.figures) == ((), ())


def test_deny_refuses_and_names_the_policy(guarded: Guarded) -> None:
    """The first that denies, wherever it stands; nothing is counted."""
    plan = plan_of(
        policy("p", "8/20s"),
        policy("strict", "9/20s", OnStoreError.DENY),
        policy("too", "9/20s", OnStoreError.DENY),
    )
    guarded.store.fails = "no answer"
    with pytest.raises(CountersUnavailableError) as caught:
        guarded.decide(plan, SUBJECT * 3)
    assert caught.value.policy == "strict"


def test_a_shadow_policy_denies_nothing(guarded: Guarded) -> None:
    """It would not refuse if the store worked either."""
    plan = plan_of(policy("trial", "1/20s", OnStoreError.DENY, mode=Mode.SHADOW))
    guarded.store.fails = "no answer"
    assert guarded.decide(plan).allowed


def test_each_group_does_as_it_says(guarded: Guarded) -> None:
    """The subjects and the costs of those that are left are their own."""
    plan = plan_of(
        policy("free", "1/20s", OnStoreError.ALLOW),
        policy("p", "40/20s", by=Dimension.ADDRESS),
    )
    guarded.store.fails = "no answer"
    decision = guarded.decide(plan, ("key:a", "addr:1"), costs=(1, 7))
    assert decision.figures[::2] == (3,)
    assert decision.costs == (7,)
    assert guarded.decide(plan, ("key:a", "addr:2"), costs=(1, 7)).figures[::2] == (3,)


def test_what_was_let_through_meanwhile_is_settled_where_it_was_counted(guarded: Guarded) -> None:
    """Also when the store works again by then."""
    plan = plan_of(policy("p", "8/20s"))
    guarded.store.fails = "no answer"
    decision = guarded.decide(plan)
    assert guarded.decide(plan).allowed
    assert not guarded.decide(plan).allowed
    guarded.store.fails = ""
    guarded.counters.settle(decision, SUBJECT, T0, (-1,))
    assert guarded.store.settled == 0
    guarded.store.fails = "no answer"
    assert guarded.allowed(plan, 2) == 1


def test_a_store_that_works_settles(guarded: Guarded) -> None:
    """What it decided itself."""
    plan = plan_of(policy("p", "2/20s"))
    decision = guarded.decide(plan)
    guarded.counters.settle(decision, SUBJECT, T0, (-1,))
    assert guarded.store.settled == 1
    assert guarded.allowed(plan, 3) == 2


def test_a_store_that_recovers_decides_again(guarded: Guarded) -> None:
    """With what it had counted; the failures stay counted, the error is gone."""
    plan = plan_of(policy("p", "4/20s"))
    assert guarded.allowed(plan, 3) == 3
    guarded.store.fails = "no answer"
    assert guarded.allowed(plan, 3) == 1
    guarded.store.fails = ""
    assert guarded.allowed(plan, 3) == 1
    assert (guarded.counters.failures, guarded.counters.last_error) == (3, "")


def test_what_stands_in_is_worked_out_once_for_each_plan(guarded: Guarded) -> None:
    """And plans that were made since do not pile up."""
    guarded.store.fails = "no answer"
    plans = [plan_of(policy("p", f"{4 * quota}/20s")) for quota in range(1, 1100)]
    assert guarded.decide(plans[0]).plan is guarded.decide(plans[0]).plan
    stand_ins = [guarded.decide(plan, (f"key:{n}",)) for n, plan in enumerate(plans)]
    quotas = [decision.plan.groups[0].counting.limits[0].quota for decision in stand_ins]
    assert quotas == list(range(1, 1100))


def test_a_failing_settlement_is_counted_and_fails_nobody() -> None:
    """The request is over."""
    guarded = Guarded("local")
    decision = guarded.decide(plan_of(policy("p", "2/20s")))
    guarded.store.fails = "full"
    guarded.local.settle(decision, SUBJECT, T0, (-1,))
    assert (guarded.local.failures, guarded.local.last_error) == (1, "full")


def test_the_size_of_a_store_that_fails_is_not_known() -> None:
    """0 then; else that of the store."""
    guarded = Guarded("local")
    guarded.decide(plan_of(policy("p", "2/20s")))
    assert len(guarded.local) == 1
    guarded.store.fails = "gone"
    assert len(guarded.local) == 0


def test_nobody_shares_with_less_than_one() -> None:
    """Then everything is this process's own."""
    guarded = Guarded("local", shares=0)
    guarded.store.fails = "gone"
    assert guarded.allowed(plan_of(policy("p", "3/20s")), 5) == 3
