"""`python -m benchmarks.one NAME FILE`: one benchmark, its section as JSON in a file."""

import importlib
import signal
import sys
from pathlib import Path
from types import FrameType

import msgspec

from benchmarks.measurement import Section

__all__ = ("main",)


def main(name: str, path: str) -> None:
    """Runs a benchmark and writes its section."""
    # As an exception, so that servers it started are ended on the way out.
    signal.signal(signal.SIGTERM, _leave)
    section: Section = importlib.import_module(f"benchmarks.{name}").run()
    Path(path).write_bytes(msgspec.json.encode(section))


def _leave(signum: int, _frame: FrameType | None) -> None:
    sys.exit(128 + signum)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
