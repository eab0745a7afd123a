"""What recording costs a request: the whole of it, and the part of it that keeps the latency."""

import random
from collections.abc import Callable

from benchmarks.measurement import Figure, Section, interleaved_us
from lukhas.telemetry.histograms import DurationCounts
from lukhas.telemetry.recorder import Recorder, Sample

__all__ = ("add_recording",)

# A whole number of batches, so that each turn pays for all that its requests bring about.
_LOOPS = 16_384
_ROUNDS = 40
_BATCH = 1024
_TARGET_NS = 100


def add_recording(section: Section) -> None:
    """Measures it, and puts it into a section."""
    rng = random.Random(5)
    busy = [_sample(rng, "/orders/{id}", "enterprise") for _ in range(_BATCH)]
    routes = [f"/orders/{number}/{{id}}" for number in range(50)]
    tiers = ("free", "premium")
    mixed = [_sample(rng, rng.choice(routes), rng.choice(tiers)) for _ in range(_BATCH)]
    whole, spread = "recording, one route", "recording, 50 routes of 2 tiers"
    latency = "recording, its latency alone"
    cases = [
        (whole, _recorded(busy)),
        (spread, _recorded(mixed)),
        (latency, _latencies([sample[2] for sample in busy])),
    ]
    taken_us = interleaved_us(cases, loops=_LOOPS, rounds=_ROUNDS, pick=min)
    for name, each_us in taken_us.items():
        section.figures.append(Figure(name, (("us", round(each_us, 3)),), ours=True))
    section.notes.append(
        "Recording runs in C for the most part: an interpreter that was built without "
        "profile-guided optimization, as pyenv builds them, takes half as much again."
    )
    section.at_most(
        "latency sample of a request", round(taken_us[latency] * 1000), _TARGET_NS, " ns"
    )


def _sample(rng: random.Random, route: str, tier: str) -> Sample:
    """A request; few are refused, and latencies have two modes, as hits and misses have."""
    hit = rng.random() < 0.6
    status = 503 if rng.random() < 0.005 else 200
    labels = (route, "GET", status, tier, "", "main", "hit" if hit else "miss", "passed")
    took_ns = int(rng.lognormvariate(13.0 if hit else 16.5, 0.6))
    consumer = f"key:{int(rng.paretovariate(0.8)) % 200}"
    return labels, rng.randrange(200, 20_000), took_ns, consumer, b"client/%d" % rng.randrange(20)


def _recorded(samples: list[Sample]) -> Callable[[int], None]:
    """Records requests and hands them over, as once a second to the admin process."""

    def record_all(times: int) -> None:
        recorder = Recorder()
        record = recorder.record
        for _ in range(0, times, _BATCH):
            for sample in samples:
                record(sample)
        recorder.drain()
        recorder.drain_history()

    return record_all


def _latencies(values_ns: list[int]) -> Callable[[int], None]:
    def add_all(times: int) -> None:
        counts = DurationCounts()
        for _ in range(0, times, _BATCH):
            counts.add_many(values_ns)
        counts.sketch()

    return add_all
