"""How limits of one kind are counted: what the kinds have in common."""

from collections.abc import Sequence
from typing import Protocol, assert_never

from lukhas.policy.rate_limiting.calendar_quota import CalendarQuota
from lukhas.policy.rate_limiting.concurrency import Concurrency
from lukhas.policy.rate_limiting.exact_log import ExactLog
from lukhas.policy.rate_limiting.gcra import Gcra
from lukhas.policy.rate_limiting.limits import Kind, Limit
from lukhas.policy.rate_limiting.strict_ring import StrictRing

__all__ = ("Counting", "counting_of")


class Counting(Protocol):
    """Limits of one kind, compiled: step functions over a state of bytes.

    Pure in what they depend on, (settings, state, time, cost); the state given to them is changed
    in place, so who needs the old one copies it. Every store keeps states as they are.
    """

    @property
    def kind(self) -> Kind:
        """The kind."""
        ...

    @property
    def limits(self) -> tuple[Limit, ...]:
        """The limits, in the order of all figures."""
        ...

    def new_state(self, now_ns: int) -> bytearray:
        """The state of a key that has used nothing."""
        ...

    def take(self, state: bytearray, now_ns: int, cost: int) -> bytes | None:
        """`fits` and `charge` in one.

        Returns:
            What `figures` needs of the state; None, with nothing charged, if it does not fit.
        """
        ...

    def fits(self, state: bytearray, now_ns: int, cost: int) -> bool:
        """Whether `cost` more may pass under every limit; moves the state on, charges nothing."""
        ...

    def charge(self, state: bytearray, now_ns: int, cost: int) -> None:
        """Books `cost` under every limit. Only after `fits` said yes, at the same moment."""
        ...

    def settle(self, state: bytearray, *, at_ns: int, now_ns: int, change: int) -> None:
        """The request charged at `at_ns` has ended: corrects its cost by `change`.

        More is counted even where it does not fit; less is given back as far as it still counts.
        Requests in flight (`concurrency`) leave: all of `-change` of them.
        """
        ...

    def figures(self, state: bytes | bytearray, now_ns: int) -> tuple[int, ...]:
        """What is left, and in how many whole seconds something is given back, for each limit."""
        ...

    def used(self, state: bytearray, now_ns: int) -> tuple[int, ...]:
        """What is counted under each limit, after `fits` at this moment."""
        ...

    def violated(self, state: bytearray, now_ns: int, cost: int) -> tuple[int, ...]:
        """The indexes of the limits that `cost` more would break."""
        ...

    def fits_at_ns(self, state: bytearray, now_ns: int, index: int, cost: int) -> int | None:
        """When `cost` will fit under the limit at `index` if nothing else comes; None for never."""
        ...

    def is_idle(self, state: bytearray, now_ns: int) -> bool:
        """Whether nothing is counted any more, so that forgetting the state changes nothing."""
        ...

    def expires_ns(self, state: bytearray) -> int:
        """From when on the state is idle if nothing else comes."""
        ...

    def owns(self, state: bytes | bytearray) -> bool:
        """Whether the state is one of these very limits, so that it needs no `adopt`."""
        ...

    def adopt(self, state: bytes | bytearray, now_ns: int) -> bytearray:
        """A state of these limits that keeps what one of other limits has counted."""
        ...


def counting_of(kind: Kind, limits: Sequence[Limit]) -> Counting:
    """Compiles limits of one kind."""
    match kind:
        case Kind.STRICT:
            return StrictRing(limits)
        case Kind.EXACT:
            return ExactLog(limits)
        case Kind.GCRA:
            return Gcra(limits)
        case Kind.QUOTA:
            return CalendarQuota(limits)
        case Kind.CONCURRENCY:
            return Concurrency(limits)
        case _:
            assert_never(kind)
