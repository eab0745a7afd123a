"""The suites of the test kit."""

import pytest

from lukhas.policy.rate_limiting.decisions import LimitDecision
from lukhas.policy.rate_limiting.plans import LimitPlan
from lukhas.storage.memory_counters import MemoryCounters
from lukhas.testing.contracts import CounterStoreContract


class Forgetful(MemoryCounters):
    """A store that breaks the contract: it forgets everything in between."""

    def decide(
        self,
        plan: LimitPlan,
        subjects: tuple[str, ...],
        now_ns: int,
        cost: int,
        costs: tuple[int, ...] = (),
    ) -> LimitDecision:
        return MemoryCounters().decide(plan, subjects, now_ns, cost, costs)


class OfForgetful(CounterStoreContract):
    def make_store(self) -> Forgetful:
        return Forgetful()


def test_a_subclass_says_how_a_store_is_made() -> None:
    """Without it the suite says what is missing."""
    with pytest.raises(NotImplementedError, match="override make_store"):
        CounterStoreContract().make_store()


@pytest.mark.parametrize(
    "name",
    [
        "test_the_quota_passes_and_no_more",
        "test_subjects_are_counted_apart",
        "test_a_charge_counts_until_a_bucket_after_its_window",
        "test_a_cost_is_charged_whole_or_not_at_all",
        "test_subjects_that_still_count_are_never_forgotten",
    ],
)
def test_the_suite_finds_a_store_that_forgets(name: str) -> None:
    """A suite that passes everything would prove nothing."""
    with pytest.raises(AssertionError):
        getattr(OfForgetful(), name)()
