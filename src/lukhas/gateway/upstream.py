"""One upstream of a worker: its servers, their connections, and who gets which request."""

from collections.abc import Callable
from random import random

from lukhas.clock import Clock
from lukhas.config.targets import TargetAddress, parse_target
from lukhas.config.upstreams import UpstreamSettings
from lukhas.errors import ConfigError, UpstreamError
from lukhas.gateway.balanced_upstream import BalancedUpstream
from lukhas.gateway.dialling import Dial
from lukhas.gateway.forwarding import Forwarding
from lukhas.gateway.target_selection import Target
from lukhas.gateway.upstream_connection import UpstreamTimeouts
from lukhas.gateway.upstream_pool import UpstreamPool
from lukhas.gateway.upstream_tls import upstream_context
from lukhas.gateway.websocket_upgrade import UpgradeTarget
from lukhas.hub.balancing import balancing_policies
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stage import Handler
from lukhas.policy.balancing.balancer import Candidate
from lukhas.policy.balancing.loads import Load

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
    targets = targets_of(settings)
    tls = None
    if any(target.scheme == "https" for target in targets):
        tls = upstream_context(settings.tls)
    return tuple(
        Dial(
            target,
            tls=tls if target.scheme == "https" else None,
            server_name=settings.tls.server_name or "",
            allow_link_local=settings.allow_link_local,
        )
        for target in targets
    )


class Upstream:
    """An API that a worker forwards requests to.

    With one server there is nothing to choose, and nothing stands before the connection to it.

    Args:
        name: what it is called.
        settings: where it is, and how it is spoken to.
        body_bytes: size of a request body where the route sets none; 0 for no limit.
        clock: where time comes from.
        on_error: told of each failure.

    Attributes:
        name: as given.
        handler: sends an exchange on.

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
    ) -> None:
        self.name = name
        self._settings = settings
        self._body_bytes = body_bytes
        self._on_error = on_error
        addresses, dials = targets_of(settings), dials_of(settings)
        self._pools = [self._pool(dial) for dial in dials]
        ways = [
            self._forwarding(pool, address)
            for pool, address in zip(self._pools, addresses, strict=True)
        ]
        self.handler: Handler = ways[0]
        self._balanced: BalancedUpstream | None = None
        upgrades = [self._upgrade(dial, way) for dial, way in zip(dials, ways, strict=True)]
        self._upgrades = {str(at): upgrade for at, upgrade in zip(addresses, upgrades, strict=True)}
        self._first_upgrade = upgrades[0]
        if len(ways) > 1:
            weights = [settings.weights.get(text, 1) for text in _texts_of(settings)]
            self._balanced = BalancedUpstream(
                name,
                [
                    Target(Candidate(str(address), Load(), weight=weight), way)
                    for address, way, weight in zip(addresses, ways, weights, strict=True)
                ],
                balancing_policies(settings.balancing),
                clock=clock,
                draw=random,
            )
            self.handler = self._balanced.forward

    def _pool(self, dial: Dial) -> UpstreamPool:
        settings = self._settings
        return UpstreamPool(
            self.name,
            dial,
            timeouts=UpstreamTimeouts(
                connect_s=settings.connect_timeout_s,
                response_s=settings.response_timeout_s,
                idle_s=settings.idle_timeout_s,
            ),
            connections=settings.pool_connections,
            idle_s=settings.pool_idle_s,
        )

    def _forwarding(self, pool: UpstreamPool, address: TargetAddress) -> Forwarding:
        host = self._settings.host
        own = {"client": None, "target": address.authority}.get(host, host)
        return Forwarding(
            pool,
            prefix=address.prefix.encode("ascii"),
            host=None if own is None else own.encode("ascii"),
            body_bytes=self._body_bytes,
            on_error=self._on_error,
        )

    def _upgrade(self, dial: Dial, way: Forwarding) -> UpgradeTarget:
        return UpgradeTarget(
            dial,
            upstream=self.name,
            connect_s=self._settings.connect_timeout_s,
            response_s=self._settings.response_timeout_s,
            head=way.head_of,
        )

    def upgrade(self, exchange: Exchange) -> UpgradeTarget:
        """The server that a WebSocket handshake goes to.

        Raises:
            UpstreamConnectError: all are drained.
        """
        if self._balanced is None:
            return self._first_upgrade
        return self._upgrades[self._balanced.choose(exchange).candidate.key]

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return sum(pool.counts()[0] for pool in self._pools)

    @property
    def retries(self) -> int:
        """How many requests were sent again."""
        return 0 if self._balanced is None else self._balanced.retries

    @property
    def hedges(self) -> int:
        """How many requests were sent twice because the answer was late."""
        return 0 if self._balanced is None else self._balanced.hedges

    def left_out(self) -> int:
        """How many servers get no requests now, unless too few are left."""
        return 0 if self._balanced is None else self._balanced.left_out()

    def start(self) -> None:
        """Begins to ask the servers how they are, if that is set."""
        if self._balanced is not None and self._balanced.probing is not None:
            self._balanced.probing.start()

    async def close(self) -> None:
        """Closes every connection."""
        if self._balanced is not None and self._balanced.probing is not None:
            await self._balanced.probing.stop()
        for pool in self._pools:
            pool.close()
