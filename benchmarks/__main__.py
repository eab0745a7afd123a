"""`python -m benchmarks [NAME ...]`: runs the benchmarks, prints them and writes a report."""

import argparse
import datetime
import os
import sys
from pathlib import Path

import msgspec

from benchmarks.isolation import ChildFailedError, in_fresh_process
from benchmarks.measurement import Section
from benchmarks.report import markdown, text

__all__ = ("main",)

NAMES = (
    "pipeline",
    "limiter",
    "limiter_node",
    "redis_limiter",
    "middleware",
    "cache_hit",
    "cache_tiers",
    "hit_ratio",
    "gateway",
    "http2",
    "overload",
    "balancing",
    "priority_lane",
    "best_of",
    "slow_target",
    "idle_connections",
    "scaling",
    "openapi",
    "redis",
    "anomalies",
    "forecasts",
)
_REPORTS = Path(__file__).with_name("reports")
_TIMEOUT_S = 900.0


def main() -> int:
    """Runs what was asked for.

    Returns:
        1 if a benchmark failed, or, with `--strict`, if a figure falls short of its target.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; or all")
    parser.add_argument("--no-report", action="store_true", help="print only")
    parser.add_argument(
        "--strict", action="store_true", help="exit with 1 where a target is missed"
    )
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in NAMES]
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(NAMES)}")
    names = options.names or list(NAMES)
    sections: list[Section] = []
    failed = False
    for name in names:
        try:
            section = _run(name)
        except ChildFailedError as error:
            failed = True
            section = Section(name, "", skipped=[str(error)])
            sys.stderr.write(f"{error.output}\n")
        sections.append(section)
        sys.stdout.write(text(section) + "\n")
        sys.stdout.flush()
    if not options.no_report:
        _write_report(sections, partial=list(options.names))
    short = any(not target.met for section in sections for target in section.targets)
    return 1 if failed or (short and options.strict) else 0


def _run(name: str) -> Section:
    """Runs one benchmark in a fresh process, so that none inherits another's heap."""
    result = in_fresh_process("benchmarks.one", [name], timeout_s=_TIMEOUT_S)
    return msgspec.json.decode(result, type=Section)


def _write_report(sections: list[Section], *, partial: list[str]) -> None:
    day = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    _REPORTS.mkdir(exist_ok=True)
    path = _REPORTS / f"{'-'.join([day, *partial])}.md"
    path.write_text(markdown(sections, day=day), encoding="utf-8")
    sys.stdout.write(f"\nreport: {os.path.relpath(path)}\n")


if __name__ == "__main__":
    sys.exit(main())
