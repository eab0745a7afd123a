"""The priority lane of one upstream, as a worker has it."""

from lukhas.config.priority_lane import lane_terms
from lukhas.config.upstreams import UpstreamSettings
from lukhas.pipeline.exchange import Exchange
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.routing.priority_lane import LaneTally, LaneTerms

__all__ = ("UpstreamLane", "lane_of")


class UpstreamLane:
    """Who is in the lane, and what it has done; shared by all servers of the upstream.

    Args:
        terms: who is in it, and how far it goes.

    Attributes:
        terms: as given.
        tally: what it has done.
    """

    __slots__ = ("tally", "terms")

    def __init__(self, terms: LaneTerms) -> None:
        self.terms = terms
        self.tally = LaneTally()

    def holds(self, exchange: Exchange) -> bool:
        """Whether the request is in the lane; who is not known is of the lowest tier."""
        consumer, route = exchange.consumer, exchange.route
        return self.terms.holds(
            Tier.FREE if consumer is None else consumer.tier,
            "" if route is None else route.rule.name,
        )


def lane_of(settings: UpstreamSettings) -> UpstreamLane | None:
    """The lane of an upstream; None if it is off."""
    terms = lane_terms(settings.balancing.priority_lane)
    return None if terms is None else UpstreamLane(terms)
