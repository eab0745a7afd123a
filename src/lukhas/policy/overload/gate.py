"""The door to one upstream: an adaptive limit, and who may pass within it."""

from collections.abc import Sequence

from lukhas.policy.overload.gradient import AdaptiveLimit, GradientSettings
from lukhas.policy.overload.shedding import Access, Standing, TierShare, decide, next_waiting

__all__ = ("Gate",)

# Members of an enum are looked up in Python code (3.11), and this is on the way of every request.
_OWN = Access.OWN
_LENT = Access.LENT


class Gate:
    """Slots of one upstream. Changed in place; every slot that is taken must be left once.

    Args:
        settings: how the limit is found.
        shares: what each tier is due.

    Attributes:
        adaptive: the limit.
        standing: who has the slots.
    """

    __slots__ = ("adaptive", "standing")

    def __init__(self, settings: GradientSettings, shares: Sequence[TierShare]) -> None:
        self.adaptive = AdaptiveLimit(settings)
        self.standing = Standing(shares, settings.initial_limit)

    def enter(self, index: int, now_ns: int) -> Access:
        """Asks for a slot for a tier, and takes it if it is given: `ask`, `decide` and `take`."""
        standing = self.standing
        in_flight = standing.in_flight
        mine = in_flight[index]
        # The usual case without calls: lately it wanted as much, and all that is wanted fits.
        if (
            now_ns < standing.ends_ns
            and mine + standing.waiting[index] < standing.peaks[index]
            and standing.wanted_total - standing.wanted[index] + mine < standing.limit
        ):
            in_flight[index] = mine + 1
            standing.total += 1
            return _OWN if mine < standing.guaranteed[index] else _LENT
        standing.ask(index, now_ns)
        access = decide(standing, index)
        if access.admitted:
            standing.take(index)
        return access

    def next_waiting(self) -> int | None:
        """Takes a slot for the tier whose request waits and comes next, if there is one for it."""
        index = next_waiting(self.standing)
        if index is not None:
            self.standing.waiting[index] -= 1
            self.standing.take(index)
        return index

    def answered(self, began_ns: int, now_ns: int) -> None:
        """The upstream has answered a request that has a slot, and keeps it."""
        standing = self.standing
        adaptive = self.adaptive
        adaptive.answered(began_ns, now_ns, standing.total)
        if adaptive.limit != standing.limit:
            standing.resize(adaptive.limit)

    def done(self, index: int, began_ns: int, now_ns: int) -> None:
        """The upstream has answered, and the slot is given back: `answered` and `leave`."""
        standing = self.standing
        adaptive = self.adaptive
        adaptive.answered(began_ns, now_ns, standing.total)
        if adaptive.limit != standing.limit:
            standing.resize(adaptive.limit)
        standing.in_flight[index] -= 1
        standing.total -= 1

    def dropped(self, now_ns: int) -> None:
        """The upstream has refused a request that has a slot, or did not answer it."""
        self.adaptive.dropped(now_ns, self.standing.total)
        self.standing.resize(self.adaptive.limit)

    def leave(self, index: int) -> None:
        """Gives a slot back."""
        self.standing.free(index)
