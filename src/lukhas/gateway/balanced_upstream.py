"""An upstream of several targets, put together: choosing, trying again, looking after them."""

from collections.abc import Callable, Sequence

from lukhas.clock import Clock
from lukhas.errors import UpstreamConnectError
from lukhas.gateway.balanced_forwarding import BalancedForwarding
from lukhas.gateway.probing import Probing
from lukhas.gateway.target_selection import Target, TargetSelection
from lukhas.gateway.upstream_lane import UpstreamLane
from lukhas.gateway.upstream_server import TargetView
from lukhas.hub.balancing import BalancingPolicies
from lukhas.pipeline.exchange import Exchange

__all__ = ("BalancedUpstream",)


class BalancedUpstream:
    """What a worker has for one upstream.

    Args:
        name: of the upstream.
        targets: all its targets; for another set of them, another one of this is made. A `Target`
            may go on from one to the next, with all that is known of it.
        policies: what decides; of this upstream alone.
        clock: where time comes from.
        draw: gives a random number from 0 to 1, 1 not included.
        lane: its priority lane; None where there is none.

    Attributes:
        forward: the handler.
        probing: asks the targets, once it is started; None where nothing is to be asked.
        retries: requests that were sent again.
        hedges: requests that were sent twice because the answer was late.
    """

    def __init__(
        self,
        name: str,
        targets: Sequence[Target],
        policies: BalancingPolicies,
        *,
        clock: Clock,
        draw: Callable[[], float],
        lane: UpstreamLane | None = None,
    ) -> None:
        selection = TargetSelection(
            targets,
            balancer=policies.balancer,
            draw=draw,
            outliers=policies.outliers,
            success_rates=policies.success_rates,
            warm_up_ns=policies.warm_up_ns,
            panic_share=policies.panic_share,
        )
        self._name = name
        self._sticky = policies.sticky
        self._lane = lane
        self._selection = selection
        self._clock = clock
        self.retries = 0
        self.hedges = 0
        self.forward = BalancedForwarding(
            name,
            selection,
            clock=clock,
            draw=draw,
            retries=policies.retries,
            sticky=policies.sticky,
            lane=lane,
            breaker=policies.breaker,
            on_retry=self._retried,
            hedges=policies.hedges,
            on_hedge=self._hedged,
        )
        self.probing: Probing | None = None
        if policies.probes is not None:
            self.probing = Probing(selection, policies.probes, clock=clock, draw=draw)

    def choose(self, exchange: Exchange) -> Target:
        """A target for what is not a request like any other, such as a WebSocket handshake.

        Raises:
            UpstreamConnectError: all are drained.
        """
        sticky = b"" if self._sticky is None else self._sticky(exchange)
        is_prior = self._lane is not None and self._lane.holds(exchange)
        now_ns = self._clock.now_ns()
        target = self._selection.choose(now_ns, sticky=sticky, is_prior=is_prior)
        if self._lane is not None and (choice := self._lane.tally.take_last()) is not None:
            exchange.verdicts.append(choice)
        if target is None:
            raise UpstreamConnectError(self._name, "it has no target", sent=False)
        return target

    def seen(self, target: Target) -> TargetView:
        """How one of the targets stands, and how it does."""
        now_ns = self._clock.now_ns()
        load = target.candidate.load
        return TargetView(
            self._selection.standing(target, now_ns),
            target.candidate.weight,
            load.in_flight,
            load.latency_ns,
            target.health.until_ns if target.health.is_out(now_ns) else 0,
        )

    def _retried(self) -> None:
        self.retries += 1

    def _hedged(self) -> None:
        self.hedges += 1

    def is_fit(self) -> bool:
        """Whether any target is fit to get requests."""
        return self._selection.is_fit(self._clock.now_ns())

    def left_out(self) -> int:
        """How many targets get no requests now, unless too few are left."""
        now_ns = self._clock.now_ns()
        return sum(
            target.health.is_out(now_ns) or not target.probed.is_fit
            for target in self._selection.targets
        )
