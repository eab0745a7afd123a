"""How large a slice of a limit a node reserves ahead."""

from dataclasses import dataclass

__all__ = ("LeaseSettings", "slice_of")


@dataclass(frozen=True, slots=True)
class LeaseSettings:
    """How slices are cut.

    Attributes:
        nodes: how many nodes reserve from the same limits.
        first: how large a slice is for who comes again, before the demand is known.
        strict_percent: when less than so much of the quota is left, each request is asked about.
    """

    nodes: int = 1
    first: int = 8
    strict_percent: int = 10


def slice_of(
    settings: LeaseSettings, *, cost: int, room: int, quota: int, wanted: int, last: int
) -> int:
    """How much to reserve; at least what the request costs.

    Who comes for the first time gets no slice: most do not come again soon. Else a node takes what
    it expects to need for the rest of the moment, and twice the last slice where that was not
    enough, but never more than its part of half of what is left: so no node can take
    all, and slices become smaller towards the end of the limit.

    Args:
        settings: how slices are cut.
        cost: of the request that asks.
        room: what is left under the tightest limit.
        quota: of that limit.
        wanted: what is expected to be asked for, from the demand of the moment before.
        last: the slice before it in this moment; 0 if it is the first one.
    """
    if room * 100 < quota * settings.strict_percent:
        return cost
    expected = max(wanted, settings.first if last else cost, 2 * last)
    return max(cost, min(expected, room // (2 * settings.nodes)))
