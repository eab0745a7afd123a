"""Looks at the workers once a second, and lets their number follow the load."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from lukhas.clock import Clock
from lukhas.config.workers import WorkerBounds
from lukhas.errors import LukhasError
from lukhas.gateway.children import Child
from lukhas.gateway.worker_loads import WorkerLoads
from lukhas.hub.control_link import MoveStatus, WorkerStatus
from lukhas.policy.scaling.workers import (
    ScalingMove,
    ScalingRules,
    ScalingState,
    WorkerLoad,
    scaled,
)
from lukhas.units import MILLISECOND_NS

__all__ = ("Scaled", "Scaler")

_log = logging.getLogger("lukhas.supervisor")

_LOOK_S = 1.0
_KEPT_MOVES = 20


class Scaled(Protocol):
    """Workers whose number can be changed.

    Attributes:
        bounds: between which numbers they may be.
        workers: those that are to serve.
    """

    bounds: WorkerBounds

    @property
    def workers(self) -> Sequence[Child]: ...

    async def resize(self, count: int) -> None:
        """Adds some or takes some away."""
        ...


class Scaler:
    """Watches over the number of workers, where the settings let it follow the load.

    Args:
        family: the workers.
        clock: for what people are told.
        monotonic_ns: the time for decisions, which never goes back.
        tell: called after each look.

    Attributes:
        moves: the last moves, the oldest first.
        grown: how many workers were added since the start.
        shrunk: how many were taken away.
        failure: why the last move did not come about; empty if it did.
    """

    def __init__(
        self,
        family: Scaled,
        clock: Clock,
        *,
        monotonic_ns: Callable[[], int],
        tell: Callable[[], None],
    ) -> None:
        self._family = family
        self._clock = clock
        self._monotonic_ns = monotonic_ns
        self._tell = tell
        self._loads = WorkerLoads()
        self._latest: dict[Child, WorkerLoad] = {}
        self._state = ScalingState()
        self.moves: deque[MoveStatus] = deque(maxlen=_KEPT_MOVES)
        self.grown = 0
        self.shrunk = 0
        self.failure = ""

    async def run(self) -> None:
        """Goes on until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                await self.look()
            except Exception:  # noqa: BLE001 - the workers go on, as many as there are
                _log.exception("the number of workers cannot be looked after")

    async def look(self) -> None:
        """Looks once, and moves if that is called for."""
        now_ns = self._monotonic_ns()
        workers = list(self._family.workers)
        loads = self._loads.look(workers, now_ns)
        self._latest = {
            worker: load for worker, load in zip(workers, loads, strict=True) if load is not None
        }
        bounds = self._family.bounds
        if bounds.follow_load:
            self._state, move = scaled(
                self._state,
                ScalingRules(least=bounds.least, most=bounds.most),
                count=len(workers),
                loads=list(self._latest.values()),
                now_ns=now_ns,
            )
            if move is not None:
                await self._move(move)
        self._tell()

    async def _move(self, move: ScalingMove) -> None:
        _log.info("%s", move)
        try:
            await self._family.resize(move.after)
        except (LukhasError, OSError) as error:
            self.failure = str(error)
            _log.error("workers cannot be added: %s", error)
        else:
            self.failure = ""
        after = len(self._family.workers)
        self.grown += max(0, after - move.before)
        self.shrunk += max(0, move.before - after)
        self.moves.append(
            MoveStatus(before=move.before, after=after, why=move.why, time_ns=self._clock.now_ns())
        )

    def workers(self) -> tuple[WorkerStatus, ...]:
        """What is known of each worker."""
        return tuple(self._status(worker) for worker in self._family.workers)

    def _status(self, worker: Child) -> WorkerStatus:
        load = self._latest.get(worker)
        return WorkerStatus(
            name=worker.name,
            pid=worker.pid or 0,
            starts=worker.starts,
            busy=None if load is None else load.busy,
            late_ms=None if load is None else load.late_ns / MILLISECOND_NS,
        )
