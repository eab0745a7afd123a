"""The upstream of a worker: its servers, their connections, and who gets which request."""

from random import random

from lukhas.clock import Clock
from lukhas.config.settings import Settings
from lukhas.config.targets import TargetAddress, parse_target
from lukhas.config.upstreams import UpstreamSettings
from lukhas.errors import ConfigError
from lukhas.gateway.balanced_upstream import BalancedUpstream
from lukhas.gateway.dialling import Dial
from lukhas.gateway.forwarding import Forwarding
from lukhas.gateway.target_selection import Target
from lukhas.gateway.upstream_connection import UpstreamTimeouts
from lukhas.gateway.upstream_pool import UpstreamPool
from lukhas.gateway.upstream_tls import upstream_context
from lukhas.hub.balancing import balancing_policies
from lukhas.pipeline.stage import Handler
from lukhas.policy.balancing.balancer import Candidate
from lukhas.policy.balancing.loads import Load
from lukhas.telemetry.recorder import Recorder

__all__ = ("Upstream", "dials_of", "targets_of")

_NAME = "default"


def targets_of(settings: UpstreamSettings) -> tuple[TargetAddress, ...]:
    """The servers of an upstream.

    Raises:
        ConfigError: there is none.
    """
    texts = (*((settings.url,) if settings.url is not None else ()), *settings.targets)
    if not texts:
        raise ConfigError(
            "no upstream is set", where="upstream.url", hint="give the address of the API"
        )
    return tuple(map(parse_target, texts))


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
    """What a worker forwards requests to.

    With one server there is nothing to choose, and nothing stands before the connection to it.

    Args:
        settings: the effective settings.
        recorder: is told of failures.
        clock: where time comes from.

    Attributes:
        handler: sends an exchange on.
        first: sends an exchange to the first server.
        dial: opens a connection to the first server.

    Raises:
        ConfigError: the settings name no server, or a file for TLS cannot be used.
    """

    def __init__(self, settings: Settings, recorder: Recorder, clock: Clock) -> None:
        self._settings = settings
        self._recorder = recorder
        targets, dials = targets_of(settings.upstream), dials_of(settings.upstream)
        self._pools = [self._pool(dial) for dial in dials]
        ways = [
            self._forwarding(pool, target)
            for pool, target in zip(self._pools, targets, strict=True)
        ]
        self.first, self.dial = ways[0], dials[0]
        self.handler: Handler = ways[0]
        self._balanced: BalancedUpstream | None = None
        if len(ways) > 1:
            self._balanced = BalancedUpstream(
                _NAME,
                [
                    Target(Candidate(str(target), Load()), way)
                    for target, way in zip(targets, ways, strict=True)
                ],
                balancing_policies(settings.upstream.balancing),
                clock=clock,
                draw=random,
            )
            self.handler = self._balanced.forward

    def _pool(self, dial: Dial) -> UpstreamPool:
        upstream = self._settings.upstream
        return UpstreamPool(
            _NAME,
            dial,
            timeouts=UpstreamTimeouts(
                connect_s=upstream.connect_timeout_s,
                response_s=upstream.response_timeout_s,
                idle_s=upstream.idle_timeout_s,
            ),
            connections=upstream.pool_connections,
            idle_s=upstream.pool_idle_s,
        )

    def _forwarding(self, pool: UpstreamPool, target: TargetAddress) -> Forwarding:
        return Forwarding(
            pool,
            prefix=target.prefix.encode("ascii"),
            body_bytes=self._settings.server.body_bytes,
            on_error=lambda error: self._recorder.upstream_failed(error.upstream, error.kind),
        )

    def show(self, recorder: Recorder) -> None:
        """Adds its figures to the metrics."""
        recorder.watch("upstream_connections", lambda: sum(p.counts()[0] for p in self._pools))
        balanced = self._balanced
        if balanced is not None:
            recorder.watch("upstream_retries", lambda: balanced.retries)
            recorder.watch("upstream_targets_left_out", balanced.left_out)

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
