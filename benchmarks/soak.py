"""`python -m benchmarks.soak --minutes 10`: mixed load on the gateway, and what it leaves behind.

Exit code 1 if an answer was unexpected, memory grew, a connection stayed open, or the worker was
replaced; 2 if the environment lacks the origin.
"""

import argparse
import asyncio
import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from benchmarks.servers import child_running, free_port, lukhas_command, running
from benchmarks.soak_traffic import Keys, Traffic

__all__ = ("main",)

_SAMPLE_S = 5.0
_GROWTH = 1.05
_CLOSED_WITHIN_S = 20.0
_LISTENING = "0A"

# Small tiers of the cache, so that they are full, and evict, before the warm-up is over. What is
# mapped of the file counts as resident.
_CONFIG = """
listen = "127.0.0.1:{port}"
[admin]
listen = "127.0.0.1:{admin}"
[upstream]
url = "http://127.0.0.1:{origin}"
[tiers]
premium = "100000000/minute; 1000000000/hour; 2000000000/day"
[cache]
size_bytes = 4194304
disk_bytes = 8388608
[log]
level = "error"
"""


@dataclass(slots=True)
class Watched:
    """What was seen of the worker.

    Attributes:
        resident_mb: memory, every few seconds.
        stuck: connections it still had after the load had stopped.
        replaced: whether another process had taken its place.
        answers: whether it answered afterwards.
    """

    resident_mb: list[float] = field(default_factory=list)
    stuck: int = 0
    replaced: bool = False
    answers: bool = False


def main() -> int:
    """Runs the soak and prints what came of it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long the load lasts")
    parser.add_argument("--clients", type=int, default=16, help="how many at once")
    parser.add_argument("--seed", type=int, default=1, help="of the order of requests")
    parser.add_argument("--only", default="", help="only these actions, e.g. hit,miss")
    options = parser.parse_args()
    lacking = [name for name in ("httpbin", "waitress") if find_spec(name) is None]
    if lacking:
        sys.stderr.write(f"soak: {', '.join(lacking)} not installed; run `make soak`\n")
        return 2
    with _gateway() as (port, supervisor, keys):
        traffic = Traffic(port, keys, seed=options.seed)
        if options.only:
            try:
                traffic.only(options.only.split(","))
            except ValueError as error:
                parser.error(str(error))
        seconds = options.minutes * 60
        watched = asyncio.run(_drive(traffic, port, supervisor, (options.clients, seconds)))
    return _report(traffic, watched, seconds)


@contextlib.contextmanager
def _gateway() -> Iterator[tuple[int, int, Keys]]:
    """An origin and the gateway before it; gives its port, the supervisor and keys."""
    port, admin, origin = free_port(), free_port(), free_port()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        config = folder / "soak.toml"
        config.write_text(_CONFIG.format(port=port, admin=admin, origin=origin))
        keys = Keys(roomy=_key(folder, "premium"), narrow=_key(folder, "free"))
        origin_command = [sys.executable, "-m", "benchmarks.soak_origin", str(origin)]
        stack.enter_context(running(origin_command, origin, cpu=None))
        process = stack.enter_context(running(lukhas_command(config, folder), port, cpu=None))
        yield port, process.pid, keys


def _key(state_dir: Path, tier: str) -> str:
    command = [sys.executable, "-m", "lukhas", "keys", "create", "--tier", tier]
    made = subprocess.run(
        [*command, "--state-dir", str(state_dir)], capture_output=True, text=True, check=True
    )
    return next(word for word in made.stdout.split() if word.startswith("lk_"))


async def _drive(traffic: Traffic, port: int, supervisor: int, load: tuple[int, float]) -> Watched:
    clients, seconds = load
    watched = Watched()
    worker = await _worker(supervisor)
    running_load = asyncio.create_task(traffic.run(clients))
    begun = time.monotonic()
    while time.monotonic() - begun < seconds and not running_load.done():
        await asyncio.sleep(min(_SAMPLE_S, seconds))
        with contextlib.suppress(OSError):
            watched.resident_mb.append(_resident_mb(worker))
    traffic.stop()
    await running_load
    until = time.monotonic() + _CLOSED_WITHIN_S
    watched.stuck = _connections(worker)
    while watched.stuck and time.monotonic() < until:
        await asyncio.sleep(0.5)  # another process's connections: nothing to wait on
        watched.stuck = _connections(worker)
    watched.replaced = await _worker(supervisor) != worker
    watched.answers = await asyncio.to_thread(_answers, port)
    return watched


async def _worker(supervisor: int) -> int:
    return await asyncio.to_thread(child_running, supervisor, "lukhas.gateway")


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def _connections(pid: int) -> int:
    """How many TCP connections a process has open, to clients and to the upstream."""
    held: set[str] = set()
    for descriptor in Path(f"/proc/{pid}/fd").glob("*"):
        with contextlib.suppress(OSError):
            held.add(str(descriptor.readlink()))
    count = 0
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
            columns = line.split()
            if columns[3] != _LISTENING and f"socket:[{columns[9]}]" in held:
                count += 1
    return count


def _answers(port: int) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with (
        contextlib.suppress(OSError),
        opener.open(f"http://127.0.0.1:{port}/get", timeout=10) as got,
    ):
        return bool(got.status == 200)
    return False


def _report(traffic: Traffic, watched: Watched, seconds: float) -> int:
    total = traffic.done.total() + traffic.unexpected.total()
    _say(f"{total} requests in {seconds:g} s ({total / seconds:.0f}/s)")
    _say("  " + ", ".join(f"{name} {count}" for name, count in traffic.done.most_common()))
    for what, count in traffic.unexpected.most_common(20):
        _say(f"  unexpected, {count} times: {what}")
    step = max(1, len(watched.resident_mb) // 20)
    _say("  MB: " + " ".join(f"{mb:.1f}" for mb in watched.resident_mb[::step]))
    warm_mb, end_mb = _warm_and_end(watched.resident_mb)
    criteria = (
        ("requests were made", f"{total}", total > 0),
        ("unexpected errors", f"{traffic.unexpected.total()}", not traffic.unexpected),
        (
            f"memory at the end at most {_GROWTH:g} of that after warm-up",
            f"{warm_mb:.1f} MB -> {end_mb:.1f} MB (peak {max(watched.resident_mb, default=0):.1f})",
            0 < end_mb <= warm_mb * _GROWTH,
        ),
        ("open connections after the load", f"{watched.stuck}", watched.stuck == 0),
        ("the worker is the same process", f"{not watched.replaced}", not watched.replaced),
        ("it still answers", f"{watched.answers}", watched.answers),
    )
    for what, shown, met in criteria:
        _say(f"[{'met ' if met else 'FAIL'}] {what}: {shown}")
    return 0 if all(met for *_, met in criteria) else 1


def _warm_and_end(samples: list[float]) -> tuple[float, float]:
    """Memory after the first quarter, and at the end; medians of a few samples each."""
    if not samples:
        return 0.0, 0.0
    warm = samples[len(samples) // 4 :]
    few = max(1, min(6, len(warm) // 3))
    return statistics.median(warm[:few]), statistics.median(warm[-few:])


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
