"""One upstream of a worker: its servers, their connections, and who gets which request."""

from collections.abc import Callable
from random import random

from lukhas.clock import Clock
from lukhas.config.targets import TargetAddress, parse_target
from lukhas.config.upstreams import UpstreamSettings
from lukhas.errors import ConfigError, UpstreamError
from lukhas.gateway.balanced_upstream import BalancedUpstream
from lukhas.gateway.dialling import Dial
from lukhas.gateway.target_selection import Target
from lukhas.gateway.traced_forwarding import CallTracing
from lukhas.gateway.upstream_lane import lane_of
from lukhas.gateway.upstream_server import ServerMaker, dial_of
from lukhas.gateway.websocket_upgrade import UpgradeTarget
from lukhas.hub.balancing import balancing_policies
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stage import Handler
from lukhas.policy.balancing.balancer import Candidate
from lukhas.policy.balancing.loads import Load
from lukhas.telemetry.health import PartHealth
from lukhas.telemetry.targets import TargetReport

__all__ = ("Upstream", "dials_of", "targets_of")


def targets_of(settings: UpstreamSettings) -> tuple[TargetAddress, ...]:
    """The servers of an upstream.

    Raises:
        ConfigError: there is none.
    """
    return tuple(map(parse_target, _texts_of(settings)))


def _texts_of(settings: UpstreamSettings) -> tuple[str, ...]:
    texts = (*((settings.url,) if settings.url is not None else ()), *settings.targets)
    if not texts:
        raise ConfigError(
            "no upstream is set", where="upstream.url", hint="give the address of the API"
        )
    return texts


def dials_of(settings: UpstreamSettings) -> tuple[Dial, ...]:
    """What opens connections to each server of an upstream.

    Raises:
        ConfigError: there is none, or a file for TLS cannot be used.
    """
    return tuple(dial_of(target, settings) for target in targets_of(settings))


class Upstream:
    """An API that a worker forwards requests to.

    With one server there is nothing to choose, and nothing stands before the connection to it.

    Args:
        name: what it is called.
        settings: where it is, and how it is spoken to.
        body_bytes: size of a request body where the route sets none; 0 for no limit.
        clock: where time comes from.
        on_error: told of each failure.
        tracing: what is needed to trace calls; None where they are not.

    Attributes:
        name: as given.
        handler: sends an exchange on.
        lane: its priority lane; None where there is none.

    Raises:
        ConfigError: the settings name no server, or a file for TLS cannot be used.
    """

    def __init__(
        self,
        name: str,
        settings: UpstreamSettings,
        *,
        body_bytes: int,
        clock: Clock,
        on_error: Callable[[UpstreamError], None],
        tracing: CallTracing | None = None,
    ) -> None:
        self.name = name
        self.lane = lane_of(settings)
        maker = ServerMaker(
            name,
            settings,
            body_bytes=body_bytes,
            on_error=on_error,
            lane=self.lane,
            tracing=tracing,
        )
        self._servers = [maker.make(address) for address in targets_of(settings)]
        self.handler: Handler = self._servers[0].way
        self._balanced: BalancedUpstream | None = None
        self._upgrades = {str(server.address): server.upgrade for server in self._servers}
        self._targets: list[Target] = []
        if len(self._servers) > 1:
            weights = [settings.weights.get(text, 1) for text in _texts_of(settings)]
            self._targets = [
                Target(Candidate(str(server.address), Load(), weight=weight), server.way)
                for server, weight in zip(self._servers, weights, strict=True)
            ]
            self._balanced = BalancedUpstream(
                name,
                self._targets,
                balancing_policies(
                    settings.balancing, tally=None if self.lane is None else self.lane.tally
                ),
                clock=clock,
                draw=random,
                lane=self.lane,
            )
            self.handler = self._balanced.forward

    def upgrade(self, exchange: Exchange) -> UpgradeTarget:
        """The server that a WebSocket handshake goes to.

        Raises:
            UpstreamConnectError: all are drained.
        """
        if self._balanced is None:
            return self._servers[0].upgrade
        return self._upgrades[self._balanced.choose(exchange).candidate.key]

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return sum(server.pool.counts()[0] for server in self._servers)

    @property
    def retries(self) -> int:
        """How many requests were sent again."""
        return 0 if self._balanced is None else self._balanced.retries

    @property
    def hedges(self) -> int:
        """How many requests were sent twice because the answer was late."""
        return 0 if self._balanced is None else self._balanced.hedges

    def is_fit(self) -> bool:
        """Whether any server is fit; nobody looks after an only one."""
        return self._balanced is None or self._balanced.is_fit()

    def left_out(self) -> int:
        """How many servers get no requests now, unless too few are left."""
        return 0 if self._balanced is None else self._balanced.left_out()

    @property
    def size(self) -> int:
        """How many servers there are."""
        return len(self._servers)

    def targets(self) -> list[TargetReport]:
        """How each of its servers stands, and how it does."""
        balanced = self._balanced
        if balanced is None:
            return [server.report(self.name) for server in self._servers]
        return [
            server.report(self.name, balanced.seen(target))
            for server, target in zip(self._servers, self._targets, strict=True)
        ]

    def parts(self) -> list[PartHealth]:
        """Its servers are in the settings: there is nothing to tell."""
        return []

    async def ready(self) -> None:
        """There is nothing to wait for."""

    def start(self) -> None:
        """Begins to ask the servers how they are, if that is set."""
        if self._balanced is not None and self._balanced.probing is not None:
            self._balanced.probing.start()

    async def close(self) -> None:
        """Closes every connection."""
        if self._balanced is not None and self._balanced.probing is not None:
            await self._balanced.probing.stop()
        for server in self._servers:
            server.pool.close()
