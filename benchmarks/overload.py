"""Twice the load that an API can do, from all tiers, with and without protection."""

import contextlib
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import uvloop

from benchmarks.measurement import Figure, Section
from benchmarks.open_load import Answers, Stream, drive
from benchmarks.overload_origin import CAPACITY_RPS
from benchmarks.servers import await_answer, free_port, lukhas_command, running

__all__ = ("run",)

_TIERS = ("internal", "enterprise", "premium", "basic", "free")
_TIMES = 2.0
_SECONDS = 15.0
_WARM_S = 3.0
_PATIENCE_S = 1.0

_CONFIG = """
listen = "127.0.0.1:{port}"
[admin]
listen = "127.0.0.1:{admin}"
[upstream]
url = "http://127.0.0.1:{origin}"
[tiers]
mode = "off"
[overload]
mode = "{mode}"
[log]
level = "error"
"""


def run() -> Section:
    """Runs both."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65_536)), hard))
    section = Section(
        "Overload",
        f"An origin that can do {CAPACITY_RPS:g} requests a second, behind `lukhas serve`. "
        f"{_TIMES:g} times that comes in, a fifth from each tier, at times that do not depend on "
        f"the answers, for {_SECONDS:g} s of which the first {_WARM_S:g} do not count. Goodput is "
        f"the share of requests answered with 200 within {_PATIENCE_S:g} s; then clients hang up.",
    )
    protected: dict[str, Answers] = {}
    for mode, name in (("off", "without"), ("enforce", "with")):
        # Each has an origin of its own, for what one run left undone would slow down the next.
        with _origin() as origin:
            protected = _measured(origin, mode)
        for tier in _TIERS:
            section.figures.append(_figure(f"{name} protection, {tier}", protected[tier], mode))
    top, free = protected["internal"], protected["free"]
    section.at_least("goodput of the top tier", top.share(200), 0.95)
    section.at_least("goodput of FREE", free.share(200), 0.01)
    worst_ms = max(found.quantile_ms(0.99) for found in protected.values())
    section.at_most("p99 of any tier", worst_ms, 400, " ms")
    done = sum(found.by_status.get(200, 0) for found in protected.values())
    used = done / (_SECONDS - _WARM_S) / CAPACITY_RPS
    section.at_least("capacity of the origin used for good answers", used, 0.9)
    return section


def _figure(name: str, answers: Answers, mode: str) -> Figure:
    return Figure(
        name,
        (
            ("offered", answers.offered),
            ("goodput %", round(answers.share(200) * 100, 1)),
            ("p50 ms", round(answers.quantile_ms(0.5), 1)),
            ("p99 ms", round(answers.quantile_ms(0.99), 1)),
            ("shed %", round(answers.share(503) * 100, 1)),
            ("no answer %", round(answers.late / max(1, answers.offered) * 100, 1)),
        ),
        ours=mode == "enforce",
    )


@contextlib.contextmanager
def _origin() -> Iterator[int]:
    port = free_port()
    with running([sys.executable, "-m", "benchmarks.overload_origin", str(port)], port, cpu=None):
        yield port


def _measured(origin: int, mode: str) -> dict[str, Answers]:
    with tempfile.TemporaryDirectory(prefix="bench-overload-") as folder:
        state_dir = Path(folder) / "state"
        port = free_port()
        config = Path(folder) / "lukhas.toml"
        config.write_text(_CONFIG.format(port=port, admin=free_port(), origin=origin, mode=mode))
        streams = [_stream(tier, state_dir, port) for tier in _TIERS]
        with running(lukhas_command(config, state_dir), port, cpu=None):
            await_answer(f"http://127.0.0.1:{port}/ready")
            return uvloop.run(
                drive(port, streams, seconds=_SECONDS, warm_s=_WARM_S, patience_s=_PATIENCE_S)
            )


def _stream(tier: str, state_dir: Path, port: int) -> Stream:
    key = subprocess.run(
        [
            *(sys.executable, "-m", "lukhas", "keys", "create", "--tier", tier),
            *("--state-dir", str(state_dir)),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    secret = next(word for word in key.split() if word.startswith("lk_"))
    request = f"GET /work HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-API-Key: {secret}\r\n\r\n"
    return Stream(tier, request.encode(), _TIMES * CAPACITY_RPS / len(_TIERS))
