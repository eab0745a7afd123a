"""Targets in turn, by weight: nginx's smooth weighted round robin.

Each turn every target gains its weight; the one that has most is chosen, and pays what all gained.
So the turns of a heavy target are spread over the round.
"""

from collections.abc import Sequence

from lukhas.policy.balancing.balancer import Candidate, ChoiceFacts

__all__ = ("RoundRobin",)

_MOST_FORGOTTEN = 1024


class RoundRobin:
    """See `Balancer`."""

    __slots__ = ("_gained",)

    def __init__(self) -> None:
        self._gained: dict[str, float] = {}

    def choose(self, candidates: Sequence[Candidate], facts: ChoiceFacts, now_ns: int) -> int:
        """See `Balancer`."""
        gained = self._gained
        if len(gained) > len(candidates) + _MOST_FORGOTTEN:
            gained.clear()  # Of targets that are gone; the others begin a new round.
        total, chosen, most = 0.0, 0, float("-inf")
        for index, candidate in enumerate(candidates):
            weight = candidate.weight * candidate.share
            total += weight
            has = gained[candidate.key] = gained.get(candidate.key, 0.0) + weight
            if has > most:
                chosen, most = index, has
        gained[candidates[chosen].key] -= total
        return chosen
