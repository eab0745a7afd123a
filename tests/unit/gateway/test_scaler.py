"""The number of workers follows the load, and says why."""

import asyncio
import logging
from pathlib import Path

import pytest

from lukhas.config.settings import Settings
from lukhas.config.workers import WorkerBounds
from lukhas.gateway import scaler as scaler_module
from lukhas.gateway.children import Child, ChildFailedError
from lukhas.gateway.scaler import Scaler
from lukhas.gateway.worker_loads import WorkerLoads
from lukhas.hub.child_link import ChildTask
from lukhas.policy.scaling.workers import WorkerLoad
from lukhas.testing.clock import ManualClock
from lukhas.units import SECOND_NS

MOMENT_NS = 1_700_000_000 * SECOND_NS


class Family:
    """Workers that are as busy as the test says; none of them is a process."""

    def __init__(self, least: int, most: int) -> None:
        self.bounds = WorkerBounds(least, most)
        self.workers: list[Child] = []
        self.busy = 0.0
        self.failure: Exception | None = None
        self.told = 0
        self.now_ns = 0
        self._count(least)
        self.scaler = Scaler(
            self,
            ManualClock(MOMENT_NS),
            monotonic_ns=lambda: self.now_ns,
            tell=self._tell,
        )

    def _tell(self) -> None:
        self.told += 1

    def _count(self, count: int) -> None:
        while len(self.workers) < count:
            task = ChildTask(
                settings=Settings(),
                descriptors=(),
                telemetry_path=Path("nowhere"),
                name=f"worker-{len(self.workers) + 1}",
                gateway_url="",
            )
            self.workers.append(Child("none", task, stop_s=1.0))
        del self.workers[count:]

    async def resize(self, count: int) -> None:
        if self.failure is not None:
            raise self.failure
        self._count(count)

    async def look(self, busy: float, *, seconds: int) -> None:
        """The workers are so busy for so long."""
        self.busy = busy
        for _ in range(seconds):
            self.now_ns += SECOND_NS
            await self.scaler.look()


@pytest.fixture
def family(monkeypatch: pytest.MonkeyPatch) -> Family:
    """One of one to four workers."""
    made = Family(1, 4)

    def look(_: WorkerLoads, workers: list[Child], __: int) -> list[WorkerLoad]:
        return [WorkerLoad(made.busy, 2_000_000) for _ in workers]

    monkeypatch.setattr(WorkerLoads, "look", look)
    return made


async def test_a_move_is_carried_out_and_told(
    family: Family, caplog: pytest.LogCaptureFixture
) -> None:
    """In the log, in the moves that are kept, and in the counts."""
    caplog.set_level(logging.INFO, "lukhas.supervisor")
    await family.look(0.9, seconds=4)
    assert len(family.workers) == 2
    assert caplog.messages == ["1 -> 2 workers: each uses 0.90 of a CPU, above 0.75"]
    (move,) = family.scaler.moves
    assert (move.before, move.after, move.time_ns) == (1, 2, MOMENT_NS)
    assert family.told == 4
    await family.look(0.1, seconds=120)
    assert len(family.workers) == 1
    assert (family.scaler.grown, family.scaler.shrunk) == (1, 1)


async def test_what_is_known_of_each_worker(family: Family) -> None:
    """Its process, how busy it is, how late."""
    assert family.scaler.workers()[0].busy is None
    await family.look(0.5, seconds=1)
    (worker,) = family.scaler.workers()
    assert (worker.name, worker.pid, worker.starts) == ("worker-1", 0, 0)
    assert (worker.busy, worker.late_ms) == (0.5, 2.0)


async def test_a_fixed_number_stays(family: Family) -> None:
    """Loads are known, and nothing follows from them."""
    family.bounds = WorkerBounds(1, 1)
    await family.look(1.0, seconds=30)
    assert len(family.workers) == 1
    assert family.scaler.workers()[0].busy == 1.0


async def test_a_worker_that_does_not_start_is_told_and_tried_again(
    family: Family, caplog: pytest.LogCaptureFixture
) -> None:
    """The others go on."""
    family.failure = ChildFailedError("worker-2", 3)
    await family.look(0.9, seconds=4)
    assert "worker-2 did not get ready" in family.scaler.failure
    assert "workers cannot be added" in caplog.text
    assert (len(family.workers), family.scaler.grown) == (1, 0)
    family.failure = None
    await family.look(0.9, seconds=6)
    assert (len(family.workers), family.scaler.failure) == (2, "")


async def test_it_goes_on_whatever_happens(
    family: Family, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A look that fails is logged; the next one comes."""
    monkeypatch.setattr(scaler_module, "_LOOK_S", 0.0)
    enough = asyncio.Event()

    async def look(_: Scaler) -> None:
        if len(caplog.records) > 1:
            enough.set()
        raise ValueError("no")

    monkeypatch.setattr(Scaler, "look", look)
    running = asyncio.create_task(family.scaler.run())
    async with asyncio.timeout(10):
        await enough.wait()
    running.cancel()
    assert "cannot be looked after" in caplog.text
