"""The parent process: owns the listening sockets, starts the others, renews and ends them.

A reload and an upgrade are the same: a new generation of workers is started beside the old one,
and when all of it is ready the old one is asked to end, which it does politely. The listening
sockets stay open throughout.
"""

import asyncio
import contextlib
import logging
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from lukhas.clock import SystemClock
from lukhas.config.addresses import Address
from lukhas.config.faults import SettingsError
from lukhas.config.named_upstreams import named_upstreams
from lukhas.config.settings import Settings
from lukhas.config.sources import SettingsSources, process_environment
from lukhas.gateway.children import ChildFailedError
from lukhas.gateway.control import Control
from lukhas.gateway.family import Family
from lukhas.gateway.listening import Listeners, bound_address, listening_socket
from lukhas.gateway.orders import Orders, Ticket
from lukhas.gateway.pid_file import PidFile, running_gateway
from lukhas.gateway.scaler import Scaler
from lukhas.gateway.service_manager import activation_sockets, monotonic_us, notify
from lukhas.gateway.tls import check_tls
from lukhas.gateway.upstream import dials_of
from lukhas.hub.control_link import CONTROL_SOCKET, Outcome, ParentStatus
from lukhas.hub.policies import limit_policies, route_table, tier_limits
from lukhas.storage.node import prepare_state_dir

__all__ = ("OnReady", "ReadSettings", "run")

OnReady = Callable[[Address, Address], None]
ReadSettings = Callable[[], Settings]

_log = logging.getLogger("lukhas.supervisor")


def run(
    settings: Settings,
    *,
    on_ready: OnReady | None = None,
    read_settings: ReadSettings | None = None,
    sources: SettingsSources | None = None,
) -> int:
    """Serves until SIGTERM or SIGINT; then everything under way is finished and it returns.

    SIGHUP reads the settings again and SIGUSR2 takes up new code as well; both start new children,
    and drain the old ones when the new ones are ready.

    Args:
        settings: the effective settings.
        on_ready: told where the data plane and the admin plane answer, as soon as they do.
        read_settings: reads the settings again from where they came from; without, a reload keeps
            those of the start.
        sources: where they came from, so that the admin API can change them; without, it cannot.

    Returns:
        The exit code: 0 after a graceful end.

    Raises:
        ConfigError: the settings do not fit together.
        PortInUseError: a listening address is taken.
        StateDirError: the state directory cannot be used.
    """
    _check(settings)
    prepare_state_dir(settings.state_dir)
    with ExitStack() as stack:
        handed = activation_sockets(process_environment())
        for inherited in handed:
            stack.enter_context(inherited)
        first = handed[0] if handed else listening_socket(settings.listen)
        listeners = stack.enter_context(contextlib.closing(Listeners(first, may_add=not handed)))
        admin_plane = stack.enter_context(
            handed[1] if len(handed) > 1 else listening_socket(settings.admin.listen)
        )
        run_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lukhas-run-")))
        family = Family(settings, listeners, admin_plane, run_dir, sources=sources)
        supervisor = _Supervisor(family, read_settings or (lambda: settings))
        addresses = listeners.address, bound_address(admin_plane)

        def announce() -> None:
            notify("READY=1")
            if on_ready is not None:
                on_ready(*addresses)

        return asyncio.run(supervisor.run(announce))


def _check(settings: Settings) -> None:
    """Finds here what would else only fail in a child."""
    for upstream in named_upstreams(settings).values():
        dials_of(upstream)
    check_tls(settings.tls)
    route_table(settings)
    tier_limits(settings)
    limit_policies(settings)


class _Supervisor:
    def __init__(self, family: Family, read_settings: ReadSettings) -> None:
        self._family = family
        self._read_settings = read_settings
        self._orders = Orders()
        self._control = Control(self._orders, self._status)
        self._last: Outcome | None = None
        self._scaler = Scaler(
            family, SystemClock(), monotonic_ns=time.monotonic_ns, tell=self._control.tell
        )

    async def run(self, announce: Callable[[], None]) -> int:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for caught in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(caught, stop.set)
        self._orders.listen(stop)
        await self._control.listen(self._family.control_path)
        with _found_by_pid(self._family.settings.state_dir) as is_found:
            if is_found:
                await self._listen_for_commands()
            serving = asyncio.create_task(self._serve(announce))
            stopping = asyncio.create_task(stop.wait())
            try:
                await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
                notify("STOPPING=1")
                # A failure to start has been told by the child, on the stderr that we share.
                return _exit_code(serving) if serving.done() else 0
            finally:
                await self._control.close()
                stopping.cancel()
                serving.cancel()
                await self._family.end(serving)

    async def _listen_for_commands(self) -> None:
        path = self._family.settings.state_dir / CONTROL_SOCKET
        try:
            await self._control.listen(path)
        except OSError as error:
            _log.warning("%s cannot be made (%s): commands send signals instead", path, error)

    async def _serve(self, announce: Callable[[], None]) -> None:
        await self._family.start()
        announce()
        scaling = asyncio.create_task(self._scaler.run())
        try:
            while True:
                ticket = await self._orders.next()
                notify("RELOADING=1", f"MONOTONIC_USEC={monotonic_us()}")
                await self._carry_out(ticket)
                notify("READY=1")
        finally:
            scaling.cancel()
            await asyncio.gather(scaling, return_exceptions=True)

    async def _carry_out(self, ticket: Ticket) -> None:
        order = ticket.order
        _log.info("%s: starting new workers", order)

        def served() -> None:
            self._tell(ticket, done=True, detail=str(self._family), finished=False)

        try:
            settings = self._read_settings()
            _check(settings)
            await self._family.renew(settings, on_served=served)
        except Exception as error:  # noqa: BLE001 - whatever it is, the old workers go on serving
            what = " ".join(str(error).split()) or type(error).__name__
            _log.error("%s refused, nothing has changed: %s", order, what)
            faults = tuple(map(str, error.faults)) if isinstance(error, SettingsError) else ()
            self._tell(ticket, done=False, detail=what, faults=faults)
        else:
            _log.info("%s done: %s", order, self._family)
            self._tell(ticket, done=True, detail=str(self._family))

    def _tell(
        self,
        ticket: Ticket,
        *,
        done: bool,
        detail: str,
        faults: tuple[str, ...] = (),
        finished: bool = True,
    ) -> None:
        self._last = Outcome(
            order=ticket.order.value,
            done=done,
            detail=detail,
            faults=faults,
            time_ns=SystemClock().now_ns(),
            finished=finished,
        )
        ticket.tell(self._last)
        self._control.tell()

    def _status(self) -> ParentStatus:
        family, scaler = self._family, self._scaler
        return ParentStatus(
            generation=family.generation,
            workers_wanted=len(family.workers),
            last=self._last,
            least=family.bounds.least,
            most=family.bounds.most,
            workers=scaler.workers(),
            moves=tuple(scaler.moves),
            grown=scaler.grown,
            shrunk=scaler.shrunk,
            scaling_failure=scaler.failure,
        )


def _exit_code(serving: "asyncio.Task[None]") -> int:
    error = serving.exception()
    if isinstance(error, ChildFailedError):
        _log.debug("%s", error)
        return error.code
    if error is not None:
        raise error
    return 0


@contextlib.contextmanager
def _found_by_pid(state_dir: Path) -> Iterator[bool]:
    """Keeps the pid file of a state directory; gives whether commands find this gateway by it."""
    pid_file = PidFile(state_dir)
    if not pid_file.is_ours:
        _log.warning(
            "another gateway (pid %s) runs on %s: lukhas reload and lukhas upgrade reach that one, "
            "send signals to this one yourself",
            running_gateway(state_dir) or "unknown",
            state_dir,
        )
    try:
        yield pid_file.is_ours
    finally:
        pid_file.close()
