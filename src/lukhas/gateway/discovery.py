"""Which servers an upstream has, as something outside of the settings says, again and again."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from lukhas.config.targets import TargetAddress
from lukhas.errors import LukhasError
from lukhas.telemetry.health import PartHealth

__all__ = ("DiscoveryError", "FoundServer", "FoundServers", "ServerSource", "ServerWatch")

_log = logging.getLogger("lukhas.gateway")

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0


class DiscoveryError(LukhasError):
    """Nobody can tell now which servers there are."""


@dataclass(frozen=True, slots=True)
class FoundServer:
    """One server.

    Attributes:
        address: where it is.
        server_name: the name that its certificate must have; empty for that of the address.
        weight: how much of the requests it gets in relation to the others; 0 for none.
        priority: only those with the lowest number that are fit get requests.
    """

    address: TargetAddress
    server_name: str = ""
    weight: int = 1
    priority: int = 0


@dataclass(frozen=True, slots=True)
class FoundServers:
    """An answer.

    Attributes:
        servers: at least one.
        again_s: after how long to ask again.
    """

    servers: tuple[FoundServer, ...]
    again_s: float


class ServerSource(Protocol):
    """Something that knows the servers."""

    async def find(self) -> FoundServers:
        """The servers of now.

        Raises:
            DiscoveryError: it does not know; with the reason.
        """
        ...


class ServerWatch:
    """Asks a source again and again; what was known last stays while it does not answer.

    Args:
        upstream: the name of the upstream.
        source: is asked.
        apply: takes each answer that is another one than before.
        draw: gives a random number from 0 to 1, so that workers do not ask in step.

    Attributes:
        failure: why the last answer is not of now; empty if it is.
        failures: how often there was none.
        known: the servers of the last answer.
    """

    def __init__(
        self,
        upstream: str,
        source: ServerSource,
        apply: Callable[[tuple[FoundServer, ...]], None],
        *,
        draw: Callable[[], float],
    ) -> None:
        self._upstream = upstream
        self._source = source
        self._apply = apply
        self._draw = draw
        self._pause_s = _FIRST_PAUSE_S
        self._task: asyncio.Task[None] | None = None
        self._asked = asyncio.Event()
        self.failure = "nobody was asked yet"
        self.failures = 0
        self.known: tuple[FoundServer, ...] = ()

    def start(self) -> None:
        """Begins to ask."""
        self._task = asyncio.create_task(self._watch())

    async def asked(self) -> None:
        """Waits until there was a first answer, or none."""
        await self._asked.wait()

    async def stop(self) -> None:
        """Ends it."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def part(self) -> PartHealth:
        """Its health."""
        name = f"servers of {self._upstream}"
        if not self.failure:
            return PartHealth(name, "ok", f"{len(self.known)} known")
        if not self.known:
            return PartHealth(name, "failed", self.failure)
        what = f"{len(self.known)} known before are used: {self.failure}"
        return PartHealth(name, "degraded", what)

    async def look(self) -> float:
        """Asks once.

        Returns:
            After how long to ask again, in seconds.
        """
        try:
            found = await self._source.find()
        except DiscoveryError as error:
            return self._failed(str(error))
        if self.failure and self.failures:
            _log.info("the servers of %s are known again", self._upstream)
        self.failure = ""
        self._pause_s = _FIRST_PAUSE_S
        if found.servers != self.known:
            self._apply(found.servers)
            self.known = found.servers
        # Sooner by up to a tenth, never later: an answer is not good for longer than it says.
        return found.again_s * (1 - self._draw() / 10)

    def _failed(self, what: str) -> float:
        self.failures += 1
        if what != self.failure:
            _log.warning("the servers of %s cannot be found: %s", self._upstream, what)
        self.failure = what
        pause_s, self._pause_s = self._pause_s, min(self._pause_s * 2, _LONGEST_PAUSE_S)
        return pause_s * (0.5 + self._draw() / 2)

    async def _watch(self) -> None:
        while True:
            try:
                pause_s = await self.look()
            except Exception as error:  # noqa: BLE001 - whatever a resolver raises: others go on
                pause_s = self._failed(f"{type(error).__name__}: {error}")
            self._asked.set()
            await asyncio.sleep(pause_s)
