"""A child process for the tests of the supervisor; its task's name says how it behaves."""

import os
import signal
import sys
import time
from pathlib import Path

from lukhas.hub.child_link import announce_ready, end_with_parent, read_task


def main() -> None:
    task = read_task()
    kind, _, path = task.name.partition(":")
    if kind == "exits":
        sys.exit(3)
    if kind == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if kind == "flaky":
        # Ready, then dies; then fails at its start; then runs.
        starts = Path(path)
        count = len(starts.read_text()) if starts.exists() else 0
        starts.write_text("x" * (count + 1))
        if count == 1:
            sys.exit(4)
        if count == 0:
            announce_ready(task)
            os.kill(os.getpid(), signal.SIGKILL)
    if kind == "bound":
        end_with_parent()
    if kind != "silent":
        announce_ready(task)
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
