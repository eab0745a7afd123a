"""An upstream whose servers are found, and may be others every minute."""

import asyncio
from collections.abc import Callable, Coroutine
from random import random
from typing import Any

from lukhas.clock import Clock
from lukhas.config.targets import parse_target
from lukhas.config.upstreams import UpstreamSettings
from lukhas.errors import ConfigError, UpstreamConnectError, UpstreamError
from lukhas.gateway.balanced_upstream import BalancedUpstream
from lukhas.gateway.discovery import FoundServer, ServerSource, ServerWatch
from lukhas.gateway.target_selection import Target
from lukhas.gateway.traced_forwarding import CallTracing
from lukhas.gateway.upstream_lane import lane_of
from lukhas.gateway.upstream_server import ServerMaker, TargetView, UpstreamServer
from lukhas.gateway.websocket_upgrade import UpgradeTarget
from lukhas.http.messages import Response
from lukhas.hub.balancing import balancing_policies
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stage import Handler
from lukhas.policy.balancing.balancer import Candidate
from lukhas.policy.balancing.loads import Load
from lukhas.telemetry.health import PartHealth
from lukhas.telemetry.targets import TargetReport

__all__ = ("DiscoveredUpstream", "source_of")

_FIRST_ANSWER_S = 6.0


def source_of(settings: UpstreamSettings) -> ServerSource:
    """What knows the servers of an upstream.

    Raises:
        ConfigError: the upstream has no `url`, or none that can be found so.
    """
    # Here and not above: only who looks for servers pays for the parser of the DNS.
    from lukhas.gateway.dns_source import DnsSource, DnsTerms, SrvSource
    from lukhas.gateway.file_source import FileSource

    if settings.url is None:
        hint = "say how its servers are spoken to"
        raise ConfigError("no upstream is set", where="upstream.url", hint=hint)
    like, discovery = parse_target(settings.url), settings.discovery
    if discovery.by == "file" and discovery.file is not None:
        return FileSource(discovery.file, like)
    terms = DnsTerms(
        discovery.nameservers,
        discovery.least_ttl_s,
        discovery.most_ttl_s,
        settings.allow_link_local,
    )
    if discovery.by == "srv":
        return SrvSource(discovery.service, like, terms)
    return DnsSource(like, terms)


class DiscoveredUpstream:
    """As `Upstream`, but servers come and go while it is served.

    One that stays keeps its connections and all that is known of it; one that is new starts slowly,
    unless all are; one that goes ends what it has begun.

    Args:
        name: what it is called.
        settings: where it is, and how it is spoken to.
        source: knows the servers.
        body_bytes: size of a request body where the route sets none; 0 for no limit.
        clock: where time comes from.
        on_error: told of each failure.
        tracing: what is needed to trace calls; None where they are not.

    Attributes:
        name: as given.
        handler: sends an exchange on.
        watch: asks the source.
        lane: its priority lane; None where there is none.
    """

    def __init__(
        self,
        name: str,
        settings: UpstreamSettings,
        source: ServerSource,
        *,
        body_bytes: int,
        clock: Clock,
        on_error: Callable[[UpstreamError], None],
        tracing: CallTracing | None = None,
    ) -> None:
        self.name = name
        self._settings = settings
        self._clock = clock
        self.lane = lane_of(settings)
        self._maker = ServerMaker(
            name,
            settings,
            body_bytes=body_bytes,
            on_error=on_error,
            lane=self.lane,
            tracing=tracing,
        )
        self._host = "" if settings.url is None else parse_target(settings.url).authority
        self._servers: dict[str, tuple[UpstreamServer, Target]] = {}
        self._retired: set[UpstreamServer] = set()
        self._balanced: BalancedUpstream | None = None
        self._earlier_retries = 0
        self._earlier_hedges = 0
        self._jobs: set[asyncio.Task[None]] = set()
        self.watch = ServerWatch(name, source, self.apply, draw=random)
        self.handler: Handler = self._forward

    def apply(self, found: tuple[FoundServer, ...]) -> None:
        """From now on these are the servers."""
        before, now_ns = self._servers, self._clock.now_ns()
        servers: dict[str, tuple[UpstreamServer, Target]] = {}
        for one in found:
            key = one.address.url
            known = before.get(key)
            servers[key] = known or self._made(one, back_ns=now_ns if before else 0)
            target = servers[key][1]
            target.candidate.weight, target.priority = one.weight, one.priority
        self._servers = servers
        for key, (server, _) in before.items():
            if key not in servers:
                server.pool.retire()
                self._retired.add(server)
        self._retired = {server for server in self._retired if server.pool.counts()[0]}
        self._balance()

    def _made(self, one: FoundServer, *, back_ns: int) -> tuple[UpstreamServer, Target]:
        server = self._maker.make(
            one.address, server_name=one.server_name, host=self._host if one.server_name else ""
        )
        target = Target(Candidate(str(one.address), Load()), server.way, back_ns=back_ns)
        return server, target

    def _balance(self) -> None:
        old = self._balanced
        if old is not None:
            self._earlier_retries += old.retries
            self._earlier_hedges += old.hedges
            if old.probing is not None:
                self._do(old.probing.stop())
        self._balanced = BalancedUpstream(
            self.name,
            [target for _, target in self._servers.values()],
            balancing_policies(
                self._settings.balancing, tally=None if self.lane is None else self.lane.tally
            ),
            clock=self._clock,
            draw=random,
            lane=self.lane,
        )
        if self._balanced.probing is not None:
            self._balanced.probing.start()

    def _do(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(job)
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)

    def _forward(self, exchange: Exchange) -> Coroutine[Any, Any, Response]:
        if self._balanced is None:
            return self._unknown()
        return self._balanced.forward(exchange)

    async def _unknown(self) -> Response:
        raise self._no_server()

    def _no_server(self) -> UpstreamConnectError:
        return UpstreamConnectError(self.name, f"no server: {self.watch.failure}", sent=False)

    def upgrade(self, exchange: Exchange) -> UpgradeTarget:
        """The server that a WebSocket handshake goes to.

        Raises:
            UpstreamConnectError: there is none.
        """
        if self._balanced is None:
            raise self._no_server()
        chosen = self._balanced.choose(exchange)
        return next(server.upgrade for server, target in self._servers.values() if target is chosen)

    @property
    def connections(self) -> int:
        """How many connections are open."""
        servers = [server for server, _ in self._servers.values()]
        return sum(server.pool.counts()[0] for server in (*servers, *self._retired))

    @property
    def retries(self) -> int:
        """How many requests were sent again."""
        return self._earlier_retries + (self._balanced.retries if self._balanced else 0)

    @property
    def hedges(self) -> int:
        """How many requests were sent twice because the answer was late."""
        return self._earlier_hedges + (self._balanced.hedges if self._balanced else 0)

    def is_fit(self) -> bool:
        """Whether any server is known and fit."""
        return self._balanced is not None and self._balanced.is_fit()

    def left_out(self) -> int:
        """How many servers get no requests now, unless too few are left."""
        return self._balanced.left_out() if self._balanced is not None else 0

    @property
    def size(self) -> int:
        """How many servers are known."""
        return len(self._servers)

    def targets(self) -> list[TargetReport]:
        """How each of its servers stands, and how it does; those that end their work too."""
        balanced = self._balanced
        if balanced is None:
            return []
        leaving = [server for server in self._retired if server.pool.counts()[0]]
        return [
            *(s.report(self.name, balanced.seen(target)) for s, target in self._servers.values()),
            *(s.report(self.name, TargetView("draining", 0, s.pool.counts()[0])) for s in leaving),
        ]

    def parts(self) -> list[PartHealth]:
        """Whether the servers are known."""
        return [self.watch.part()]

    def start(self) -> None:
        """Begins to look for servers."""
        self.watch.start()

    async def ready(self) -> None:
        """Waits for the first answer about the servers, but not for ever."""
        try:
            async with asyncio.timeout(_FIRST_ANSWER_S):
                await self.watch.asked()
        except TimeoutError:
            return

    async def close(self) -> None:
        """Closes every connection."""
        await self.watch.stop()
        if self._balanced is not None and self._balanced.probing is not None:
            await self._balanced.probing.stop()
        await asyncio.gather(*self._jobs)
        for server in (*(server for server, _ in self._servers.values()), *self._retired):
            server.pool.close()
