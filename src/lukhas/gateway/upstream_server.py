"""One server of an upstream, as a worker has it: its connections, and the ways that use them."""

from collections.abc import Callable
from dataclasses import dataclass

from lukhas.config.targets import TargetAddress
from lukhas.config.upstreams import UpstreamSettings
from lukhas.errors import UpstreamError
from lukhas.gateway.dialling import Dial
from lukhas.gateway.forwarding import Forwarding
from lukhas.gateway.traced_forwarding import CallTracing, TracedForwarding
from lukhas.gateway.upstream_connection import UpstreamTimeouts
from lukhas.gateway.upstream_lane import UpstreamLane
from lukhas.gateway.upstream_pool import UpstreamPool
from lukhas.gateway.upstream_tls import upstream_context
from lukhas.gateway.websocket_upgrade import UpgradeTarget
from lukhas.policy.resilience.standings import Standing
from lukhas.policy.routing.priority_lane import LaneQueue
from lukhas.telemetry.targets import TargetReport

__all__ = ("ServerMaker", "TargetView", "UpstreamServer", "dial_of")


@dataclass(frozen=True, slots=True)
class TargetView:
    """What those who choose among servers know of one.

    Attributes:
        standing: whether it gets requests, and if not, why.
        weight: its weight.
        in_flight: requests under way.
        latency_ns: its moving average; 0 where it is not known.
        out_until_ns: until when it is left out; 0 if it is not.
    """

    standing: Standing
    weight: int
    in_flight: int
    latency_ns: float = 0.0
    out_until_ns: int = 0


@dataclass(frozen=True, slots=True)
class UpstreamServer:
    """A server.

    Attributes:
        address: where it is.
        pool: its connections.
        way: sends an exchange to it.
        upgrade: opens WebSocket connections to it.
    """

    address: TargetAddress
    pool: UpstreamPool
    way: Forwarding
    upgrade: UpgradeTarget

    def report(self, upstream: str, view: TargetView | None = None) -> TargetReport:
        """What there is to tell of it.

        Args:
            upstream: the name of its upstream.
            view: what is known where one is chosen among several; None where it is the only one.
        """
        connections, idle = self.pool.counts()
        seen = view or TargetView("healthy", 1, connections - idle)
        tally = self.way.tally
        return TargetReport(
            upstream=upstream,
            address=self.address.url,
            standing=seen.standing,
            weight=seen.weight,
            in_flight=seen.in_flight,
            connections=connections,
            latency_ns=seen.latency_ns,
            answers=tally.answers,
            faults=tally.faults,
            failures=tally.failures,
            out_until_ns=seen.out_until_ns,
        )


def dial_of(address: TargetAddress, settings: UpstreamSettings, *, server_name: str = "") -> Dial:
    """What opens connections to a server.

    Args:
        address: where it is.
        settings: those of its upstream.
        server_name: the name that its certificate must have where the settings say nothing.

    Raises:
        ConfigError: a file for TLS cannot be used.
    """
    tls = upstream_context(settings.tls) if address.scheme == "https" else None
    return Dial(
        address,
        tls=tls,
        server_name=settings.tls.server_name or server_name,
        allow_link_local=settings.allow_link_local,
    )


class ServerMaker:
    """Makes what a worker has for each server of an upstream.

    Args:
        name: of the upstream.
        settings: of the upstream.
        body_bytes: size of a request body where the route sets none; 0 for no limit.
        on_error: told of each failure.
        lane: its priority lane; None where there is none.
        tracing: what is needed to trace calls; None where they are not.
    """

    def __init__(
        self,
        name: str,
        settings: UpstreamSettings,
        *,
        body_bytes: int,
        on_error: Callable[[UpstreamError], None],
        lane: UpstreamLane | None = None,
        tracing: CallTracing | None = None,
    ) -> None:
        self._name = name
        self._settings = settings
        self._body_bytes = body_bytes
        self._on_error = on_error
        self._lane = lane
        self._tracing = tracing

    def make(
        self, address: TargetAddress, *, server_name: str = "", host: str = ""
    ) -> UpstreamServer:
        """One server.

        Args:
            address: where it is.
            server_name: see `dial_of`.
            host: the `Host` that the target itself is asked with; that of the address if empty.

        Raises:
            ConfigError: a file for TLS cannot be used.
        """
        settings, lane = self._settings, self._lane
        dial = dial_of(address, settings, server_name=server_name)
        pool = UpstreamPool(
            self._name,
            dial,
            timeouts=UpstreamTimeouts(
                connect_s=settings.connect_timeout_s,
                response_s=settings.response_timeout_s,
                idle_s=settings.idle_timeout_s,
            ),
            connections=settings.pool_connections,
            idle_s=settings.pool_idle_s,
            waiting=None if lane is None else LaneQueue(lane.terms.oldest_every, lane.tally),
        )
        asked = {"client": None, "target": host or address.authority}.get(
            settings.host, settings.host
        )
        way = self._way(pool, address, None if asked is None else asked.encode("ascii"))
        upgrade = UpgradeTarget(
            dial,
            upstream=self._name,
            connect_s=settings.connect_timeout_s,
            response_s=settings.response_timeout_s,
            head=way.head_of,
        )
        return UpstreamServer(address, pool, way, upgrade)

    def _way(self, pool: UpstreamPool, address: TargetAddress, host: bytes | None) -> Forwarding:
        prefix = address.prefix.encode("ascii")
        if self._tracing is None:
            return Forwarding(
                pool,
                prefix=prefix,
                host=host,
                body_bytes=self._body_bytes,
                on_error=self._on_error,
                lane=self._lane,
            )
        return TracedForwarding(
            pool,
            self._tracing,
            upstream=self._name,
            address=address,
            prefix=prefix,
            host=host,
            body_bytes=self._body_bytes,
            on_error=self._on_error,
            lane=self._lane,
        )
