"""Suites that every adapter of a port must pass. They need pytest.

Subclass one in a test module and say how a store is made; its tests are then collected with yours.
"""
# ruff: noqa: S101 - tests assert

from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.decisions import LimitDecision
from lukhas.policy.rate_limiting.dimensions import Dimension
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.limits import Limit
from lukhas.policy.rate_limiting.plans import LimitPlan, plan_for
from lukhas.policy.rate_limiting.policies import LimitPolicy
from lukhas.policy.rate_limiting.strict_ring import BUCKETS
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.storage.counters import CounterStore
from lukhas.units import DAY_NS, MINUTE_NS, SECOND_NS

__all__ = ("CounterStoreContract",)

_NOW_NS = 1_750_000_000 * SECOND_NS
_WINDOW_NS = 20 * SECOND_NS
_BUCKET_NS = _WINDOW_NS // BUCKETS


class CounterStoreContract:
    """What every `CounterStore` keeps: exact, atomic, strict limits for each subject apart."""

    def make_store(self) -> CounterStore:
        """A fresh, empty store; to be overridden."""
        raise NotImplementedError("override make_store")

    def test_a_new_store_is_empty(self) -> None:
        """Nothing is kept before something was decided."""
        assert len(self.make_store()) == 0

    def test_the_quota_passes_and_no_more(self) -> None:
        """Exactly as many pass as the limit says, and the figures count down to 0."""
        store, plan = self.make_store(), _plan("3/20s")
        decisions = [store.decide(plan, ("key:a",), _NOW_NS, 1) for _ in range(5)]
        assert [decision.allowed for decision in decisions] == [True] * 3 + [False] * 2
        assert [decision.figures[0] for decision in decisions] == [2, 1, 0, 0, 0]
        assert decisions[3].violations[0].used == 3

    def test_the_decision_names_plan_cost_and_time(self) -> None:
        """A decision can be explained from itself."""
        plan = _plan("3/20s")
        decision = self.make_store().decide(plan, ("key:a",), _NOW_NS, 2)
        assert (decision.plan, decision.cost, decision.now_ns) == (plan, 2, _NOW_NS)

    def test_subjects_are_counted_apart(self) -> None:
        """One subject at its limit takes nothing from another."""
        store, plan = self.make_store(), _plan("1/20s")
        assert _allowed(store, plan, "key:a")
        assert not _allowed(store, plan, "key:a")
        assert _allowed(store, plan, "key:b")
        assert len(store) == 2

    def test_a_charge_counts_until_a_bucket_after_its_window(self) -> None:
        """It counts for the whole window and gives way at the end of the bucket it fell into."""
        store, plan = self.make_store(), _plan("1/20s")
        assert _allowed(store, plan, "key:a", _NOW_NS)
        free_ns = _NOW_NS + _WINDOW_NS + _BUCKET_NS
        refused = store.decide(plan, ("key:a",), free_ns - 1, 1)
        assert not refused.allowed
        assert refused.violations[0].free_at_ns == free_ns
        assert _allowed(store, plan, "key:a", free_ns)

    def test_a_refused_request_is_not_charged_anywhere(self) -> None:
        """All windows of all groups are charged, or none."""
        plan = _plan("1/20s; 3/40s", policies=(_policy("other", "9/minute", by=Dimension.ADDRESS),))
        store = self.make_store()
        subjects = ("key:a", "addr:192.0.2.1")
        for _ in range(5):
            last = store.decide(plan, subjects, _NOW_NS, 1)
        assert last.figures[::2] == (0, 2, 8)

    def test_a_cost_is_charged_whole_or_not_at_all(self) -> None:
        """What does not fit whole is refused; what is left stays for cheaper requests."""
        store, plan = self.make_store(), _plan("5/20s")
        costs = (3, 3, 2, 1)
        decisions = [store.decide(plan, ("key:a",), _NOW_NS, cost) for cost in costs]
        assert [decision.allowed for decision in decisions] == [True, False, True, False]

    def test_a_cost_above_the_quota_never_fits(self) -> None:
        """It is refused with no time to try again."""
        decision = self.make_store().decide(_plan("5/20s"), ("key:a",), _NOW_NS, 6)
        assert not decision.allowed
        assert decision.retry_after_s is None

    def test_shadow_limits_count_and_refuse_nothing(self) -> None:
        """They tell what they would refuse, and keep to their own quota in counting."""
        policy = _policy("trial", "1/20s", mode=Mode.SHADOW)
        store, plan = self.make_store(), _plan("9/20s", policies=(policy,))
        decisions = [store.decide(plan, ("key:a", "key:a"), _NOW_NS, 1) for _ in range(3)]
        assert all(decision.allowed for decision in decisions)
        assert [decision.shadow_policy for decision in decisions] == ["", "trial", "trial"]
        assert [found.used for found in decisions[2].shadow_violations] == [1]
        assert decisions[2].figures[0] == 6

    def test_equal_plans_share_their_counters(self) -> None:
        """Plans made apart from the same settings, say of two routes, count together."""
        store = self.make_store()
        assert _allowed(store, _plan("1/20s"), "key:a")
        assert not _allowed(store, _plan("1/20s"), "key:a")

    def test_changed_limits_start_anew(self) -> None:
        """Counts taken under other limits of the same name say nothing about the new ones."""
        store = self.make_store()
        assert _allowed(store, _plan("1/20s"), "key:a")
        decision = store.decide(_plan("5/40s"), ("key:a",), _NOW_NS, 1)
        assert decision.figures[0] == 4

    def test_time_may_stand_still_or_go_back(self) -> None:
        """A clock that is set back gives nobody a fresh quota."""
        store, plan = self.make_store(), _plan("2/20s")
        assert _allowed(store, plan, "key:a", _NOW_NS)
        assert _allowed(store, plan, "key:a", _NOW_NS - MINUTE_NS)
        assert not _allowed(store, plan, "key:a", _NOW_NS - MINUTE_NS)
        assert not _allowed(store, plan, "key:a", _NOW_NS)

    def test_subjects_that_still_count_are_never_forgotten(self) -> None:
        """Any number of new subjects leaves the counters of an old one alone."""
        store, plan = self.make_store(), _plan("1/20s")
        assert _allowed(store, plan, "key:a")
        for number in range(300):
            assert _allowed(store, plan, f"key:{number}", _NOW_NS + number)
        assert not _allowed(store, plan, "key:a", _NOW_NS + _WINDOW_NS)

    def test_what_counts_no_more_goes_away(self) -> None:
        """The store does not grow with every subject that was ever seen."""
        store, plan = self.make_store(), _plan("1/20s")
        for number in range(100):
            store.decide(plan, (f"key:old-{number}",), _NOW_NS, 1)
        for number in range(100):
            store.decide(plan, (f"key:new-{number}",), _NOW_NS + DAY_NS, 1)
        assert len(store) <= 102


def _plan(limits: str, *, policies: tuple[LimitPolicy, ...] = ()) -> LimitPlan:
    return plan_for(Tier.FREE, _limits(limits, "free"), policies, route="default")


def _policy(
    name: str, limits: str, *, mode: Mode = Mode.ENFORCE, by: Dimension = Dimension.CONSUMER
) -> LimitPolicy:
    return LimitPolicy(name, _limits(limits, name), mode=mode, by=by)


def _limits(text: str, policy: str) -> tuple[Limit, ...]:
    return parse_limits(text, policy=policy)


def _allowed(store: CounterStore, plan: LimitPlan, subject: str, now_ns: int = _NOW_NS) -> bool:
    decision: LimitDecision = store.decide(plan, (subject,), now_ns, 1)
    return decision.allowed
