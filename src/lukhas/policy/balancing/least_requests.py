"""The target with the fewest requests in flight, of two drawn at random (as Envoy does)."""

from collections.abc import Sequence

from lukhas.policy.balancing.balancer import Candidate, ChoiceFacts
from lukhas.policy.balancing.drawing import drawn_pair

__all__ = ("LeastRequests",)


class LeastRequests:
    """See `Balancer`."""

    __slots__ = ()

    def choose(self, candidates: Sequence[Candidate], facts: ChoiceFacts, now_ns: int) -> int:
        """See `Balancer`."""
        one, other = drawn_pair(candidates, facts)
        a, b = candidates[one], candidates[other]
        ahead_a = (a.load.in_flight + 1) / (a.weight * a.share)
        ahead_b = (b.load.in_flight + 1) / (b.weight * b.share)
        return one if ahead_a <= ahead_b else other
