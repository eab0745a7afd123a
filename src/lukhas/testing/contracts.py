"""Suites that every adapter of a port must pass. They need pytest.

Subclass one in a test module and say how a store is made; its tests are then collected with yours.
"""
# ruff: noqa: S101 - tests assert

from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.decisions import LimitDecision, decide
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
_KINDS = (
    "{}/20s",
    "{}/20s exact",
    "{0}/minute burst {0}",
    "{}/calendar day",
    "{} concurrent",
)


class CounterStoreContract:
    """What every `CounterStore` keeps: exact, atomic, strict limits for each subject apart."""

    def make_store(self) -> CounterStore:
        """A fresh, empty store; to be overridden."""
        raise NotImplementedError("override make_store")

    @staticmethod
    def make_decision(plan: LimitPlan) -> LimitDecision:
        """A decision by which a request passed that the store knows nothing of."""
        states = [group.counting.new_state(_NOW_NS) for group in plan.groups]
        return decide(plan, states, _NOW_NS, 1)

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

    def test_changed_limits_keep_what_was_counted(self) -> None:
        """Whatever the settings say now, nobody gets a fresh quota by their change."""
        store = self.make_store()
        for _ in range(2):
            assert _allowed(store, _plan("2/20s"), "key:a")
        assert not _allowed(store, _plan("2/20s"), "key:a")
        raised = store.decide(_plan("5/20s"), ("key:a",), _NOW_NS, 1)
        assert raised.figures[0] == 2
        other_window = store.decide(_plan("5/40s"), ("key:a",), _NOW_NS, 1)
        assert other_window.figures[0] == 1
        assert not _allowed(store, _plan("4/40s"), "key:a")
        assert not _allowed(store, _plan("3/20s; 9/40s"), "key:a")

    def test_a_held_state_counts_with_all_others(self) -> None:
        """Where a store lets a state be held, it is the one that everybody is counted in."""
        store, plan = self.make_store(), _plan("5/20s; 9/40s; 99/minute")
        assert _allowed(store, plan, "key:a")
        held = store.held(plan, ("key:a",))
        if held is None:
            return
        assert held.charge(_NOW_NS, 1) is not None
        assert _allowed(store, plan, "key:a")
        taken = held.charge(_NOW_NS, 2)
        assert taken is not None
        assert taken[2][::2] == (0, 4, 94)
        assert held.charge(_NOW_NS, 1) is None
        assert not _allowed(store, plan, "key:a")
        assert _allowed(store, plan, "key:b")

    def test_a_state_of_changed_limits_is_held_no_more(self) -> None:
        """Whoever holds it gets nothing, and nobody gets a fresh quota."""
        store, plan = self.make_store(), _plan("2/20s")
        assert _allowed(store, plan, "key:a")
        held = store.held(plan, ("key:a",))
        assert _allowed(store, _plan("3/40s"), "key:a")
        if held is not None:
            assert held.charge(_NOW_NS, 1) is None
        assert not _allowed(store, plan, "key:a")

    def test_a_plan_with_several_states_is_not_held(self) -> None:
        """One charge could not charge all of them or none."""
        plan = _plan("9/20s", policies=(_policy("other", "9/minute", by=Dimension.ADDRESS),))
        store = self.make_store()
        subjects = ("key:a", "addr:192.0.2.1")
        store.decide(plan, subjects, _NOW_NS, 1)
        assert store.held(plan, subjects) is None

    def test_changed_limits_of_every_kind_keep_what_was_counted(self) -> None:
        """A raised quota adds no more than it was raised by."""
        for kind in _KINDS:
            store = self.make_store()
            for _ in range(2):
                assert _allowed(store, _plan(kind.format(2)), "key:a"), kind
            assert not _allowed(store, _plan(kind.format(1)), "key:a"), kind
            allowed = [_allowed(store, _plan(kind.format(3)), "key:a") for _ in range(2)]
            # What smooths keeps a debt of time, which is as long at the higher rate.
            assert allowed == ["burst" not in kind, False], kind

    def test_limits_that_change_to_and_fro_keep_what_was_counted(self) -> None:
        """As where a function gives each subject its own: one never resets the other."""
        store, low, high = self.make_store(), _plan("2/20s"), _plan("4/20s")
        allowed = [
            (_allowed(store, low, "key:low"), _allowed(store, high, "key:high")) for _ in range(5)
        ]
        assert [pair[0] for pair in allowed] == [True] * 2 + [False] * 3
        assert [pair[1] for pair in allowed] == [True] * 4 + [False]

    def test_every_kind_keeps_to_its_limit(self) -> None:
        """Just so many pass at once, whichever way they are counted."""
        for kind in _KINDS:
            store, plan = self.make_store(), _plan(kind.format(3))
            allowed = [_allowed(store, plan, "key:a") for _ in range(5)]
            assert allowed == [True] * 3 + [False] * 2, kind
            assert _allowed(store, plan, "key:b"), kind

    def test_groups_of_all_kinds_are_charged_all_or_none(self) -> None:
        """Whichever of them is full, and whomever each of them is counted for."""
        for full in range(len(_KINDS)):
            policies = tuple(
                _policy(
                    f"p{index}",
                    kind.format(1 if index == full else 5),
                    by=Dimension.ADDRESS if index % 2 else Dimension.CONSUMER,
                )
                for index, kind in enumerate(_KINDS)
            )
            store, plan = self.make_store(), _plan("", policies=policies)
            subjects = ("key:a", "addr:1", "key:a", "addr:1", "key:a")
            assert store.decide(plan, subjects, _NOW_NS, 1).allowed
            for _ in range(3):
                refused = store.decide(plan, subjects, _NOW_NS, 1)
            assert [found.policy for found in refused.violations] == [f"p{full}"]
            expected = [4] * len(_KINDS)
            expected[full] = 0
            assert list(refused.figures[::2]) == expected

    def test_each_group_is_charged_its_own_cost(self) -> None:
        """And none where it is 0, even if nothing more fits."""
        other = _policy("other", "5/20s", by=Dimension.ADDRESS)
        store, plan = self.make_store(), _plan("9/20s", policies=(other,))
        subjects = ("key:a", "addr:1")
        assert store.decide(plan, subjects, _NOW_NS, 1, (2, 4)).figures[::2] == (7, 1)
        refused = store.decide(plan, subjects, _NOW_NS, 1, (1, 2))
        assert [found.policy for found in refused.violations] == ["other"]
        assert refused.figures[::2] == (7, 1)
        assert store.decide(plan, subjects, _NOW_NS, 1, (7, 1)).figures[::2] == (0, 0)
        decision = store.decide(plan, subjects, _NOW_NS, 1, (0, 0))
        assert decision.allowed
        assert decision.figures[::2] == (0, 0)
        assert [decision.charged(index) for index in range(2)] == [0, 0]

    def test_what_is_given_back_can_be_used_again(self) -> None:
        """By every kind just once, and never more than was charged."""
        for kind in _KINDS:
            store, plan = self.make_store(), _plan(kind.format(3))
            decisions = [store.decide(plan, ("key:a",), _NOW_NS, 1) for _ in range(3)]
            store.settle(decisions[0], ("key:a",), _NOW_NS, (-1,))
            assert [_allowed(store, plan, "key:a") for _ in range(2)] == [True, False], kind
            store.settle(decisions[1], ("key:a",), _NOW_NS, (-99,))
            allowed = [_allowed(store, plan, "key:a") for _ in range(5)]
            assert allowed == [True] * 3 + [False] * 2, kind

    def test_what_cost_more_counts_more(self) -> None:
        """Also beyond the quota: then nothing passes."""
        for kind in _KINDS[:-1]:
            store, plan = self.make_store(), _plan(kind.format(5))
            first = store.decide(plan, ("key:a",), _NOW_NS, 1)
            store.settle(first, ("key:a",), _NOW_NS, (2,))
            assert store.decide(plan, ("key:a",), _NOW_NS, 1).figures[0] == 1, kind
            store.settle(first, ("key:a",), _NOW_NS, (10**9,))
            assert not _allowed(store, plan, "key:a"), kind

    def test_settling_changes_only_the_groups_it_names(self) -> None:
        """A change of 0 is none."""
        other = _policy("other", "5/20s", by=Dimension.ADDRESS)
        store, plan = self.make_store(), _plan("5/20s", policies=(other,))
        subjects = ("key:a", "addr:1")
        first = store.decide(plan, subjects, _NOW_NS, 2)
        store.settle(first, subjects, _NOW_NS, (0, -2))
        assert store.decide(plan, subjects, _NOW_NS, 1).figures[::2] == (2, 4)

    def test_settling_what_is_not_known_any_more_is_no_error(self) -> None:
        """As after a restart, or long after the window."""
        for kind in _KINDS:
            store, plan = self.make_store(), _plan(kind.format(3))
            decision = self.make_decision(plan)
            store.settle(decision, ("key:a",), _NOW_NS + DAY_NS, (-1,))
            allowed = [_allowed(store, plan, "key:a", _NOW_NS + DAY_NS) for _ in range(4)]
            assert allowed == [True] * 3 + [False], kind

    def test_any_text_can_be_a_subject(self) -> None:
        """Long, empty, with odd characters; alike up to the last character are not the same."""
        store, plan = self.make_store(), _plan("1/20s")
        subjects = ["", "\0", "\x1f", "é", "\udc80", "x" * 2000, "x" * 2000 + "y", "key:a\x1fb"]
        assert all(_allowed(store, plan, subject) for subject in subjects)
        assert not any(_allowed(store, plan, subject) for subject in subjects)

    def test_many_subjects_are_counted_each_for_itself(self) -> None:
        """In any order, with different use."""
        store, plan = self.make_store(), _plan("3/20s")
        counts = {f"key:{number}": 1 + number % 5 for number in range(200)}
        passed = dict.fromkeys(counts, 0)
        for round_ in range(5):
            for subject, count in counts.items():
                if round_ < count:
                    passed[subject] += _allowed(store, plan, subject, _NOW_NS + round_)
        assert passed == {subject: min(3, count) for subject, count in counts.items()}

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
        for number in range(2000):
            store.decide(plan, (f"key:new-{number}",), _NOW_NS + DAY_NS, 1)
        assert len(store) <= 2002


def _plan(limits: str, *, policies: tuple[LimitPolicy, ...] = ()) -> LimitPlan:
    own = _limits(limits, "free") if limits else ()
    return plan_for(Tier.FREE, own, policies, route="default")


def _policy(
    name: str, limits: str, *, mode: Mode = Mode.ENFORCE, by: Dimension = Dimension.CONSUMER
) -> LimitPolicy:
    return LimitPolicy(name, _limits(limits, name), mode=mode, by=by)


def _limits(text: str, policy: str) -> tuple[Limit, ...]:
    return parse_limits(text, policy=policy)


def _allowed(store: CounterStore, plan: LimitPlan, subject: str, now_ns: int = _NOW_NS) -> bool:
    decision: LimitDecision = store.decide(plan, (subject,), now_ns, 1)
    return decision.allowed
