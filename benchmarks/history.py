"""The history: what recording, writing, disk and questions cost at ten million requests.

    python -m benchmarks.history [--requests 10000000] [--hours 24]

A day of requests to 50 routes goes through the recorder's own structures into the SQLite file,
a second at a time, as reports of workers would bring them; then the questions of a dashboard are
asked. Times are minimums of five. So few requests a second are only put by when they are recorded,
and grouped and counted when they are handed over; `benchmarks.pipeline` has what a busy worker
pays for a request.
"""

import argparse
import asyncio
import random
import tempfile
import time
from bisect import bisect
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from itertools import accumulate
from pathlib import Path

from lukhas.analytics.history import History
from lukhas.analytics.questions import Question
from lukhas.analytics.reading import HistoryReader
from lukhas.storage.sql import open_database
from lukhas.telemetry.recorder import Recorder, Sample
from lukhas.units import MIB, SECOND_NS

_BEGIN_S = 1_700_006_400
_ROUTES = 50
_CONSUMERS = 3500
_POOL = 200_000


class _Clock:
    time_ns = _BEGIN_S * SECOND_NS

    def now_ns(self) -> int:
        return self.time_ns


def _pool(rng: random.Random) -> list[Sample]:
    """Requests to draw from: few busy routes, many quiet ones; two modes of latency."""
    weights = list(accumulate(1 / (rank + 1) for rank in range(_ROUTES)))
    # One object each, as the gateway has them: comparing those is not comparing texts.
    routes = [f"/api/v1/resource-{route}/{{id}}" for route in range(_ROUTES)]
    consumers = [f"key:{number}" for number in range(_CONSUMERS)]
    samples: list[Sample] = []
    for _ in range(_POOL):
        route = bisect(weights, rng.random() * weights[-1])
        hit = rng.random() < 0.6
        fault = rng.random()
        status = 503 if fault < 0.005 else 429 if fault < 0.02 else 200
        centre = 13.0 if hit else 16.5
        consumer = consumers[int(rng.paretovariate(0.8)) % _CONSUMERS]
        labels = (
            routes[route],
            "GET" if route % 5 else "POST",
            status,
            rng.choice(("free", "free", "premium")),
            "",
            "main",
            "none" if route % 5 == 0 else "hit" if hit else "miss",
            "limited" if status == 429 else "passed",
        )
        size = rng.randrange(200, 20_000)
        took_ns = int(rng.lognormvariate(centre, 0.6))
        samples.append((labels, size, took_ns, consumer, b"client/%d" % rng.randrange(20)))
    return samples


async def _fill(
    history: History, clock: _Clock, requests: int, seconds: int
) -> tuple[tuple[float, float, float], Counter[str]]:
    """Records, hands over and writes; gives the seconds that each took, and requests by route."""
    rng = random.Random(7)
    pool = _pool(rng)
    recorder = Recorder()
    counts: Counter[str] = Counter()
    recorded_s = handed_over_s = written_s = 0.0
    left = requests
    for second in range(seconds):
        number = left // (seconds - second)
        left -= number
        start = rng.randrange(_POOL - number)
        batch = pool[start : start + number]
        counts.update(sample[0][0] for sample in batch)
        began = time.perf_counter()
        for sample in batch:
            recorder.record(sample)
        recorded = time.perf_counter()
        delta = recorder.drain_history()
        recorder.drain()
        recorded_s += recorded - began
        began = time.perf_counter()
        handed_over_s += began - recorded
        await history.write(_BEGIN_S + second, delta)
        written_s += time.perf_counter() - began
        clock.time_ns += SECOND_NS
    await history.write(_BEGIN_S + seconds, recorder.drain_history())
    return (recorded_s, handed_over_s, written_s), counts


async def _ingest(history: History, clock: _Clock) -> float:
    """Requests a second that one process records, hands over and writes, at 20 000 a report."""
    rng = random.Random(8)
    pool = _pool(rng)
    recorder = Recorder()
    seconds, number = 50, 20_000
    began = time.perf_counter()
    for second in range(seconds):
        start = rng.randrange(_POOL - number)
        for sample in pool[start : start + number]:
            recorder.record(sample)
        delta = recorder.drain_history()
        recorder.drain()
        await history.write(clock.time_ns // SECOND_NS + 10 + second, delta)
    return seconds * number / (time.perf_counter() - began)


async def _best_ms(ask: Callable[[], Awaitable[object]]) -> float:
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        await ask()
        best = min(best, time.perf_counter() - began)
    return best * 1000


async def _asked(history: History, question: Question) -> None:
    # A reader of its own: one that has been asked the same before has kept a part of the answer.
    await HistoryReader(history).ask(question)


async def _told(history: History, question: Question) -> None:
    """An answer as the dashboard gets it: with quantiles of each value and each total."""
    for group in (await HistoryReader(history).ask(question)).groups:
        for figures in (group.total, *group.steps.values()):
            figures.quantiles_ms((0.5, 0.95, 0.99))


async def _questions(history: History, end_s: int) -> None:
    reader = HistoryReader(history)
    day = Question(from_s=end_s - 86_400, to_s=end_s)
    route = {"route": frozenset(("/api/v1/resource-3/{id}",))}
    for name, question in (
        ("24 h, all routes, one value each", replace(day, group_by=("route",))),
        ("24 h, all routes, by the hour", replace(day, step_s=3600, group_by=("route",))),
        ("24 h, everything, by 5 minutes", replace(day, step_s=300)),
        ("24 h, one route, by the hour", replace(day, step_s=3600, only=route)),
        ("24 h, one route, by 5 minutes", replace(day, step_s=300, only=route)),
        ("24 h, by tier, by the hour", replace(day, step_s=3600, group_by=("tier",))),
    ):
        asked_ms = await _best_ms(partial(_asked, history, question))
        told_ms = await _best_ms(partial(_told, history, question))
        again_ms = await _best_ms(partial(reader.ask, question))
        print(
            f"{name:<40}{asked_ms:>9.1f} ms, with three quantiles of each {told_ms:>7.1f} ms, "
            f"asked again {again_ms:>6.1f} ms"
        )
    top = await _best_ms(partial(reader.crowd, end_s - 86_400, end_s))
    print(f"{'24 h, busiest and unique consumers':<40}{top:>9.1f} ms")


async def run(requests: int, hours: int, folder: Path) -> None:
    """Fills a history and asks it."""
    clock = _Clock()
    url = f"sqlite:///{folder / 'history.sqlite'}"
    database = await open_database(folder, url=url)
    try:
        history = History(database, clock)
        await history.load()
        seconds = hours * 3600
        taken_s, counts = await _fill(history, clock, requests, seconds)
        recorded_s, handed_over_s, written_s = taken_s
        print(f"{'recording':<40}{recorded_s / requests * 1e9:>9.0f} ns a request")
        print(f"{'handing over a second':<40}{handed_over_s / seconds * 1000:>9.2f} ms")
        print(f"{'writing a second':<40}{written_s / seconds * 1000:>9.2f} ms")
        end_s = _BEGIN_S + seconds
        question = Question(from_s=_BEGIN_S, to_s=end_s, group_by=("route",))
        answer = await HistoryReader(history).ask(question)
        found = {group.labels[0]: group.total.requests for group in answer.groups}
        print(f"{'counts agree with the load':<40}{found == dict(counts)!s:>9}")
        await _questions(history, end_s)
        rate = await _ingest(history, clock)
        print(f"{'taken in, 20 000 a report':<40}{rate / 1000:>9.0f} k requests/s")
    finally:
        await database.close()


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000_000)
    parser.add_argument("--hours", type=int, default=24)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(options.requests, options.hours, Path(folder)))
        size = sum(file.stat().st_size for file in Path(folder).glob("history.sqlite*"))
    print(f"{'disk':<40}{size / MIB:>9.1f} MiB")


if __name__ == "__main__":
    main()
