"""The limiter in memory: three windows, one key and 100 000, beside the limiters for Python."""

import asyncio
import gc
import os
import random
import statistics
import sys
import time
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from benchmarks.isolation import in_fresh_process
from benchmarks.limiter_peers import MODULES, PEERS, Check, Quotas
from benchmarks.measurement import Figure, Section, pin

__all__ = ("run",)

# Smaller for a quick look: BENCH_KEYS=1000 BENCH_RUNS=1.
_KEYS = int(os.environ.get("BENCH_KEYS", "100000"))
_HOT_CHECKS = 20_000
_RUNS = int(os.environ.get("BENCH_RUNS", "3"))
_TIMEOUT_S = 120.0
# The FREE tier; each of the many keys is asked for three times, so that all are admitted.
_FREE = (60, 1_000, 10_000)
_LARGE = (10_000_000, 100_000_000, 1_000_000_000)


class Sample(msgspec.Struct):
    """What one run of one case showed, in microseconds and bytes."""

    hot_p50_us: float
    new_p50_us: float
    p50_us: float
    p99_us: float
    worst_us: float
    key_bytes: float


def _lukhas(quotas: Quotas) -> Check:
    from lukhas.clock import SystemClock
    from lukhas.policy.rate_limiting.limit_syntax import parse_limits
    from lukhas.policy.rate_limiting.plans import plan_for
    from lukhas.policy.rate_limiting.tiers import Tier
    from lukhas.storage.memory_counters import MemoryCounters

    text = "{}/minute; {}/hour; {}/day".format(*quotas)
    plan = plan_for(Tier.FREE, parse_limits(text, policy="free"), (), route="default")
    decide = MemoryCounters().decide
    now_ns = SystemClock().now_ns

    def check(key: str) -> bool:
        return decide(plan, (key,), now_ns(), 1).allowed

    return check


_CASES: dict[str, Callable[[Quotas], Check]] = {"lukhas strict ring": _lukhas, **PEERS}
_LARGE_CASE = "lukhas strict ring, quotas of millions"


def run() -> Section:
    """Runs the comparison."""
    section = Section(
        "Limiter in memory",
        f"Three windows (minute, hour, day) in one check, the clock read included; {_RUNS} fresh "
        "interleaved processes each, bound to one core. `1 key`: p50 of "
        f"{_HOT_CHECKS} checks of one key. The rest with {_KEYS} keys and the quotas of the FREE "
        "tier: first check of a key, then all of them twice in random order. Medians of the runs; "
        "the worst pause is the lowest worst of the runs, for other load stretches it. Memory is "
        "the growth of the resident set, without the keys' own text. limits and throttled-py: one "
        "hit a window, not atomic together; pyrate-limiter: one bucket a key, no leaker; "
        "throttled-py: room for all keys, not the 1024 that it has by itself; aiolimiter: three "
        "limiters a key, driven without a task.",
    )
    section.skipped += _missing()
    cases = [name for name in (*_CASES, _LARGE_CASE) if _needs(name) not in _missing_packages()]
    samples: dict[str, list[Sample]] = {name: [] for name in cases}
    for _ in range(_RUNS):
        for name in cases:
            result = in_fresh_process("benchmarks.limiter", [name], timeout_s=_TIMEOUT_S)
            samples[name].append(msgspec.json.decode(result, type=Sample))
    medians = {name: _median(runs) for name, runs in samples.items()}
    for name, sample in medians.items():
        section.figures.append(_figure(name, sample))
    _aim(section, medians)
    return section


def _needs(name: str) -> str:
    return name.partition(" ")[0]


def _missing_packages() -> frozenset[str]:
    from importlib.util import find_spec

    return frozenset(name for name, module in MODULES if find_spec(module) is None)


def _missing() -> list[str]:
    return [f"{name}: not installed in this environment" for name in sorted(_missing_packages())]


def _median(runs: Sequence[Sample]) -> Sample:
    fields = {
        field: statistics.median(getattr(sample, field) for sample in runs)
        for field in Sample.__struct_fields__
    }
    return Sample(**{**fields, "worst_us": min(sample.worst_us for sample in runs)})


def _figure(name: str, sample: Sample) -> Figure:
    return Figure(
        name,
        (
            ("1 key p50 us", round(sample.hot_p50_us, 2)),
            ("p50 us", round(sample.p50_us, 2)),
            ("p99 us", round(sample.p99_us, 2)),
            ("first p50 us", round(sample.new_p50_us, 2)),
            ("worst ms", round(sample.worst_us / 1000, 2)),
            ("B/key", round(sample.key_bytes)),
        ),
        ours=name.startswith("lukhas"),
    )


def _aim(section: Section, medians: dict[str, Sample]) -> None:
    ours = medians["lukhas strict ring"]
    section.at_most("p50 of a check, 1 key", ours.hot_p50_us, 2.5, " us")
    section.at_most(f"p50 of a check, {_KEYS} keys", ours.p50_us, 2.5, " us")
    for peer, bound in (
        ("pyrate-limiter GCRA", 4.0),
        ("pyrate-limiter log", 4.0),
        ("limits sliding window", 8.0),
    ):
        if peer in medians:
            ratio = medians[peer].p50_us / ours.p50_us
            section.at_least(f"times cheaper than {peer}", ratio, bound)
    section.at_most("memory for a key, FREE tier", ours.key_bytes, 450, " B")
    section.at_most(f"worst pause, {_KEYS} keys", ours.worst_us / 1000, 2, " ms")


def _room(keys: Sequence[str]) -> "array[int]":
    return array("Q", bytes(8 * len(keys)))


def _timed(check: Check, keys: Sequence[str], taken: "array[int]") -> None:
    """Notes the nanoseconds of each check."""
    clock_ns = time.perf_counter_ns
    refused = 0
    for index, key in enumerate(keys):
        begun_ns = clock_ns()
        allowed = check(key)
        taken[index] = clock_ns() - begun_ns
        if not allowed:
            refused += 1
    if refused:
        raise RuntimeError(f"{refused} checks were refused: this measures something else")


def _resident_bytes() -> int:
    gc.collect()
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


async def _measure(name: str) -> Sample:
    """Measures one case; in a loop, since some peers want one to run. Nothing waits for it."""
    pin(0)
    large = name == _LARGE_CASE
    make = _CASES["lukhas strict ring" if large else name]
    one = ["client"] * _HOT_CHECKS
    hot = _room(one)
    _timed(make(_LARGE), one, hot)
    keys = [f"key:{number:08x}" for number in range(_KEYS)]
    shuffled = keys * 2
    random.Random(1).shuffle(shuffled)
    first, later = _room(keys), _room(shuffled)
    check = make(_LARGE if large else _FREE)
    _timed(check, ["warm-up"] * 50, later)
    before = _resident_bytes()
    _timed(check, keys, first)
    grown = _resident_bytes() - before
    _timed(check, shuffled, later)
    ranked = sorted(later)
    return Sample(
        hot_p50_us=statistics.median(hot) / 1000,
        new_p50_us=statistics.median(first) / 1000,
        p50_us=ranked[len(ranked) // 2] / 1000,
        p99_us=ranked[len(ranked) * 99 // 100] / 1000,
        worst_us=max(*first, *later) / 1000,
        key_bytes=grown / _KEYS,
    )


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(msgspec.json.encode(asyncio.run(_measure(sys.argv[1]))))
