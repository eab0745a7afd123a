"""All upstreams of a worker, and which of them an exchange goes to."""

import asyncio
from collections.abc import Coroutine
from random import random
from typing import Any

from lukhas.clock import Clock
from lukhas.config.named_upstreams import named_upstreams
from lukhas.config.settings import Settings
from lukhas.config.upstreams import UpstreamSettings
from lukhas.errors import UpstreamError
from lukhas.gateway.discovered_upstream import DiscoveredUpstream, source_of
from lukhas.gateway.measured_forwarding import MeasuredForwarding
from lukhas.gateway.mirrors import Mirrors
from lukhas.gateway.route_forwarding import RouteForwarding
from lukhas.gateway.traced_forwarding import CallTracing
from lukhas.gateway.upstream import Upstream
from lukhas.gateway.websocket_upgrade import UpgradeTarget
from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stage import Handler
from lukhas.telemetry.health import PartHealth
from lukhas.telemetry.recorder import Recorder
from lukhas.telemetry.targets import TargetReport

__all__ = ("Upstreams",)


class Upstreams:
    """What a worker forwards requests to.

    Where there is one upstream, nothing stands before it.

    Args:
        settings: the effective settings.
        recorder: is told of failures.
        clock: where time comes from.
        tracing: what is needed to trace calls; None where they are not.

    Attributes:
        handler: sends an exchange on to its upstream.

    Raises:
        ConfigError: the settings name no server, or a file for TLS cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        recorder: Recorder,
        clock: Clock,
        *,
        tracing: CallTracing | None = None,
    ) -> None:
        self._recorder = recorder
        self._tracing = tracing
        self._by_name = {
            name: self._made(name, upstream, settings.server.body_bytes, clock)
            for name, upstream in named_upstreams(settings).items()
        }
        self._all = tuple(self._by_name.values())
        self._handlers = {name: upstream.handler for name, upstream in self._by_name.items()}
        mirrored = any(route.mirror is not None for route in settings.routes)
        self._mirrors = Mirrors(self._handlers) if mirrored else None
        only = self._all[0].handler if len(self._all) == 1 else None
        self.handler: Handler = self._forward if only is None else only
        if mirrored or _is_timed(settings):
            self.handler = RouteForwarding(
                self.handler,
                timeouts_s={
                    name: each.timeout_s for name, each in named_upstreams(settings).items()
                },
                mirrors=self._mirrors,
                draw=random,
                on_error=self._failed,
            )
        if any(route.best_of is not None for route in settings.routes):
            self.handler = MeasuredForwarding(self.handler, clock.now_ns)

    def _made(
        self, name: str, settings: UpstreamSettings, body_bytes: int, clock: Clock
    ) -> Upstream | DiscoveredUpstream:
        if settings.discovery.by == "none":
            return Upstream(
                name,
                settings,
                body_bytes=body_bytes,
                clock=clock,
                on_error=self._failed,
                tracing=self._tracing,
            )
        return DiscoveredUpstream(
            name,
            settings,
            source_of(settings),
            body_bytes=body_bytes,
            clock=clock,
            on_error=self._failed,
            tracing=self._tracing,
        )

    def _forward(self, exchange: Exchange) -> Coroutine[Any, Any, Response]:
        # No coroutine of its own: that of the upstream is given back.
        return self._handlers[exchange.upstream_name](exchange)

    def upgrade(self, exchange: Exchange) -> UpgradeTarget:
        """Where a WebSocket handshake goes; see `Upstream.upgrade`."""
        return self._by_name[exchange.upstream_name].upgrade(exchange)

    def is_fit(self, name: str) -> bool:
        """Whether any server of an upstream is fit."""
        return self._by_name[name].is_fit()

    def _failed(self, error: UpstreamError) -> None:
        self._recorder.upstream_failed(error.upstream, error.kind)

    def show(self, recorder: Recorder) -> None:
        """Adds its figures to the metrics."""
        every = self._all
        recorder.watch("upstream_connections", lambda: sum(each.connections for each in every))
        recorder.watch("upstream_retries", lambda: sum(each.retries for each in every))
        recorder.watch("upstream_hedges", lambda: sum(each.hedges for each in every))
        recorder.watch("upstream_targets", lambda: sum(each.size for each in every))
        lanes = [each.lane.tally for each in every if each.lane is not None]
        if lanes:
            recorder.watch("upstream_lane_overtook", lambda: sum(lane.overtook for lane in lanes))
            recorder.watch("upstream_lane_yielded", lambda: sum(lane.yielded for lane in lanes))
            recorder.watch("upstream_lane_gave_way", lambda: sum(lane.gave_way for lane in lanes))
        if self._mirrors is not None:
            mirrors = self._mirrors
            recorder.watch("mirrored_requests", lambda: mirrors.sent)
            recorder.watch("mirrored_requests_dropped", lambda: mirrors.dropped)
            recorder.watch("mirrored_requests_failed", lambda: mirrors.failed)
        recorder.watch("upstream_targets_left_out", lambda: sum(each.left_out() for each in every))

    def start(self) -> None:
        """Begins to ask the servers how they are, and who they are, where that is set."""
        for upstream in self._all:
            upstream.start()

    async def ready(self) -> None:
        """Waits until the servers of each upstream are known, or plainly cannot be."""
        await asyncio.gather(*(upstream.ready() for upstream in self._all))

    def parts(self) -> list[PartHealth]:
        """Whether the servers of each upstream are known."""
        return [part for upstream in self._all for part in upstream.parts()]

    def targets(self) -> list[TargetReport]:
        """How each server of each upstream stands, and how it does."""
        return [target for upstream in self._all for target in upstream.targets()]

    async def close(self) -> None:
        """Closes every connection."""
        if self._mirrors is not None:
            await self._mirrors.close()
        for upstream in self._all:
            await upstream.close()


def _is_timed(settings: Settings) -> bool:
    """Whether an answer must come in time, all tries together."""
    if any(upstream.timeout_s for upstream in named_upstreams(settings).values()):
        return True
    return any(route.timeout_s for route in settings.routes)
