"""The better of two targets drawn at random, by latency and requests in flight.

Power of two choices (M. Mitzenmacher, 2001) over Finagle's Peak EWMA cost. A look at two is enough
to stay clear of the slow ones, and keeps callers that know nothing of each other from all running
to the same target.
"""

from collections.abc import Sequence

from lukhas.policy.balancing.balancer import Candidate, ChoiceFacts
from lukhas.policy.balancing.drawing import drawn_pair

__all__ = ("PeakEwma",)


class PeakEwma:
    """The default; see `Balancer`."""

    __slots__ = ()

    def choose(self, candidates: Sequence[Candidate], facts: ChoiceFacts, now_ns: int) -> int:
        """See `Balancer`."""
        one, other = drawn_pair(candidates, facts)
        if one == other:
            return one
        a, b = candidates[one], candidates[other]
        cost_a = a.load.cost(now_ns) / (a.weight * a.share)
        cost_b = b.load.cost(now_ns) / (b.weight * b.share)
        if cost_a == cost_b:
            return one if a.load.in_flight <= b.load.in_flight else other
        return one if cost_a < cost_b else other
