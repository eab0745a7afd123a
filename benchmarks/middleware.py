"""What the middleware adds to a request of a FastAPI app, beside slowapi and fastapi-limiter."""

import asyncio
import contextlib
import os
import shutil
import statistics
import sys
from importlib.util import find_spec

from benchmarks import apps
from benchmarks.asgi_load import ASGIApp, ask, caller
from benchmarks.measurement import Figure, Section, interleaved_us, pin
from benchmarks.servers import SERVER_CPU, Load, free_port, running, wrk

__all__ = ("run",)

_LOOPS = 100
# Smaller for a quick look: BENCH_ROUNDS=5 BENCH_REPEATS=1.
_ROUNDS = int(os.environ.get("BENCH_ROUNDS", "101"))
_SECONDS = 3
_REPEATS = int(os.environ.get("BENCH_REPEATS", "5"))
_OURS = "lukhas, 3 tiers + fields"
_SLOWAPI = "slowapi ASGI, 3 limits"
_FASTAPI_LIMITER = "fastapi-limiter, 1 limit, no fields"
_PEERS = {
    "slowapi": {"slowapi ASGI, 1 limit": "slowapi_1", _SLOWAPI: "slowapi_3"},
    "fastapi_limiter": {
        _FASTAPI_LIMITER: "fastapi_limiter_1",
        "fastapi-limiter, 3 limits, no fields": "fastapi_limiter_3",
    },
}
# Names of cases whose answers tell nothing about limits.
_SILENT = ("bare", "fastapi-limiter")


def run() -> Section:
    """Runs the comparison."""
    section = Section(
        "Middleware on FastAPI",
        "An app with 20 other routes; the request is allowed and not cached. Added: in-process "
        f"ASGI calls, {_ROUNDS} interleaved rounds of {_LOOPS} calls, difference of the medians. "
        f"req/s: one uvicorn worker (uvloop, httptools) on one core, wrk -t1 -c64 on the other, "
        f"{_REPEATS} interleaved runs of {_SECONDS} s, medians; over bare: median of the ratios "
        "within a repeat. fastapi-limiter: its dependency, one GCRA bucket a client.",
    )
    names = {"bare": "bare", _OURS: "ours"}
    for module, apps_of_it in _PEERS.items():
        if find_spec(module) is None:
            section.skipped.append(f"{module}: not installed in this environment")
        else:
            names |= apps_of_it
    # Servers first: afterwards this process is bound to one core, and so are its children.
    loads = _loads(section, names)
    per_call_us = _in_process(names)
    _tell(section, per_call_us, loads)
    return section


def _in_process(names: dict[str, str]) -> dict[str, float]:
    pin(0)
    loop = asyncio.new_event_loop()
    made: dict[str, ASGIApp] = {name: getattr(apps, app)() for name, app in names.items()}
    for name, app in made.items():
        answer = ask(loop, app, apps.PATH)
        told = answer.values(b"ratelimit") or answer.values(b"x-ratelimit-limit")
        if answer.status != 200 or bool(told) == name.startswith(_SILENT):
            raise RuntimeError(f"{name} answers {answer.status} {answer.headers}")
    cases = [(name, caller(loop, app, apps.PATH)) for name, app in made.items()]
    taken = interleaved_us(cases, loops=_LOOPS, rounds=_ROUNDS)
    loop.close()
    return taken


def _loads(section: Section, names: dict[str, str]) -> dict[str, list[Load]]:
    for tool in ("wrk", "taskset"):
        if shutil.which(tool) is None:
            section.skipped.append(f"req/s: {tool} is not installed (make test-system has it)")
            return {}
    loads: dict[str, list[Load]] = {name: [] for name in names}
    with contextlib.ExitStack() as stack:
        servers: list[tuple[str, int, int]] = []
        for name, app in names.items():
            port = free_port()
            process = stack.enter_context(running(_uvicorn(app, port), port, cpu=SERVER_CPU))
            servers.append((name, port, process.pid))
        for repeat in range(_REPEATS + 1):
            for name, port, pid in servers:
                url = f"http://127.0.0.1:{port}{apps.PATH}"
                load = wrk(url, pid, seconds=_SECONDS if repeat else 1)
                # The first is the warm-up.
                if repeat:
                    loads[name].append(load)
    return loads


def _uvicorn(app: str, port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "uvicorn", f"benchmarks.apps:{app}", "--factory"),
        *("--host", "127.0.0.1", "--port", str(port), "--loop", "uvloop", "--http", "httptools"),
        *("--no-access-log", "--log-level", "warning"),
    ]


def _tell(section: Section, per_call_us: dict[str, float], loads: dict[str, list[Load]]) -> None:
    added = {name: taken - per_call_us["bare"] for name, taken in per_call_us.items()}
    over_bare = {
        name: statistics.median(
            load.rps / base.rps for load, base in zip(runs, loads["bare"], strict=True)
        )
        for name, runs in loads.items()
    }
    for name, taken in per_call_us.items():
        values: list[tuple[str, int | float | str]] = [
            ("us/call", round(taken, 1)),
            ("added us", round(added[name], 1)),
        ]
        runs = loads.get(name)
        if runs:
            values += [
                ("req/s", round(statistics.median(load.rps for load in runs))),
                ("over bare", round(over_bare[name], 3)),
                ("CPU us/req", round(statistics.median(load.cpu_us for load in runs), 1)),
                ("errors", sum(load.errors for load in runs)),
            ]
        section.figures.append(Figure(name, tuple(values), ours=name == _OURS))
    section.at_most("added to a request", added[_OURS], 12, " us")
    if _SLOWAPI in added:
        ratio = added[_SLOWAPI] / added[_OURS]
        section.at_least("times cheaper than slowapi with 3 limits", ratio, 12)
    if _FASTAPI_LIMITER in added:
        ratio = added[_FASTAPI_LIMITER] / added[_OURS]
        section.at_least("times cheaper than fastapi-limiter with 1 limit", ratio, 3.5)
    if _OURS in over_bare:
        section.at_least("req/s over the bare app's", over_bare[_OURS], 0.93)
