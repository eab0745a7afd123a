"""The children of the parent process: the workers of this moment and the admin process."""

import asyncio
import dataclasses
import logging
import socket
from collections.abc import Callable
from pathlib import Path

from lukhas.config.fields import MOST_WORKERS
from lukhas.config.settings import Settings
from lukhas.gateway.children import Child
from lukhas.gateway.generation import Generation, all_or_none, usable_cpus
from lukhas.gateway.listening import Listeners
from lukhas.hub.child_link import ChildTask
from lukhas.hub.control_link import CONTROL_SOCKET

__all__ = ("Family", "worker_count")

_log = logging.getLogger("lukhas.supervisor")

_ADMIN_STOP_S = 5.0
_DRAIN_MARGIN_S = 10.0


class Family:
    """Starts, renews and ends all children.

    Args:
        settings: the effective settings.
        listeners: the sockets of the data plane.
        admin_plane: the socket of the admin plane.
        run_dir: an empty folder for what the children share; its path must be short.

    Attributes:
        settings: those in effect.
        control_path: where children ask the parent for something.
        generation: the number of the set of children that serves, counted from 1.
    """

    def __init__(
        self, settings: Settings, listeners: Listeners, admin_plane: socket.socket, run_dir: Path
    ) -> None:
        self.settings = settings
        self._listeners = listeners
        self._admin_plane = admin_plane
        self._run_dir = run_dir
        self.control_path = run_dir / CONTROL_SOCKET
        self._number = 0
        self._workers, self._admin = self._next(settings)
        self.generation = self._number
        self._admin_keeping: asyncio.Task[None] | None = None
        self._retiring: set[asyncio.Task[None]] = set()

    def __str__(self) -> str:
        return f"generation {self.generation}, {worker_count(self.settings)} workers"

    async def start(self) -> None:
        """Starts the first children.

        Raises:
            ChildFailedError: one did not get ready.
        """
        await all_or_none(self._workers.start(), self._admin.start())
        self._workers.keep()
        self._admin_keeping = asyncio.create_task(self._admin.keep())

    async def renew(self, settings: Settings, *, on_served: Callable[[], None]) -> None:
        """Starts new children, and drains the old ones once the new ones are ready.

        Args:
            settings: those of the new children.
            on_served: called when the new workers serve; nothing can go wrong after that.

        Raises:
            LukhasError: the new workers cannot be started; the old ones go on as before.
            OSError: the same.
        """
        settings = self._with_fixed(settings)
        sockets = self._listeners.count
        workers, admin = self._next(settings)
        try:
            await all_or_none(workers.start(), admin.start())
        except BaseException:
            # Before they end: what the kernel still sent there would wait for nobody.
            self._listeners.forget_beyond(sockets)
            await asyncio.gather(workers.stop(), admin.stop())
            raise
        old, self._workers = self._workers, workers
        self.settings, self.generation = settings, self._number
        workers.keep()
        on_served()
        # Before the old workers end, so that there is somebody to take their last figures.
        await self._renew_admin(admin)
        retiring = asyncio.create_task(old.stop())
        self._retiring.add(retiring)
        retiring.add_done_callback(self._retiring.discard)

    async def end(self, serving: "asyncio.Task[None]") -> None:
        """Ends all children: the workers at once, each within its time to drain.

        Args:
            serving: a cancelled task that may be about to start or renew children.
        """
        # The workers close their own; while ours are open the kernel goes on taking connections.
        self._listeners.close()
        ending = asyncio.create_task(self._workers.stop())
        await asyncio.gather(serving, return_exceptions=True)
        # Those that it had begun with in the meantime, too.
        await asyncio.gather(ending, self._workers.stop(), *self._retiring)
        # Last, so that it still takes in what the workers did at the end.
        if self._admin_keeping is not None:
            self._admin_keeping.cancel()
        await self._admin.stop()

    async def _renew_admin(self, admin: Child) -> None:
        if self._admin_keeping is not None:
            self._admin_keeping.cancel()
        # One after the other: the figures go from hand to hand.
        await self._admin.stop()
        self._admin = admin
        admin.begin()
        self._admin_keeping = asyncio.create_task(admin.keep())

    def _with_fixed(self, settings: Settings) -> Settings:
        """The settings without changes that only a restart can make."""
        now = self.settings
        for name, old, new in (
            ("listen", now.listen, settings.listen),
            ("admin.listen", now.admin.listen, settings.admin.listen),
            ("state_dir", now.state_dir, settings.state_dir),
        ):
            if old != new:
                _log.warning("%s stays %s: only a restart can change it to %s", name, old, new)
        admin = settings.admin.model_copy(update={"listen": now.admin.listen})
        fixed = {"listen": now.listen, "admin": admin, "state_dir": now.state_dir}
        return settings.model_copy(update=fixed)

    def _next(self, settings: Settings) -> tuple[Generation, Child]:
        """The next generation of workers, and the admin process for it."""
        count = worker_count(settings)
        self._listeners.provide(count)
        self._number += 1
        without_token = settings.admin.model_copy(update={"token": None})
        for_workers = settings.model_copy(update={"admin": without_token})
        tasks = []
        for index in range(count):
            own, siblings = self._listeners.share(index, count)
            tasks.append(self._task(for_workers, own, siblings, name=f"worker-{index + 1}"))
        drain_s = settings.server.drain_s + _DRAIN_MARGIN_S
        admin = self._task(settings, (self._admin_plane.fileno(),), (), name="admin")
        if self._number > 1:  # There is one before it, whose figures it takes over.
            admin = dataclasses.replace(admin, waits=True)
        return Generation(tasks, stop_s=drain_s), Child("lukhas.admin", admin, stop_s=_ADMIN_STOP_S)

    def _task(
        self, settings: Settings, own: tuple[int, ...], siblings: tuple[int, ...], *, name: str
    ) -> ChildTask:
        return ChildTask(
            settings=settings,
            descriptors=own,
            sibling_descriptors=siblings,
            telemetry_path=self._run_dir / "telemetry.sock",
            handover_path=self._run_dir / "figures",
            control_path=self.control_path,
            name=name,
            generation=self._number,
            workers=worker_count(settings),
            gateway_url=f"{_scheme(settings)}://{self._listeners.address}",
        )


def _scheme(settings: Settings) -> str:
    return "http" if settings.tls.certificate is None else "https"


def worker_count(settings: Settings) -> int:
    """How many workers the settings ask for; `auto` is one a CPU, 64 at most."""
    return min(usable_cpus(), MOST_WORKERS) if settings.workers == "auto" else settings.workers
