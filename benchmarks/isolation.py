"""Runs a module in a process of its own, which cannot hang and whose error is seen."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

__all__ = ("ChildFailedError", "in_fresh_process")

_GRACE_S = 20


class ChildFailedError(RuntimeError):
    """A process ended with an error, or not in time.

    Attributes:
        output: the end of what it wrote.
    """

    def __init__(self, what: str, output: str) -> None:
        self.output = output
        super().__init__(what)


def in_fresh_process(module: str, arguments: Sequence[str], *, timeout_s: float) -> bytes:
    """Runs `python -m module *arguments FILE` and gives what it wrote into FILE.

    Args:
        module: what to run.
        arguments: what to tell it, before the name of the file.
        timeout_s: when to end it; it is asked first, so that it can end what it started.

    Raises:
        ChildFailedError: it failed, or did not end in time.
    """
    with (
        tempfile.TemporaryDirectory(prefix="bench-child-") as folder,
        tempfile.TemporaryFile() as output,
    ):
        path = Path(folder) / "result"
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments, str(path)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            ended = _ends_within(process, timeout_s)
        finally:
            # Also when this process is interrupted: nothing is left behind.
            _end(process)
        output.seek(0)
        text = output.read().decode(errors="replace")[-3000:]
        if not ended:
            raise ChildFailedError(f"{module} did not end within {timeout_s:g} s", text)
        if process.returncode or not path.exists():
            raise ChildFailedError(f"{module} failed with code {process.returncode}", text)
        return path.read_bytes()


def _ends_within(process: subprocess.Popen[bytes], timeout_s: float) -> bool:
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(_GRACE_S)
