"""Settings of the lane that higher tiers have to the servers of an upstream."""

from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from lukhas.config.fields import CONFIG_FAULT, Section
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.routing.priority_lane import LaneTerms

__all__ = ("PriorityLaneSettings", "lane_terms")


class PriorityLaneSettings(Section):
    """Whose requests get the better server, and go first where all connections are in use."""

    tiers: tuple[Tier, ...] = Field(
        (),
        description='Tiers that have the lane, such as `["premium", "enterprise"]`. It is off '
        "while neither tiers nor routes have it.",
    )
    routes: tuple[str, ...] = Field(
        (), description="Names of routes whose requests have it, of whatever tier."
    )
    oldest_every: int = Field(
        4,
        ge=2,
        le=1000,
        description="Of so many connections that become free one goes to who has waited longest, "
        "in the lane or not.",
    )
    give_way_percent: Annotated[float, Field(ge=0, le=90)] = Field(
        50.0,
        description="How many of the requests outside the lane may be sent to the second best "
        "server, to leave the best one to the lane; 0 is none.",
    )
    most_times: Annotated[float, Field(ge=1, le=100)] = Field(
        2.0,
        description="Only if the second best has at most so many times as much ahead, latency "
        "times requests in flight.",
    )

    @model_validator(mode="after")
    def _leaves_somebody(self) -> Self:
        if set(self.tiers) == set(Tier):
            raise PydanticCustomError(
                CONFIG_FAULT,
                "{what}: {hint}",
                {"what": "every tier has the lane, so none has", "hint": "leave lower ones out"},
            )
        return self


def lane_terms(settings: PriorityLaneSettings) -> LaneTerms | None:
    """The terms of the lane; None if it is off."""
    if not settings.tiers and not settings.routes:
        return None
    return LaneTerms(
        frozenset(settings.tiers),
        frozenset(settings.routes),
        oldest_every=settings.oldest_every,
        give_way=settings.give_way_percent / 100,
        most_times=settings.most_times,
    )
