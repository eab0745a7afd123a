"""A history that is filled by hand."""

from collections.abc import Iterable
from pathlib import Path

from lukhas.analytics.history import History
from lukhas.storage.sql import Database, open_database
from lukhas.telemetry.recorder import Recorder, Sample
from lukhas.units import MILLISECOND_NS, SECOND_NS

__all__ = ("BEGIN_S", "Filled", "ManualClock", "filled", "request")

BEGIN_S = 1_700_006_400
"""A midnight."""


class ManualClock:
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        self.time_s = BEGIN_S

    def now_ns(self) -> int:
        return self.time_s * SECOND_NS


def request(
    route: str = "/a",
    *,
    status: int = 200,
    took_ms: float = 10,
    consumer: str = "key:1",
    cache: str = "miss",
    verdict: str = "passed",
    tier: str = "free",
) -> Sample:
    """One finished request."""
    took_ns = round(took_ms * MILLISECOND_NS)
    labels = (route, "GET", status, tier, "", "main", cache, verdict)
    return (labels, 10, took_ns, consumer, b"x")


class Filled:
    """A history and its clock."""

    def __init__(self, database: Database) -> None:
        self.clock = ManualClock()
        self.history = History(database, self.clock)

    async def write(self, time_s: int, samples: Iterable[Sample]) -> None:
        """Writes requests as those of a second, later than all before; the clock follows."""
        recorder = Recorder()
        for sample in samples:
            recorder.record(sample)
        await self.history.write(time_s, recorder.drain_history())
        self.clock.time_s = time_s


async def filled(folder: Path) -> Filled:
    """An empty one; its database is to be closed."""
    made = Filled(await open_database(folder))
    await made.history.load()
    return made
