"""All upstreams of a worker, and which of them an exchange goes to."""

from collections.abc import Coroutine, Iterator
from typing import Any

from lukhas.clock import Clock
from lukhas.config.settings import Settings
from lukhas.config.upstreams import UpstreamSettings
from lukhas.errors import UpstreamError
from lukhas.gateway.upstream import Upstream
from lukhas.gateway.websocket_upgrade import UpgradeTarget
from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stage import Handler
from lukhas.policy.routing.splitting import DEFAULT_UPSTREAM
from lukhas.telemetry.recorder import Recorder

__all__ = ("Upstreams", "named_upstreams")


def named_upstreams(settings: Settings) -> Iterator[tuple[str, UpstreamSettings]]:
    """The upstreams by name; first that of all requests whose route names no other.

    Where `upstream` names no server, that is the first of `upstreams`, under its own name too.
    """
    default = settings.upstream
    if default.url is None and not default.targets and settings.upstreams:
        yield DEFAULT_UPSTREAM, settings.upstreams[0]
    else:
        yield DEFAULT_UPSTREAM, default
    for upstream in settings.upstreams:
        yield upstream.name, upstream


class Upstreams:
    """What a worker forwards requests to.

    Where there is one upstream, nothing stands before it.

    Args:
        settings: the effective settings.
        recorder: is told of failures.
        clock: where time comes from.

    Attributes:
        handler: sends an exchange on to its upstream.

    Raises:
        ConfigError: the settings name no server, or a file for TLS cannot be used.
    """

    def __init__(self, settings: Settings, recorder: Recorder, clock: Clock) -> None:
        self._recorder = recorder
        made: dict[int, Upstream] = {}
        self._by_name: dict[str, Upstream] = {}
        for name, one in named_upstreams(settings):
            # The first of several may be there under two names: its connections are the same.
            upstream = made.get(id(one))
            if upstream is None:
                upstream = made[id(one)] = Upstream(
                    getattr(one, "name", name),
                    one,
                    body_bytes=settings.server.body_bytes,
                    clock=clock,
                    on_error=self._failed,
                )
            self._by_name[name] = upstream
        self._all = tuple(made.values())
        self._handlers = {name: upstream.handler for name, upstream in self._by_name.items()}
        only = self._all[0].handler if len(self._all) == 1 else None
        self.handler: Handler = self._forward if only is None else only

    def _forward(self, exchange: Exchange) -> Coroutine[Any, Any, Response]:
        # No coroutine of its own: that of the upstream is given back.
        return self._handlers[exchange.upstream_name](exchange)

    def upgrade(self, exchange: Exchange) -> UpgradeTarget:
        """Where a WebSocket handshake goes; see `Upstream.upgrade`."""
        return self._by_name[exchange.upstream_name].upgrade(exchange)

    def _failed(self, error: UpstreamError) -> None:
        self._recorder.upstream_failed(error.upstream, error.kind)

    def show(self, recorder: Recorder) -> None:
        """Adds its figures to the metrics."""
        every = self._all
        recorder.watch("upstream_connections", lambda: sum(each.connections for each in every))
        recorder.watch("upstream_retries", lambda: sum(each.retries for each in every))
        recorder.watch("upstream_targets_left_out", lambda: sum(each.left_out() for each in every))

    def start(self) -> None:
        """Begins to ask the servers how they are, where that is set."""
        for upstream in self._all:
            upstream.start()

    async def close(self) -> None:
        """Closes every connection."""
        for upstream in self._all:
            await upstream.close()
