"""Routes whose requests go to the upstream that does best: settings into policy and stage."""

from collections.abc import Callable
from random import random

from lukhas.clock import Clock
from lukhas.config.best_of import BestOfSettings
from lukhas.pipeline.pipeline import Pipeline
from lukhas.pipeline.stages.best_of import BestOfStage
from lukhas.policy.routing.best_of import BestOf, BestOfTerms
from lukhas.policy.routing.routes import RouteTable
from lukhas.units import MILLISECOND_NS, SECOND_NS

__all__ = ("best_of_policy", "best_of_stages", "watch_servers")


def best_of_policy(
    route: str, settings: BestOfSettings | None, named: Callable[[str], str]
) -> BestOf | None:
    """The upstreams of a route; None where it has not several of this kind.

    Args:
        route: the name of the route.
        settings: those of the route.
        named: gives the name that an upstream has, whatever a route calls it.
    """
    if settings is None:
        return None
    everybody: tuple[()] = ()
    return BestOf(
        name=route,
        upstreams=tuple(named(name) for name in settings.upstreams),
        weights=tuple(settings.weights.get(name, 1) for name in settings.upstreams),
        tiers=tuple(frozenset(settings.tiers.get(name, everybody)) for name in settings.upstreams),
        by=settings.bind_by or "",
        per_tier=settings.per_tier,
        terms=BestOfTerms(
            look=settings.look_percent / 100,
            look_ns=round(settings.look_s * SECOND_NS),
            memory_ns=round(settings.memory_s * SECOND_NS),
            failure_ns=settings.failure_ms * MILLISECOND_NS,
            behind=settings.behind_times,
            level=settings.level_times,
            out_after=settings.out_after,
        ),
    )


def best_of_stages(table: RouteTable, clock: Clock) -> tuple[BestOfStage, ...]:
    """The stage; none where no route has several upstreams of this kind: it costs nothing there."""
    routes = tuple(rule.best_of for rule in table.rules if rule.best_of is not None)
    return (BestOfStage(routes, clock, random),) if routes else ()


def watch_servers(pipeline: Pipeline, is_fit: Callable[[str], bool]) -> None:
    """Has upstreams left out that have no fit server.

    Args:
        pipeline: with the stage in it, if there is any.
        is_fit: tells of an upstream, by name, whether any of its servers is fit.
    """
    for stage in pipeline.stages:
        if isinstance(stage, BestOfStage):
            stage.watch(is_fit)
