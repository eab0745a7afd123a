"""The port of the limit counters."""

from typing import Protocol

from lukhas.policy.rate_limiting.decisions import LimitDecision
from lukhas.policy.rate_limiting.policies import LimitPlan

__all__ = ("CounterStore",)


class CounterStore(Protocol):
    """Keeps what each subject has used of its limits, and decides on it in one atomic step.

    This is the local form: it answers at once. A store across the network gets a port of its own
    beside this one, because the two differ in what the caller must do, not only in speed.
    """

    def decide(
        self, plan: LimitPlan, subjects: tuple[str, ...], now_ns: int, cost: int
    ) -> LimitDecision:
        """Checks every limit of the plan and charges all of them, or none.

        Args:
            plan: the limits.
            subjects: for each group of the plan, whom it is counted for.
            now_ns: Unix time.
            cost: what the request uses, at least 1.

        Raises:
            StoreError: the store cannot decide.
        """
        ...

    def __len__(self) -> int:
        """How many states are kept."""
        ...
