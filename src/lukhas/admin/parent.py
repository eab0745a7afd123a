"""What the admin process knows of the parent process, and asks it for."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from fastapi import FastAPI

from lukhas.hub.control_link import Outcome, ParentStatus, asked, outcome_of
from lukhas.telemetry.health import PartHealth
from lukhas.units import SECOND_NS

__all__ = ("Parent", "moment")

_log = logging.getLogger("lukhas.admin")

_RETRY_S = 0.5
_PATIENCE_S = 10.0


class Parent:
    """Follows what the parent process tells, and passes orders on to it.

    Args:
        path: its control socket.

    Attributes:
        status: what it told last; None until it has told something.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.status: ParentStatus | None = None
        self._heard = asyncio.Event()

    async def told(self) -> ParentStatus | None:
        """What it told last; waits for its first word, and gives None where that does not come.

        This process may be asked before it has reached its parent: on a busy machine that takes
        a moment.
        """
        if self.status is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE_S):
                    await self._heard.wait()
        return self.status

    @asynccontextmanager
    async def lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        """Follows it for as long as the app lives."""
        following = asyncio.create_task(self.follow())
        try:
            yield
        finally:
            following.cancel()

    async def follow(self) -> None:
        """Takes in what it tells, until cancelled."""
        while True:
            try:
                async with aclosing(asked(self._path, "watch")) as replies:
                    async for reply in replies:
                        if isinstance(reply, ParentStatus):
                            self.status = reply
                            self._heard.set()
            except OSError as error:
                _log.debug("the parent process cannot be heard: %s", error)
            await asyncio.sleep(_RETRY_S)

    async def order(self, what: Literal["reload", "upgrade"]) -> Outcome | None:
        """What comes of an order; None if the parent process cannot be reached.

        A renewal also ends this very process: the answer comes as soon as the new workers serve,
        while there still is time to pass it on.
        """
        try:
            return await outcome_of(self._path, what, finished=False)
        except OSError as error:
            _log.warning("the parent process cannot be asked: %s", error)
            return None

    def parts(self) -> list[PartHealth]:
        """Whether the settings in effect are those asked for last, and the number of workers."""
        return [self._settings(), *self._scaling()]

    def _settings(self) -> PartHealth:
        last = self.status.last if self.status is not None else None
        if last is None or last.done:
            return PartHealth("settings", "ok")
        what = f"{last.order} refused at {moment(last.time_ns)}, nothing has changed: {last.detail}"
        return PartHealth("settings", "degraded", what)

    def _scaling(self) -> list[PartHealth]:
        status = self.status
        if status is None or status.least == status.most:
            return []
        if status.scaling_failure:
            what = f"workers cannot be added: {status.scaling_failure}"
            return [PartHealth("scaling", "degraded", what)]
        detail = f"{status.workers_wanted} of {status.least} to {status.most} workers"
        if status.moves:
            last = status.moves[-1]
            detail += f"; {last.before} -> {last.after} at {moment(last.time_ns)}: {last.why}"
        return [PartHealth("scaling", "ok", detail)]


def moment(time_ns: int) -> str:
    """A moment in UTC for people (RFC 3339)."""
    return datetime.fromtimestamp(time_ns // SECOND_NS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
