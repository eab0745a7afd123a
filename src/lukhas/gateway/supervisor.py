"""The parent process: owns the listening sockets, starts the others, ends them in order.

Reload and upgrade by generations, and more workers than one, will be built on this: a child is
started with an inherited socket, says when it is ready, and is asked to drain by SIGTERM.
"""

import asyncio
import errno
import logging
import os
import signal
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

from lukhas.config.addresses import Address
from lukhas.config.settings import Settings
from lukhas.errors import ConfigError, NotAvailableError, PortInUseError
from lukhas.gateway.children import Child, ChildFailedError
from lukhas.gateway.forwarding import parse_upstream_url
from lukhas.hub.child_link import ChildTask
from lukhas.hub.policies import limit_policies, route_table, tier_limits
from lukhas.storage.node import prepare_state_dir

__all__ = ("OnReady", "listening_socket", "run")

OnReady = Callable[[Address, Address], None]

_log = logging.getLogger("lukhas.supervisor")

_BACKLOG = 1024


def run(settings: Settings, *, on_ready: OnReady | None = None) -> int:
    """Serves until SIGTERM or SIGINT; then everything under way is finished and it returns.

    Args:
        settings: the effective settings.
        on_ready: told where the data plane and the admin plane answer, as soon as they do.

    Returns:
        The exit code: 0 after a graceful end.

    Raises:
        ConfigError: the settings do not fit together.
        NotAvailableError: they ask for what this version does not have.
        PortInUseError: a listening address is taken.
        StateDirError: the state directory cannot be used.
    """
    _check(settings)
    prepare_state_dir(settings.state_dir)
    with (
        listening_socket(settings.listen) as data_plane,
        listening_socket(settings.admin.listen) as admin_plane,
        tempfile.TemporaryDirectory(prefix="lukhas-run-") as run_dir,
    ):
        supervisor = _Supervisor(settings, Path(run_dir), data_plane, admin_plane)
        return asyncio.run(supervisor.run(on_ready))


def _check(settings: Settings) -> None:
    """Finds here what would else only fail in a child."""
    if settings.workers != 1:
        raise NotAvailableError(
            f"workers = {settings.workers}", "this version serves with one worker"
        )
    if settings.upstream.url is None:
        raise ConfigError(
            "no upstream is set", where="upstream.url", hint="give the address of the API"
        )
    parse_upstream_url(settings.upstream.url)
    route_table(settings)
    tier_limits(settings)
    limit_policies(settings)


def listening_socket(address: Address) -> socket.socket:
    """A bound socket that listens, to be inherited by children.

    Raises:
        PortInUseError: the address is taken, not ours, or not allowed.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted connections take it over; without it small answers wait for 40 ms.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listening.bind((address.host, address.port))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        reason = os.strerror(error.errno) if error.errno else str(error)
        hint = "stop what listens there, or choose another address"
        if error.errno == errno.EACCES:
            hint = "choose a port above 1023, or run with the right to bind this one"
        elif error.errno != errno.EADDRINUSE:
            hint = "choose an address of this machine"
        raise PortInUseError(str(address), f"{reason}: {hint}") from error
    return listening


class _Supervisor:
    def __init__(
        self,
        settings: Settings,
        run_dir: Path,
        data_plane: socket.socket,
        admin_plane: socket.socket,
    ) -> None:
        self._settings = settings
        self._data_plane = data_plane
        self._listen = _bound(data_plane)
        self._admin_listen = _bound(admin_plane)
        telemetry_path = run_dir / "telemetry.sock"
        gateway_url = f"http://{self._listen}"
        without_token = settings.admin.model_copy(update={"token": None})
        self._worker = Child(
            "lukhas.gateway",
            ChildTask(
                settings=settings.model_copy(update={"admin": without_token}),
                descriptor=data_plane.fileno(),
                ready_descriptor=-1,
                telemetry_path=telemetry_path,
                name="worker-1",
                gateway_url=gateway_url,
            ),
            stop_s=settings.server.drain_s + 5.0,
        )
        self._admin = Child(
            "lukhas.admin",
            ChildTask(
                settings=settings,
                descriptor=admin_plane.fileno(),
                ready_descriptor=-1,
                telemetry_path=telemetry_path,
                name="admin",
                gateway_url=gateway_url,
            ),
            stop_s=5.0,
        )

    async def run(self, on_ready: OnReady | None) -> int:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for caught in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(caught, stop.set)
        keeping: list[asyncio.Task[None]] = []
        try:
            await asyncio.gather(self._worker.start(), self._admin.start())
            if on_ready is not None:
                on_ready(self._listen, self._admin_listen)
            keeping = [asyncio.create_task(child.keep()) for child in (self._worker, self._admin)]
            await stop.wait()
        except ChildFailedError as error:
            # It has said why itself, on the standard error that it shares with us.
            _log.debug("%s", error)
            return error.code
        finally:
            for task in keeping:
                task.cancel()
            # The worker closes its own; while ours is open the kernel goes on taking connections.
            self._data_plane.close()
            await self._worker.stop()
            # Last, so that it still takes in what the worker did at the end.
            await self._admin.stop()
        return 0


def _bound(listening: socket.socket) -> Address:
    host, port = listening.getsockname()[:2]
    return Address(host, port)
