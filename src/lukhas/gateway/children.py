"""A child process of the supervisor: started, kept running, stopped."""

import asyncio
import contextlib
import dataclasses
import logging
import os
import subprocess
import sys

from lukhas.errors import LukhasError
from lukhas.gateway.pulse import Pulse
from lukhas.gateway.service_manager import environment_of_children
from lukhas.hub.child_link import ChildTask, write_task

__all__ = ("Child", "ChildFailedError", "ChildLateError")

_log = logging.getLogger("lukhas.supervisor")

# A busy machine takes its time; a child that fails says so at once.
_READY_S = 60.0
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_CALM_S = 10.0


class ChildLateError(LukhasError):
    """A child was not ready in time, and has been ended."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} was not ready within {_READY_S:.0f} s, so it was ended: look at what the "
            "machine is busy with, and start again"
        )


class ChildFailedError(LukhasError):
    """A child ended before it was ready. It has said why on stderr.

    Attributes:
        code: the exit code to end with.
    """

    def __init__(self, name: str, code: int) -> None:
        self.code = code
        super().__init__(f"{name} did not get ready (exit code {code})")


class Child:
    """A process that runs a module of ours on an inherited socket.

    Args:
        module: what to run.
        task: what it is to do.
        stop_s: how long it may take to end when asked.

    Attributes:
        starts: how often it was started.
    """

    def __init__(self, module: str, task: ChildTask, *, stop_s: float) -> None:
        self._module = module
        self._task = task
        self._stop_s = stop_s
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = False
        self._pulse: Pulse | None = None
        self.starts = 0

    @property
    def name(self) -> str:
        """The name of the child, unique in its generation."""
        return self._task.name

    @property
    def late_ns(self) -> int | None:
        """How late its event loop was in the last second; None while it has not said so."""
        return self._pulse.late_ns if self._pulse is not None else None

    @property
    def pid(self) -> int | None:
        """The process id, while it runs."""
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        """Starts it and waits until it is ready.

        Raises:
            ChildFailedError: it did not get ready.
            ChildLateError: not in time.
        """
        self._close_pipes()
        self.starts += 1
        ready_end, child_end = os.pipe()
        self._pulse = pulse = Pulse(ready_end)
        try:
            task = dataclasses.replace(self._task, ready_descriptor=child_end)
            self._process = process = subprocess.Popen(  # noqa: S603, ASYNC220 - starting is quick
                [sys.executable, "-m", self._module],
                stdin=subprocess.PIPE,
                pass_fds=(*task.descriptors, *task.sibling_descriptors, child_end),
                env=environment_of_children(),
            )
        finally:
            os.close(child_end)
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                write_task(process.stdin, task)
        try:
            is_ready = await asyncio.wait_for(pulse.ready(), _READY_S)
        except TimeoutError:
            await self._end()
            raise ChildLateError(self._task.name) from None
        if not is_ready:
            await self._end()
            raise ChildFailedError(self._task.name, process.returncode or 1)

    def begin(self) -> None:
        """Tells a child that waits to begin; from then on it begins by itself when started."""
        self._task = dataclasses.replace(self._task, waits=False)
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(b"\n")
                self._process.stdin.flush()

    async def keep(self) -> None:
        """Starts it again whenever it ends unasked, after a pause that grows."""
        pause_s = _FIRST_PAUSE_S
        while not self._stopping:
            begun_s = asyncio.get_running_loop().time()
            code = await self._ended()
            if self._stopping:
                return
            _log.error("%s ended unasked (exit code %s); starting it again", self._task.name, code)
            if asyncio.get_running_loop().time() - begun_s > _CALM_S:
                pause_s = _FIRST_PAUSE_S
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
            try:
                await self.start()
            except ChildFailedError as error:
                _log.debug("%s", error)
            except OSError as error:
                _log.error("%s cannot be started: %s", self._task.name, error)

    async def stop(self) -> None:
        """Asks it to end for good, waits, and ends it by force if it takes too long."""
        self._stopping = True
        await self._end()

    async def _end(self) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                await asyncio.wait_for(self._ended(), self._stop_s)
            except TimeoutError:
                _log.error("%s did not end in %g s and is killed", self._task.name, self._stop_s)
                process.kill()
                await self._ended()
        self._close_pipes()

    def _close_pipes(self) -> None:
        if self._pulse is not None:
            self._pulse.close()
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()

    async def _ended(self) -> int:
        process = self._process
        if process is None:
            return 0
        code = process.poll()
        if code is not None:
            return code
        loop = asyncio.get_running_loop()
        descriptor = os.pidfd_open(process.pid)
        ended: asyncio.Future[bool] = loop.create_future()
        loop.add_reader(descriptor, _set, ended)
        try:
            await ended
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
        return process.wait()


def _set(ended: "asyncio.Future[bool]") -> None:
    if not ended.done():
        ended.set_result(True)
