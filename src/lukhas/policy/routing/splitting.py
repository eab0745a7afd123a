"""Several upstreams for one route: which part of its requests goes to which."""

from dataclasses import dataclass

from lukhas.policy.balancing.splits import chosen_share, place_of

__all__ = ("DEFAULT_UPSTREAM", "Split")

DEFAULT_UPSTREAM = "default"
"""The name of the upstream of all requests whose route names no other."""


@dataclass(frozen=True, slots=True)
class Split:
    """The parts of a route.

    Attributes:
        name: tells it from other splits, so that not the same callers are in the small part of
            every one.
        upstreams: the names, at least one.
        weights: for each of them, how much of the requests it gets; at least one is above 0.
        by: who stays with a part: `consumer`, `client`, `header:NAME` or `cookie:NAME`.
    """

    name: str
    upstreams: tuple[str, ...]
    weights: tuple[int, ...]
    by: str = "consumer"

    def choose(self, caller: bytes, drawn: float) -> str:
        """The upstream of a request.

        Args:
            caller: who stays with a part; empty if nobody is known.
            drawn: from 0 to 1, 1 not included; stands in for a caller.
        """
        place = place_of(self.name, caller) if caller else drawn
        return self.upstreams[chosen_share(self.weights, place)]
