"""Two workers beside one: how much more they can do.

With four CPUs or more, load and origin have CPUs of their own. With two there are none left for
them beside two workers. Then everything, load and origin too, is on one CPU for one worker, and on
both for two: what is measured is how much more the whole can do on twice the CPUs. One origin and
one load that serve two workers lose something as well, so the workers alone scale no worse.
"""

import contextlib
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measurement import Figure, Section
from benchmarks.servers import (
    HEADERS,
    await_answer,
    children_running,
    cpu_s,
    free_port,
    lukhas_command,
    running,
)
from benchmarks.timed_origin import origin

__all__ = ("run",)

_SECONDS = 4
_ROUNDS = 3
_ENOUGH_CPUS = 4
_MOST_WARM_RUNS = 10
_TAKES_PART = 0.1
_CASES = (("hit", "/cached"), ("proxy", "/"))

_CONFIG = """
listen = "127.0.0.1:{port}"
workers = {workers}
[admin]
listen = "127.0.0.1:{admin}"
[upstream]
url = "http://127.0.0.1:{origin}"
[tiers]
free = "100000000/minute; 1000000000/hour; 2000000000/day"
[log]
level = "error"
"""


@dataclass(frozen=True, slots=True)
class _Cpus:
    """Who runs where, as taskset takes it.

    Attributes:
        one: of one worker.
        two: of two workers.
        load: of the load and of the origin, beside one worker.
        load_of_two: the same, beside two.
    """

    one: str
    two: str
    load: str
    load_of_two: str


@dataclass(frozen=True, slots=True)
class _Run:
    """What a run showed.

    Attributes:
        rps: requests a second.
        per_cpu_s: requests for a second of CPU time of the workers.
        busy: how many CPUs the workers used.
        least_share: the part of the CPU time that the less busy worker had.
        errors: answers that were not 2xx, and socket errors.
    """

    rps: float
    per_cpu_s: float
    busy: float
    least_share: float
    errors: int


def run() -> Section:
    """Runs one and two workers in turns."""
    cpus = sorted(os.sched_getaffinity(0))
    are_enough = len(cpus) >= _ENOUGH_CPUS
    section = Section(
        "Scaling",
        f"`lukhas serve` with one worker on one CPU and with two on two, three limits, wrk -t1 "
        f"-c64, {_ROUNDS} runs of {_SECONDS} s in turns, medians. "
        + (
            "Load and origin have CPUs of their own."
            if are_enough
            else f"There are {len(cpus)} CPUs, so load and origin share those of the workers: all "
            "of it on one CPU, and all of it on two."
        ),
    )
    for tool in ("wrk", "taskset"):
        if shutil.which(tool) is None:
            section.skipped.append(f"everything: {tool} is not installed (make test-system has it)")
            return section
    if len(cpus) == 1:
        section.skipped.append("everything: there is one CPU")
        return section
    places = _places(cpus)
    runs: dict[tuple[str, int], list[_Run]] = {}
    for _ in range(_ROUNDS):
        for workers in (1, 2):
            for name, outcome in _measured(workers, places):
                runs.setdefault((name, workers), []).append(outcome)
    _tell(section, runs)
    return section


def _places(cpus: list[int]) -> _Cpus:
    names = [str(cpu) for cpu in cpus]
    both, rest = ",".join(names[:2]), ",".join(names[2:])
    if len(cpus) >= _ENOUGH_CPUS:
        return _Cpus(names[0], both, rest, rest)
    return _Cpus(names[0], both, names[0], both)


def _measured(workers: int, cpus: _Cpus) -> Iterator[tuple[str, _Run]]:
    serve_on = cpus.one if workers == 1 else cpus.two
    load_on = cpus.load if workers == 1 else cpus.load_of_two
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-scaling-")))
        origin_port, _ = stack.enter_context(origin(cpu=load_on))
        port = free_port()
        config = folder / "bench.toml"
        config.write_text(
            _CONFIG.format(port=port, admin=free_port(), origin=origin_port, workers=workers)
        )
        process = stack.enter_context(running(lukhas_command(config, folder), port, cpu=serve_on))
        for name, path in _CASES:
            url = f"http://127.0.0.1:{port}{path}"
            await_answer(url)
            pids = children_running(process.pid, "lukhas.gateway")
            if len(pids) != workers:
                raise RuntimeError(f"{len(pids)} workers, not {workers}")
            _warm(url, pids, load_on)
            yield name, _loaded(url, pids, load_on, seconds=_SECONDS)


def _warm(url: str, pids: list[int], cpu: str) -> None:
    """Loads the workers until all take part: one may still be starting while another serves."""
    for _ in range(_MOST_WARM_RUNS):
        if _loaded(url, pids, cpu, seconds=1).least_share > _TAKES_PART:
            return


def _loaded(url: str, pids: list[int], cpu: str, *, seconds: int) -> _Run:
    command = ["taskset", "-c", cpu, "wrk", "-t1", "-c64", f"-d{seconds}s"]
    for header in HEADERS:
        command += ["-H", header]
    before, begun = [cpu_s([pid]) for pid in pids], time.monotonic()
    output = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    lasted = time.monotonic() - begun
    used = [cpu_s([pid]) - at for pid, at in zip(pids, before, strict=True)]
    requests = _number(r"(\d+) requests in", output)
    total = max(sum(used), 1e-9)
    sockets = re.search(r"connect (\d+), read (\d+), write (\d+), timeout (\d+)", output)
    failed = sum(int(count) for count in sockets.groups()) if sockets else 0
    return _Run(
        rps=requests / lasted,
        per_cpu_s=requests / total,
        busy=total / lasted,
        least_share=min(used) / total,
        errors=failed + round(_number(r"Non-2xx or 3xx responses: (\d+)", output)),
    )


def _number(pattern: str, text: str) -> float:
    match = re.search(pattern, text)
    return float(match[1]) if match else 0.0


def _tell(section: Section, runs: dict[tuple[str, int], list[_Run]]) -> None:
    for (name, workers), found in sorted(runs.items()):
        values = (
            ("req/s", round(statistics.median(one.rps for one in found))),
            ("req per CPU s", round(statistics.median(one.per_cpu_s for one in found))),
            ("CPUs used", round(statistics.median(one.busy for one in found), 2)),
            ("least share", round(statistics.median(one.least_share for one in found), 2)),
            ("errors", sum(one.errors for one in found)),
        )
        section.figures.append(Figure(f"{name}, {workers} workers", values, ours=True))
    for name, _ in _CASES:
        one, two = runs[name, 1], runs[name, 2]
        ratio = statistics.median(run.rps for run in two) / statistics.median(
            run.rps for run in one
        )
        section.at_least(f"{name}: req/s of two workers over one", ratio, 1.7)
        share = statistics.median(run.least_share for run in two)
        section.at_least(f"{name}: share of the less busy of two", share, 0.4)
