"""The children of the parent process: the workers of this moment and the admin process."""

import asyncio
import dataclasses
import logging
import socket
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from lukhas.config.settings import Settings
from lukhas.config.sources import SettingsSources
from lukhas.config.workers import WorkerBounds, worker_bounds
from lukhas.gateway.children import Child
from lukhas.gateway.cpus import usable_cpus
from lukhas.gateway.generation import Generation, all_or_none
from lukhas.gateway.listening import Listeners
from lukhas.hub.child_link import ChildTask
from lukhas.hub.control_link import CONTROL_SOCKET

__all__ = ("Family",)

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
        sources: where the settings came from, for the admin process; None if that is not known.

    Attributes:
        settings: those in effect.
        control_path: where children ask the parent for something.
        generation: the number of the set of children that serves, counted from 1.
        bounds: between which numbers the workers may be.
    """

    def __init__(
        self,
        settings: Settings,
        listeners: Listeners,
        admin_plane: socket.socket,
        run_dir: Path,
        *,
        sources: SettingsSources | None = None,
    ) -> None:
        self.settings = settings
        self._listeners = listeners
        self._admin_plane = admin_plane
        self._run_dir = run_dir
        self._sources = sources
        self.control_path = run_dir / CONTROL_SOCKET
        self._number = 0
        self.bounds = worker_bounds(settings.workers, cpus=usable_cpus())
        self._workers, self._admin = self._next(settings, self.bounds, self.bounds.least)
        self.generation = self._number
        # Renewing and resizing wait for each other.
        self._changing = asyncio.Lock()
        self._admin_keeping: asyncio.Task[None] | None = None
        self._retiring: set[asyncio.Task[None]] = set()

    def __str__(self) -> str:
        return f"generation {self.generation}, {len(self.workers)} workers"

    @property
    def workers(self) -> Sequence[Child]:
        """The workers that are to serve; those that only finish what they have are no more."""
        return self._workers.workers

    async def start(self) -> None:
        """Starts the first children.

        Raises:
            ChildFailedError: one did not get ready.
        """
        await all_or_none(self._workers.start(), self._admin.start())
        self._listeners.steer(len(self.workers))
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
        async with self._changing:
            settings = self._with_fixed(settings)
            bounds = worker_bounds(settings.workers, cpus=usable_cpus())
            await self._renew(settings, bounds, on_served)

    async def _renew(
        self, settings: Settings, bounds: WorkerBounds, on_served: Callable[[], None]
    ) -> None:
        sockets = self._listeners.count
        workers, admin = self._next(settings, bounds, bounds.clamped(len(self.workers)))
        try:
            await all_or_none(workers.start(), admin.start())
        except BaseException:
            # Before they end: what the kernel still sent there would wait for nobody.
            self._listeners.forget_beyond(sockets)
            await asyncio.gather(workers.stop(), admin.stop())
            raise
        old, self._workers = self._workers, workers
        self.settings, self.bounds, self.generation = settings, bounds, self._number
        self._listeners.steer(len(workers.workers))
        workers.keep()
        on_served()
        # Before the old workers end, so that there is somebody to take their last figures.
        await self._renew_admin(admin)
        self._retire(old.stop())

    def _retire(self, ending: Coroutine[Any, Any, None]) -> None:
        retiring = asyncio.create_task(ending)
        self._retiring.add(retiring)
        retiring.add_done_callback(self._retiring.discard)

    async def resize(self, count: int) -> None:
        """Adds workers or takes some away, within the bounds of the settings; no request is lost.

        Those that are taken away get no new connections and finish what they have.

        Raises:
            ChildFailedError: one more did not get ready; those before it have.
            OSError: a process cannot be started.
        """
        async with self._changing:
            count = self.bounds.clamped(count)
            while (present := len(self.workers)) < count:
                self._listeners.open(present + 1)
                task = self._worker_task(self.settings, self.bounds, present, present + 1)
                await self._workers.grow(dataclasses.replace(task, generation=self.generation))
                self._listeners.steer(present + 1)
            while (present := len(self.workers)) > count:
                self._listeners.steer(present - 1)
                self._retire(self._workers.shrink())

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

    def _next(
        self, settings: Settings, bounds: WorkerBounds, count: int
    ) -> tuple[Generation, Child]:
        """The next generation of workers, so many, and the admin process for it."""
        # Where connections cannot be steered, workers that come and go share what there is.
        can_have_own = self._listeners.can_steer or not bounds.follow_load
        self._listeners.provide(bounds.most if can_have_own else 1)
        self._listeners.open(count)
        self._number += 1
        tasks = [self._worker_task(settings, bounds, index, count) for index in range(count)]
        drain_s = settings.server.drain_s + _DRAIN_MARGIN_S
        admin = self._task(settings, (self._admin_plane.fileno(),), (), name="admin", workers=count)
        if self._sources is not None:
            found = self._sources
            admin = dataclasses.replace(admin, flags=dict(found.flags), config_file=found.file)
        if self._number > 1:  # There is one before it, whose figures it takes over.
            admin = dataclasses.replace(admin, waits=True)
        return Generation(tasks, stop_s=drain_s), Child("lukhas.admin", admin, stop_s=_ADMIN_STOP_S)

    def _worker_task(
        self, settings: Settings, bounds: WorkerBounds, index: int, count: int
    ) -> ChildTask:
        without_token = settings.admin.model_copy(update={"token": None, "operators": ()})
        own, siblings = self._listeners.share(index, count)
        return self._task(
            settings.model_copy(update={"admin": without_token}),
            own,
            siblings,
            name=f"worker-{index + 1}",
            # What each may let through alone must not depend on who is there at the moment.
            workers=bounds.most,
        )

    def _task(
        self,
        settings: Settings,
        own: tuple[int, ...],
        siblings: tuple[int, ...],
        *,
        name: str,
        workers: int,
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
            workers=workers,
            gateway_url=f"{_scheme(settings)}://{self._listeners.address}",
        )


def _scheme(settings: Settings) -> str:
    return "http" if settings.tls.certificate is None else "https"
