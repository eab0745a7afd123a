"""What a parent process and its children say to each other: settings down, readiness up.

A child is a new interpreter, not a fork, so that an upgrade can start new code beside the old. Its
settings come over its standard input, which stays open: when it ends, the parent is gone.
"""

import os
import pickle
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lukhas.config.settings import Settings

__all__ = ("ChildTask", "announce_ready", "end_with_parent", "read_task", "write_task")


@dataclass(frozen=True, slots=True)
class ChildTask:
    """What a child is to do.

    Attributes:
        settings: the effective settings; without the admin token where the child needs none.
        descriptor: the listening socket, inherited.
        ready_descriptor: where it says that it is ready; -1 for nowhere.
        telemetry_path: the Unix socket between workers and admin process.
        name: the name of the child, unique among those running.
        gateway_url: where the gateway answers, for people.
    """

    settings: Settings
    descriptor: int
    ready_descriptor: int
    telemetry_path: Path
    name: str
    gateway_url: str


def write_task(pipe: IO[bytes], task: ChildTask) -> None:
    """Tells a child its task; the pipe is left open."""
    pickle.dump(task, pipe, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.flush()


def read_task() -> ChildTask:
    """The task of this child, from its standard input."""
    task = pickle.load(sys.stdin.buffer)  # noqa: S301 - written by our own parent, nobody else
    if not isinstance(task, ChildTask):
        raise TypeError("the standard input of a child process holds no task")
    return task


def announce_ready(task: ChildTask) -> None:
    """Tells the parent that this child serves."""
    if task.ready_descriptor >= 0:
        os.write(task.ready_descriptor, b"1")
        os.close(task.ready_descriptor)


def end_with_parent() -> None:
    """Makes this process end like at SIGTERM as soon as its parent is gone."""

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
