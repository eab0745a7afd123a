"""Routes that are split between upstreams, into the stage that chooses."""

from random import random

from lukhas.pipeline.stages.split import SplitStage
from lukhas.policy.routing.routes import RouteTable

__all__ = ("split_stages",)


def split_stages(table: RouteTable) -> tuple[SplitStage, ...]:
    """The stage; none where no route is split, so that it costs nothing there."""
    splits = tuple(rule.split for rule in table.rules if rule.split is not None)
    return (SplitStage(splits, random),) if splits else ()
