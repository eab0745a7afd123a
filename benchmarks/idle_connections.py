"""What a keep-alive connection that waits costs: memory of the worker, and time of the others."""

import asyncio
import resource
import tempfile
import time
from pathlib import Path

import uvloop

from benchmarks.measurement import Figure, Section
from benchmarks.servers import (
    await_answer,
    child_running,
    cpu_s,
    free_port,
    lukhas_command,
    running,
)
from benchmarks.timed_origin import origin

__all__ = ("run",)

_STEPS = (0, 2_500, 5_000, 10_000)
_MOST = _STEPS[-1]
# For what the processes have open besides.
_SPARE = 1_000
_AT_ONCE = 100
_ASKED = 2_000
_SETTLE_S = 2.0
_IDLE_S = 5.0

_CONFIG = """
listen = "127.0.0.1:{port}"
[admin]
listen = "127.0.0.1:{admin}"
[upstream]
url = "http://127.0.0.1:{origin}"
[server]
keep_alive_s = 3600
[tiers]
mode = "off"
[log]
level = "error"
"""


def run() -> Section:
    """Opens connections step by step and looks at the worker after each."""
    section = Section(
        "Idle connections",
        f"One worker of `lukhas serve` on one core. Each connection asks once (a hit of the cache) "
        f"and then waits, up to {_MOST} of them. Resident memory is VmRSS of the worker; memory "
        "of the kernel for the sockets is not in it. One more connection then asks "
        f"{_ASKED} times, one by one.",
    )
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < _MOST + _SPARE:
        section.skipped.append(
            f"everything: a process may have {hard} files open, and this needs {_MOST + _SPARE} "
            f"(ulimit -n {_MOST + _SPARE})"
        )
        return section
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, _MOST + _SPARE), hard))
    with (
        tempfile.TemporaryDirectory(prefix="bench-idle-") as name,
        origin() as (origin_port, _),
    ):
        folder, port = Path(name), free_port()
        config = folder / "bench.toml"
        config.write_text(_CONFIG.format(port=port, admin=free_port(), origin=origin_port))
        with running(lukhas_command(config, folder), port) as process:
            await_answer(f"http://127.0.0.1:{port}/cached")
            worker = child_running(process.pid, "lukhas.gateway")
            uvloop.run(_measure(section, port, worker))
    return section


async def _measure(section: Section, port: int, worker: int) -> None:
    request = f"GET /cached HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    # What the first requests allocate once is no cost of a connection.
    await _asked_us(port, request)
    held: list[asyncio.StreamWriter] = []
    base = 0
    p50_us: dict[int, float] = {}
    for step in _STEPS:
        while len(held) < step:
            more = min(_AT_ONCE, step - len(held))
            held += await asyncio.gather(*(_opened(port, request) for _ in range(more)))
        await asyncio.sleep(_SETTLE_S)
        resident = _resident_bytes(worker)
        base = base or resident
        used = cpu_s([worker])
        await asyncio.sleep(_IDLE_S)
        idle_cpu = (cpu_s([worker]) - used) / _IDLE_S
        taken = await _asked_us(port, request)
        p50_us[step] = taken[len(taken) // 2]
        each = (resident - base) / step if step else 0.0
        values: tuple[tuple[str, int | float | str], ...] = (
            ("RSS MiB", round(resident / 2**20, 1)),
            ("B a connection", round(each)),
            ("CPU % while idle", round(100 * idle_cpu, 2)),
            ("p50 us", round(p50_us[step])),
            ("p99 us", round(taken[int(0.99 * len(taken))])),
        )
        section.figures.append(Figure(f"{step} idle", values, ours=True))
    section.at_most("KiB a connection", (resident - base) / _MOST / 1024, 16)
    section.at_most("p50 with all over p50 with none", p50_us[_MOST] / p50_us[0], 1.5)
    lost = sum(writer.is_closing() for writer in held)
    section.at_most("connections that were closed", lost, 0)
    for writer in held:
        writer.transport.abort()
    await asyncio.sleep(_SETTLE_S)
    after = _resident_bytes(worker)
    freed = (("RSS MiB", round(after / 2**20, 1)),)
    section.figures.append(Figure("all closed again", freed, ours=True))


async def _opened(port: int, request: bytes) -> asyncio.StreamWriter:
    """A connection that has had one answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    await _answer(reader)
    return writer


async def _asked_us(port: int, request: bytes) -> list[float]:
    """How long each of many requests on one connection took, sorted."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    taken = []
    for _ in range(_ASKED):
        begun = time.perf_counter_ns()
        writer.write(request)
        await _answer(reader)
        taken.append((time.perf_counter_ns() - begun) / 1000)
    writer.close()
    return sorted(taken)


async def _answer(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(f"not a good answer: {head[:80]!r}")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    await reader.readexactly(length)


def _resident_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"no VmRSS of process {pid}")
