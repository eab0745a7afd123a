"""A data-plane worker: the process that carries the traffic."""

import asyncio
import gc
import logging
import random
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from typing import Any

import uvloop

from lukhas.config.secret_values import redaction_of
from lukhas.config.settings import Settings
from lukhas.errors import LukhasError
from lukhas.gateway.direct_way import DirectWay
from lukhas.gateway.faults import FaultStage
from lukhas.gateway.framing import FrontLimits
from lukhas.gateway.front_doors import FrontDoors, served_certificates
from lukhas.gateway.front_server import FrontServer
from lukhas.gateway.front_state import FrontState
from lukhas.gateway.pulse import PulseSender
from lukhas.gateway.reporting import Reporting
from lukhas.gateway.request_sampler import RequestSampler
from lukhas.gateway.traced_forwarding import CallTracing
from lukhas.gateway.upstreams import Upstreams
from lukhas.http.messages import Response
from lukhas.http.request_target import PathPolicy
from lukhas.hub.best_of import watch_servers
from lukhas.hub.cache import SERVE_DISK_BYTES
from lukhas.hub.child_link import (
    ChildTask,
    announce_ready,
    deaf_to_terminal,
    end_with_parent,
    read_task,
)
from lukhas.hub.fallbacks import fallback_stages
from lukhas.hub.hub import Hub
from lukhas.pipeline.driving import Run
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stages.observe import (
    Report,
    ReportedObserveStage,
    SampledObserveStage,
)
from lukhas.pipeline.timed_way import TimedWay
from lukhas.pipeline.tracing import TracingIntake, trace_of
from lukhas.telemetry.health import PartHealth
from lukhas.telemetry.link import TelemetrySender
from lukhas.telemetry.logs import configure_logging

__all__ = ("front_limits", "main", "serve")

_log = logging.getLogger("lukhas.gateway")

# A worker makes few cycles and holds many long-lived objects: the default thresholds would look
# through all of them, for tens of milliseconds, again and again.
_GC_THRESHOLDS = (50_000, 50, 100)


def main() -> None:
    """Runs the worker that the task on standard input describes, until SIGTERM."""
    deaf_to_terminal()
    try:
        task = read_task()
        end_with_parent()
        log = task.settings.log
        configure_logging(
            style=log.format,
            level=log.level.upper(),
            stream=sys.stderr,
            redaction=redaction_of(task.settings),
        )
        uvloop.run(_run(task))
    except LukhasError as error:
        sys.stderr.write(f"lukhas: {error}\n")
        sys.exit(2)


async def _run(task: ChildTask) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await serve(task, stop)


async def serve(task: ChildTask, stop: asyncio.Event) -> None:
    """Serves until `stop` is set, then drains.

    Raises:
        ConfigError: the settings name no upstream, or a file that cannot be used.
        NotAvailableError: an extra is needed and not installed.
        StateDirError: the state directory cannot be used.
    """
    settings = task.settings
    reporting = Reporting(settings, f"{task.name}.{task.generation}")
    hub = _hub(task, reporting)
    await hub.start()
    upstreams = Upstreams(settings, hub.recorder, hub.clock, tracing=_call_tracing(hub))
    watch_servers(hub.pipeline, upstreams.is_fit)
    server, doors = _front(hub, upstreams)
    sampling = _sampling(hub, upstreams, server.state, reporting)
    _watch(hub, server.state)
    reporting.show(hub.recorder)
    await _begin(upstreams, hub)
    sender = _sender(task, hub, upstreams, lambda: _parts(hub, doors, upstreams, reporting))
    to_do = (sender.run(), hub.follow_clock(), *doors.jobs(), *sampling, *reporting.jobs())
    jobs = [asyncio.create_task(job) for job in to_do]
    _spare_garbage_collection()
    with ExitStack() as inherited:
        own = [inherited.enter_context(socket.socket(fileno=n)) for n in task.descriptors]
        siblings = [
            inherited.enter_context(socket.socket(fileno=n)) for n in task.sibling_descriptors
        ]
        for listening in own:
            await server.listen(listening)
        server.relieve(siblings)
        announce_ready(task, goes_on=True)
        jobs.append(asyncio.create_task(PulseSender(task.ready_descriptor).run()))
        await stop.wait()
    # With these sockets closed, the kernel takes no more connections that nobody would answer.
    await server.drain()
    for job in jobs:
        job.cancel()
    await _end(reporting, sender, upstreams, hub)


def _sender(
    task: ChildTask, hub: Hub, upstreams: Upstreams, parts: Callable[[], list[PartHealth]]
) -> TelemetrySender:
    return TelemetrySender(
        task.telemetry_path,
        hub.recorder,
        parts,
        worker=task.name,
        started_ns=hub.clock.now_ns(),
        generation=task.generation,
        records=hub.records.drain,
        key_uses=hub.key_uses,
        targets=upstreams.targets,
    )


def _hub(task: ChildTask, reporting: Reporting) -> Hub:
    return Hub(
        task.settings,
        under_observe=(FaultStage(),),
        around_cache=fallback_stages(task.settings),
        workers=task.workers,
        outlived=True,
        disk_bytes=SERVE_DISK_BYTES,
        forwards=True,
        reports=reporting.reports(),
    )


def _parts(
    hub: Hub, doors: FrontDoors, upstreams: Upstreams, reporting: Reporting
) -> list[PartHealth]:
    return [*hub.parts(), *doors.parts(hub.clock), *upstreams.parts(), *reporting.parts()]


async def _end(
    reporting: Reporting, sender: TelemetrySender, upstreams: Upstreams, hub: Hub
) -> None:
    await reporting.close()
    await sender.close()
    await upstreams.close()
    await hub.close()


async def _begin(upstreams: Upstreams, hub: Hub) -> None:
    upstreams.show(hub.recorder)
    upstreams.start()
    await upstreams.ready()


def _call_tracing(hub: Hub) -> CallTracing | None:
    if hub.settings.telemetry.tracing.mode == "off":
        return None
    return CallTracing(hub.clock, random.getrandbits)


def _spare_garbage_collection() -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


def front_limits(settings: Settings) -> FrontLimits:
    """The limits on what clients send."""
    server = settings.server
    return FrontLimits(
        header_bytes=server.header_bytes,
        header_count=server.header_count,
        header_timeout_s=server.header_timeout_s,
        keep_alive_s=server.keep_alive_s,
        body_bytes=server.body_bytes,
        route_body_bytes=frozenset(
            route.body_bytes for route in settings.routes if route.body_bytes is not None
        ),
        body_min_rate_bytes=server.body_min_rate_bytes,
        body_grace_s=server.body_grace_s,
        drain_s=server.drain_s,
        path_policy=PathPolicy(encoded_slash=server.encoded_slashes),
        allowed_hosts=frozenset(host.lower().encode("ascii") for host in server.allowed_hosts),
    )


def _front(hub: Hub, upstreams: Upstreams) -> tuple[FrontServer, FrontDoors]:
    """The server, and the ways in to it."""
    settings = hub.settings
    certificates = served_certificates(settings)
    way = DirectWay(hub.pipeline, upstreams.handler)
    state = FrontState(
        way.take,
        hub.intake,
        front_limits(settings),
        scheme="http" if certificates is None else "https",
        known=way.known,
    )
    doors = FrontDoors(settings, state, certificates)
    doors.take_websockets(hub.pipeline, upstreams.upgrade)
    doors.show(hub.recorder)
    server = FrontServer(state, hub.clock, connect=doors.connect, entrance=doors.entrance)
    return server, doors


def _time_traced(
    hub: Hub, upstreams: Upstreams, state: FrontState, reports: tuple[Report, ...]
) -> None:
    """Has requests whose trace is recorded go the way on which stages are timed."""
    observe = ReportedObserveStage(hub.recorder, hub.clock, explain=hub.explainer, reports=reports)
    timed = TimedWay(hub.pipeline, upstreams.handler, observe, hub.clock).take
    plain = state.take

    def take(exchange: Exchange) -> Response | Run:
        trace = trace_of(exchange)
        recorded = trace is not None and trace.is_sampled
        return timed(exchange) if recorded else plain(exchange)

    state.take = take
    state.known = None


def _sampling(
    hub: Hub, upstreams: Upstreams, state: FrontState, reporting: Reporting
) -> tuple[Coroutine[Any, Any, None], ...]:
    """What takes samples of requests; nothing where none are wanted."""
    reports = reporting.reports()
    if reporting.sends_spans:
        _time_traced(hub, upstreams, state, reports)
    per_second = hub.settings.explain.samples_per_second
    if hub.explainer is None or not per_second:
        return ()
    observe = SampledObserveStage(hub.recorder, hub.clock, explain=hub.explainer, reports=reports)
    timed = TimedWay(hub.pipeline, upstreams.handler, observe, hub.clock)
    sampler = RequestSampler(state, timed.take, per_second=per_second, draw=random.random)
    return (sampler.run(),)


def _watch(hub: Hub, state: FrontState) -> None:
    watch = hub.recorder.watch
    watch("connections_open", lambda: len(state.connections))
    watch("malformed_requests", lambda: state.malformed)
    watch("unhandled_failures", lambda: state.unhandled)
    intake = hub.intake
    if isinstance(intake, TracingIntake):
        watch("traces_skipped", lambda: intake.skipped)
