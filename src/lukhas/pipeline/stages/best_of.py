"""The stage that chooses, of several upstreams that do the same, the one that does best."""

from collections.abc import Callable, Iterable

from lukhas.clock import Clock
from lukhas.pipeline.callers import CallerOf, caller_of
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stage import Gate
from lukhas.policy.balancing.splits import place_of
from lukhas.policy.modes import FailureMode
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.routing.best_of import BestOf
from lukhas.policy.routing.upstream_race import STAGE, UpstreamRace

__all__ = ("BestOfStage",)


class BestOfStage(Gate):
    """Leaves the upstream on each exchange that goes on to one; never answers.

    It stands inside the cache: what is answered from there goes to no upstream, and what is stored
    is the same for all of them. Where another stage has set an upstream already, as one that stands
    in for another, that holds.

    Args:
        routes: the upstreams of each route that has several of this kind.
        clock: where time comes from.
        draw: gives random numbers from 0 to 1, 1 not included.
    """

    name = STAGE
    on_failure = FailureMode.OPEN

    def __init__(self, routes: Iterable[BestOf], clock: Clock, draw: Callable[[], float]) -> None:
        self._now_ns = clock.now_ns
        self._draw = draw
        self._is_fit: Callable[[str], bool] = _unknown
        self._routes = {best_of.name: _Route(best_of, self._fits) for best_of in routes}

    def watch(self, is_fit: Callable[[str], bool]) -> None:
        """From now on upstreams that have no fit server are left out.

        Args:
            is_fit: tells of an upstream, by name, whether any of its servers is fit.
        """
        self._is_fit = is_fit

    def _fits(self, upstream: str) -> bool:
        return self._is_fit(upstream)

    def enter(self, exchange: Exchange) -> None:
        """Lets the exchange pass with its upstream set."""
        match = exchange.route
        best_of = match.rule.best_of if match is not None else None
        if best_of is None:
            return
        before = getattr(exchange, "best_of", None)
        if exchange.upstream and (before is None or exchange.upstream != before.name):
            return
        consumer = exchange.consumer
        route = self._routes[best_of.name]
        tier = Tier.FREE if consumer is None else consumer.tier
        caller = route.caller(exchange)
        chosen = route.race(tier).choose(
            route.allowed[tier],
            self._now_ns(),
            place=place_of(best_of.name, caller) if caller else self._draw(),
            glance=self._draw(),
            is_bound=bool(caller),
        )
        exchange.best_of = chosen
        exchange.upstream = chosen.name
        exchange.verdicts.append(chosen)


class _Route:
    """What is known of one route."""

    def __init__(self, best_of: BestOf, is_fit: Callable[[str], bool]) -> None:
        self.caller: CallerOf = caller_of(best_of.by) if best_of.by else _nobody
        self.allowed = {tier: best_of.allowed(tier) for tier in Tier}
        common = UpstreamRace(best_of, is_fit)
        self._races = {
            tier: UpstreamRace(best_of, is_fit) if best_of.per_tier else common for tier in Tier
        }

    def race(self, tier: Tier) -> UpstreamRace:
        return self._races[tier]


def _unknown(_upstream: str) -> bool:
    return True


def _nobody(_exchange: Exchange) -> bytes:
    return b""
