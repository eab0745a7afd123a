"""The ports of the limit counters."""

from collections.abc import Sequence
from typing import Protocol

from lukhas.policy.rate_limiting.decisions import LimitDecision
from lukhas.policy.rate_limiting.held_ring import HeldRing
from lukhas.policy.rate_limiting.plans import LimitPlan

__all__ = ("CounterStore", "RemoteCounterStore")


class CounterStore(Protocol):
    """Keeps what each subject has used of its limits, and decides on it in one atomic step.

    This is the local form: it answers at once. `RemoteCounterStore` is the one across the network;
    they differ in what the caller must do, not only in speed.
    """

    def decide(
        self,
        plan: LimitPlan,
        subjects: tuple[str, ...],
        now_ns: int,
        cost: int,
        costs: tuple[int, ...] = (),
    ) -> LimitDecision:
        """Checks every limit of the plan and charges all of them, or none.

        Args:
            plan: the limits.
            subjects: for each group of the plan, whom it is counted for.
            now_ns: Unix time.
            cost: what the request uses, at least 1.
            costs: what it uses of each group, where they differ.

        Raises:
            StoreError: the store cannot decide.
        """
        ...

    def held(self, plan: LimitPlan, subjects: tuple[str, ...]) -> HeldRing | None:
        """A short cut to the state of a plan with one enforced group, for as long as there is one.

        Args:
            plan: the limits.
            subjects: whom they are counted for.

        Returns:
            None where `decide` has to be asked each time.
        """
        ...

    def settle(
        self,
        decision: LimitDecision,
        subjects: tuple[str, ...],
        now_ns: int,
        changes: Sequence[int],
    ) -> None:
        """A request that was let through has ended: corrects what each group was charged.

        Args:
            decision: by which it was let through.
            subjects: as they were given to `decide`.
            now_ns: Unix time.
            changes: for each group of the plan, what is added; negative is given back.

        Raises:
            StoreError: the store cannot be written.
        """
        ...

    def __len__(self) -> int:
        """How many states are kept."""
        ...


class RemoteCounterStore(Protocol):
    """Counters that many nodes share. Time is that of the store, so that clocks need not agree."""

    async def decide(
        self,
        plan: LimitPlan,
        subjects: tuple[str, ...],
        now_ns: int,
        cost: int,
        costs: tuple[int, ...] = (),
    ) -> LimitDecision:
        """See `CounterStore.decide`; `now_ns` only counts where the store cannot be asked."""
        ...

    def settle(
        self,
        decision: LimitDecision,
        subjects: tuple[str, ...],
        now_ns: int,
        changes: Sequence[int],
    ) -> None:
        """See `CounterStore.settle`; it is done in the background, and failures are counted."""
        ...
