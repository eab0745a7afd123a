"""`python -m benchmarks [NAME ...]`: runs the benchmarks, prints them and writes a report."""

import argparse
import datetime
import importlib
import multiprocessing
import sys
from pathlib import Path

from benchmarks.measurement import Section
from benchmarks.report import markdown, text

__all__ = ("main",)

NAMES = ("limiter", "middleware", "cache_hit", "gateway")
_REPORTS = Path(__file__).with_name("reports")


def main() -> int:
    """Runs what was asked for; the exit code is 1 if a figure falls short of its target."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], help="which; all if none")
    parser.add_argument("--no-report", action="store_true", help="print only")
    parser.add_argument("--strict", action="store_true", help="exit with 1 where a target is missed")
    options = parser.parse_args()
    names = options.names or list(NAMES)
    sections = [_run(name) for name in names]
    for section in sections:
        sys.stdout.write(text(section) + "\n")
    day = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    if not options.no_report:
        name = day if not options.names else f"{day}-{'-'.join(names)}"
        path = _REPORTS / f"{name}.md"
        path.write_text(markdown(sections, day=day), encoding="utf-8")
        sys.stdout.write(f"\nreport: {path.relative_to(Path.cwd())}\n")
    short = any(not target.met for section in sections for target in section.targets)
    return 1 if short and options.strict else 0


def _run(name: str) -> Section:
    """Runs one benchmark in a fresh process, so that none inherits another's heap."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        section: Section = pool.apply(_section, (name,))
    return section


def _section(name: str) -> Section:
    module = importlib.import_module(f"benchmarks.{name}")
    section: Section = module.run()
    return section


if __name__ == "__main__":
    sys.exit(main())
