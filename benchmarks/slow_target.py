"""One of three targets is slow: what clients see, over real sockets, by way of balancing."""

import contextlib
import statistics
import tempfile
from pathlib import Path

import uvloop

from benchmarks.measurement import Figure, Section
from benchmarks.open_load import Answers, Stream, drive
from benchmarks.servers import LOAD_CPU, await_answer, free_port, lukhas_command, running
from benchmarks.timed_origin import origin

__all__ = ("run",)

_SECONDS = 12.0
_WARM_S = 2.0
_PATIENCE_S = 10.0
_ROUNDS = 3
_TARGETS = 3
_PLACES = 8
_MEAN_MS = 10.0
_DEFAULT = "peak_ewma"
_BALANCERS = ("round_robin", _DEFAULT)
# How many times slower; how busy all would be if all were quick; what must be reached.
_CASES = ((3.0, 0.3, 0.6), (10.0, 0.08, 0.2))

_CONFIG = """
listen = "127.0.0.1:{port}"
[admin]
listen = "127.0.0.1:{admin}"
[upstream]
url = "{first}"
targets = [{others}]
[upstream.balancing]
balancer = "{kind}"
[tiers]
mode = "off"
[log]
level = "error"
"""


def run() -> Section:
    """Runs each case with each way, in turns."""
    section = Section(
        "Balancing over sockets",
        f"{_TARGETS} targets of {_PLACES} places with {_MEAN_MS:g} ms exponential service behind "
        f"`lukhas serve`, one of them 3 or 10 times slower; Poisson arrivals that round robin can "
        f"carry, for {_SECONDS:g} s of which the first {_WARM_S:g} do not count; {_ROUNDS} rounds "
        "in turns, medians. The gateway has one core; targets and load share the other, so the "
        "times hold what these wait for each other.",
    )
    for slow, use, bound in _CASES:
        rps = _TARGETS * _PLACES * use / _MEAN_MS * 1000
        taken: dict[str, list[Answers]] = {kind: [] for kind in _BALANCERS}
        for number in range(_ROUNDS):
            for kind in _BALANCERS:
                taken[kind].append(_measured(kind, slow, rps, seed=number + 1))
        for kind, rounds in taken.items():
            section.figures.append(_figure(f"{slow:g}x slow, {rps:.0f}/s, {kind}", rounds))
        ratio = _median(taken[_DEFAULT], 0.99) / max(_median(taken["round_robin"], 0.99), 1e-9)
        section.at_most(f"p99 over that of round robin, one {slow:g}x slow", ratio, bound)
        bad = sum(round_.late for rounds in taken.values() for round_ in rounds)
        section.at_most(f"requests without an answer, one {slow:g}x slow", bad, 0)
    return section


def _measured(kind: str, slow: float, rps: float, *, seed: int) -> Answers:
    """One run with targets and a gateway of its own."""
    with contextlib.ExitStack() as stack:
        urls = []
        for number in range(_TARGETS):
            mean_ms = _MEAN_MS * (slow if number == 0 else 1.0)
            at, _ = stack.enter_context(origin(mean_ms=mean_ms, places=_PLACES, cpu=LOAD_CPU))
            urls.append(f"http://127.0.0.1:{at}")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-slow-")))
        port = free_port()
        others = ", ".join(f'"{url}"' for url in urls[1:])
        config = folder / "bench.toml"
        config.write_text(
            _CONFIG.format(port=port, admin=free_port(), first=urls[0], others=others, kind=kind)
        )
        stack.enter_context(running(lukhas_command(config, folder), port))
        await_answer(f"http://127.0.0.1:{port}/")
        request = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
        answers = uvloop.run(
            drive(
                port,
                [Stream("all", request, rps)],
                seconds=_SECONDS,
                warm_s=_WARM_S,
                patience_s=_PATIENCE_S,
                seed=seed,
            )
        )
    return answers["all"]


def _median(rounds: list[Answers], q: float) -> float:
    return statistics.median(one.quantile_ms(q) for one in rounds)


def _figure(name: str, rounds: list[Answers]) -> Figure:
    values = (
        ("p50 ms", round(_median(rounds, 0.5), 1)),
        ("p99 ms", round(_median(rounds, 0.99), 1)),
        ("200 %", round(100 * statistics.fmean(one.share(200) for one in rounds), 2)),
        ("requests", sum(one.offered for one in rounds)),
    )
    return Figure(name, values, ours=name.endswith(_DEFAULT))
