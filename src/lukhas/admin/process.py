"""The admin process: the admin app on a socket that the parent has bound, and the reports' end."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import APIRouter, FastAPI

from lukhas.admin.access import AdminToken
from lukhas.admin.app import AdminLifespan, create_admin_app
from lukhas.admin.audit import AuditTrail
from lukhas.admin.explain_api import ExplainAccess
from lukhas.admin.handover import Figures, leave_figures, take_figures
from lukhas.admin.history_access import HistoryAccess
from lukhas.admin.key_uses import KeyUses
from lukhas.admin.operators import Operators
from lukhas.admin.parent import Parent
from lukhas.admin.state import AdminState
from lukhas.clock import Clock, SystemClock
from lukhas.telemetry.families import NodeFigures
from lukhas.telemetry.health import PartHealth
from lukhas.telemetry.link import TelemetryReceiver
from lukhas.telemetry.totals import TotalsByWorker

__all__ = ("AdminOptions", "Keeping", "run_admin")


_FRESH_S = 1.0
_FRESH_LOOK_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminOptions:
    """What the admin process needs to know.

    Attributes:
        descriptor: the listening TCP socket, inherited from the parent.
        telemetry_path: the Unix socket to make for the workers' reports.
        token: what opens the admin plane.
        operators: who may use it; None for nobody but who shows the token.
        gateway_url: where the gateway answers, for people.
        workers: how many workers are to report, until the parent process says otherwise.
        handover_path: where the figures of an earlier admin process are taken from, and left for
            the next one; None for nowhere.
        grace_s: how long open requests may go on after SIGTERM.
    """

    descriptor: int
    telemetry_path: Path
    token: AdminToken
    operators: Operators | None = None
    gateway_url: str
    workers: int = 1
    handover_path: Path | None = None
    grace_s: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """Where what the workers report goes, beside the figures; None to keep none of it.

    Attributes:
        history: is given what they report for it.
        explain: is given the decision records.
        key_uses: is given the uses of API keys.
    """

    history: HistoryAccess | None = None
    explain: ExplainAccess | None = None
    key_uses: KeyUses | None = None

    def parts(self) -> list[PartHealth]:
        """The health of all that is kept."""
        kept = (self.history, self.explain, self.key_uses)
        return [part for each in kept if each is not None for part in each.parts()]


def run_admin(
    options: AdminOptions,
    *,
    routers: Sequence[APIRouter] = (),
    lifespan: AdminLifespan | None = None,
    clock: Clock | None = None,
    get_ready: Callable[[], None] | None = None,
    parent: Parent | None = None,
    keeping: Keeping | None = None,
    trail: AuditTrail | None = None,
) -> None:
    """Serves until SIGTERM or SIGINT, then ends streams, finishes open requests and returns.

    SIGINT stays ignored where the caller ignores it, as under a supervisor that gets Ctrl-C itself.
    Logging is set up by the caller (`lukhas.telemetry.logs`).

    Args:
        options: where and for whom.
        routers: further parts of the admin API.
        lifespan: opens and closes what those routers need.
        clock: the time; the system's if None.
        get_ready: called when everything is prepared; serving begins when it returns.
        parent: what is known of the parent process, if there is one.
        keeping: where what the workers report goes; None to keep nothing of it.
        trail: keeps what is changed; None to keep nothing.

    Raises:
        StateDirError: the telemetry socket cannot be made.
    """
    keeping = keeping or Keeping()
    state = _new_state(options, clock or SystemClock(), parent, keeping)
    app = create_admin_app(
        state,
        token=options.token,
        routers=routers,
        lifespan=lifespan,
        operators=options.operators,
        trail=trail,
    )
    config = _server_config(app, options)
    if get_ready is not None:
        get_ready()
    _go_on_with_figures(options, state)
    early = _early_signals()
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve(options, config, state, early, keeping=keeping))
    if options.handover_path is not None:
        leave_figures(options.handover_path, Figures(state.started_ns, state.totals.state()))


def _server_config(app: FastAPI, options: AdminOptions) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        # The address of a guesser must not come from a field that the guesser sends.
        proxy_headers=False,
        ws="none",
        timeout_graceful_shutdown=options.grace_s,
    )


def _early_signals() -> "_EarlySignals":
    is_deaf = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    return _EarlySignals({signal.SIGINT} if is_deaf else set())


def _new_state(
    options: AdminOptions, clock: Clock, parent: Parent | None, keeping: Keeping
) -> AdminState:
    state = AdminState(
        totals=TotalsByWorker(),
        clock=clock,
        started_ns=clock.now_ns(),
        gateway_url=options.gateway_url,
        node=lambda: _node(parent, options.workers),
    )
    of_parent = parent.parts if parent is not None else list
    state.own_parts = lambda: [*of_parent(), *keeping.parts()]
    if keeping.history is not None:
        keeping.history.closing = state.closing
    return state


def _node(parent: Parent | None, workers: int) -> NodeFigures:
    status = parent.status if parent is not None else None
    if status is None:
        return NodeFigures(workers)
    return NodeFigures(status.workers_wanted, status.grown, status.shrunk)


def _go_on_with_figures(options: AdminOptions, state: AdminState) -> None:
    earlier = take_figures(options.handover_path) if options.handover_path else None
    if earlier is not None:
        state.totals, state.started_ns = TotalsByWorker(earlier.totals), earlier.started_ns


class _EarlySignals:
    """Notes a signal that comes before uvicorn listens to any; until then it would be lost.

    uvicorn raises a caught signal once more when it is done; by then it means nothing here.
    """

    def __init__(self, deaf_to: Set[int]) -> None:
        self.deaf_to = deaf_to
        self.server: uvicorn.Server | None = None
        self.came = False
        for caught in (signal.SIGTERM, signal.SIGINT):
            signal.signal(caught, self._note)

    def _note(self, caught: int, _frame: FrameType | None) -> None:
        if caught not in self.deaf_to:
            self.came = True
            if self.server is not None:
                self.server.should_exit = True

    def watch_over(self, server: uvicorn.Server) -> None:
        """Ends the server for a signal that has come, or comes before it listens itself."""
        self.server = server
        server.should_exit = self.came


class _Server(uvicorn.Server):
    """Ends event streams as soon as the process is asked to end: uvicorn would wait for them.

    Connections that were taken and have not asked yet are served: uvicorn would hang up on them,
    and whoever asks just after a reload would get no answer.
    """

    def __init__(self, config: uvicorn.Config, state: AdminState, deaf_to: Set[int]) -> None:
        super().__init__(config)
        self._state = state
        self._deaf_to = deaf_to
        self._running_in = asyncio.get_running_loop()
        state.retire = self._retire

    def _retire(self) -> None:
        for server in self.servers:
            server.close()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig in self._deaf_to:
            return
        self._running_in.call_soon_threadsafe(self._state.closing.set)
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._retire()
        for _ in range(round(_FRESH_S / _FRESH_LOOK_S)):
            # Those that the kernel had handed over are made in the next turn of the loop.
            await asyncio.sleep(_FRESH_LOOK_S)
            if all(getattr(each, "cycle", None) for each in self.server_state.connections):
                break
        await super().shutdown(sockets)


async def _serve(
    options: AdminOptions,
    config: uvicorn.Config,
    state: AdminState,
    early: _EarlySignals,
    *,
    keeping: Keeping,
) -> None:
    listening = _inherited(options.descriptor)
    history, explain, key_uses = keeping.history, keeping.explain, keeping.key_uses
    async with contextlib.AsyncExitStack() as stack:
        # These outlive the receiver, so that they write the very last report.
        for kept in (history, key_uses):
            if kept is not None:
                await stack.enter_async_context(kept.opened())
        await stack.enter_async_context(
            TelemetryReceiver(
                options.telemetry_path,
                state.totals,
                state.clock,
                keep=None if history is None else history.keep,
                keep_records=None if explain is None else explain.keep,
                keep_uses=None if key_uses is None else key_uses.keep,
            )
        )
        server = _Server(config, state, early.deaf_to)
        early.watch_over(server)
        await server.serve(sockets=[listening])


def _inherited(descriptor: int) -> socket.socket:
    """The socket of an inherited descriptor, its family found out and not assumed."""
    listening = socket.socket(fileno=descriptor)
    if listening.family in {socket.AF_INET, socket.AF_INET6}:
        # Accepted connections take it over: without it keep-alive answers wait for 40 ms.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening
