"""Asks targets from time to time how they are, so that no client has to find out."""

import asyncio
from collections.abc import Callable

from lukhas.clock import Clock
from lukhas.errors import UpstreamBusyError, UpstreamError
from lukhas.gateway.target_selection import Target, TargetSelection
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.pipeline import discard
from lukhas.policy.resilience.probes import ProbeSettings, is_good, probed
from lukhas.units import SECOND_NS

__all__ = ("Probing",)


class Probing:
    """Probes all targets of a selection, each on its own, on the running loop.

    A probe takes the way of every request to the target, its connections included.

    Args:
        selection: is told what comes of it.
        settings: what is asked, and how often.
        clock: where time comes from.
        draw: gives a random number from 0 to 1, 1 not included.
        authority: the host that is asked for.
    """

    def __init__(
        self,
        selection: TargetSelection,
        settings: ProbeSettings,
        *,
        clock: Clock,
        draw: Callable[[], float],
        authority: bytes = b"localhost",
    ) -> None:
        self._selection = selection
        self._settings = settings
        self._clock = clock
        self._draw = draw
        self._authority = authority
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    def start(self) -> None:
        """Begins; each target is first asked within an interval."""
        self._tasks = tuple(
            asyncio.create_task(self._watch(target)) for target in self._selection.targets
        )

    async def stop(self) -> None:
        """Ends it, and what is under way."""
        tasks, self._tasks = self._tasks, ()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, target: Target) -> None:
        first = True
        while True:
            part = self._draw() if first else (1 + self._draw()) / 2
            await asyncio.sleep(part * self._settings.interval_ns / SECOND_NS)
            first = False
            await self.probe(target)

    async def probe(self, target: Target) -> None:
        """Asks one target once."""
        good = await self._asked(target)
        if good is not None:
            after = probed(target.probed, self._settings, good=good)
            self._selection.probed(target, after, self._clock.now_ns())

    async def _asked(self, target: Target) -> bool | None:
        path, _, query = self._settings.path.partition(b"?")
        fields = Headers([(b"user-agent", b"lukhas-probe")])
        head = RequestHead("GET", "http", self._authority, path, query, fields)
        exchange = Exchange(head, "127.0.0.1", self._clock.now_ns(), b"probe")
        try:
            async with asyncio.timeout(self._settings.timeout_ns / SECOND_NS):
                response = await target.forward(exchange)
        except UpstreamBusyError:
            return None  # All our own connections are in use, which says nothing about it.
        except (UpstreamError, TimeoutError):
            return False
        discard(response)
        return is_good(response.status, self._settings)
