"""What a parent process and its children say to each other: settings down, readiness up.

A child is a new interpreter, not a fork, so that an upgrade can start new code beside the old. Its
settings come over its standard input, which stays open: when it ends, the parent is gone.
"""

import os
import pickle
import signal
import sys
import threading
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel, ValidationError

from lukhas.config.settings import Settings
from lukhas.errors import ConfigError

__all__ = (
    "READY",
    "ChildTask",
    "announce_ready",
    "deaf_to_terminal",
    "end_with_parent",
    "read_task",
    "write_task",
)


READY = b"ready\n"
"""What a child writes as soon as it serves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildTask:
    """What a child is to do.

    Attributes:
        settings: the effective settings; without the admin token where the child needs none.
        descriptors: the listening sockets to serve, inherited.
        sibling_descriptors: the listening sockets of the other workers, inherited, so that no
            connection is stranded at one of them when its worker dies.
        ready_descriptor: where it says that it is ready; -1 for nowhere.
        telemetry_path: the Unix socket between workers and admin process.
        handover_path: where one admin process leaves its figures for the next.
        control_path: the Unix socket of the parent, see `control_link`.
        waits: whether it is to get ready and then wait for `begin` (see `Child`), because another
            child still does its work.
        name: the name of the child, unique in its generation.
        generation: counts the sets of children that this parent has started, from 1.
        workers: how many workers may serve beside each other in this generation.
        gateway_url: where the gateway answers, for people.
        flags: the flags that the settings came from, for the admin process; None if they came
            from nowhere where they could be read again.
        config_file: the file that they came from, if there is one.
    """

    settings: Settings
    descriptors: tuple[int, ...]
    sibling_descriptors: tuple[int, ...] = ()
    ready_descriptor: int = -1
    telemetry_path: Path
    handover_path: Path | None = None
    control_path: Path | None = None
    waits: bool = False
    name: str
    generation: int = 1
    workers: int = 1
    gateway_url: str
    flags: dict[str, str] | None = None
    config_file: Path | None = None


def write_task(pipe: IO[bytes], task: ChildTask) -> None:
    """Tells a child its task; the pipe is left open.

    It goes as plain values by name: after an upgrade the child is newer code than the parent, and
    reads what it knows.
    """
    values = {field.name: getattr(task, field.name) for field in fields(task)}
    pickle.dump(_plain(values), pipe, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.flush()


def _plain(value: Any) -> Any:
    """The same value with settings sections as tables of the keys that were set or defaulted."""
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, tuple):
        return tuple(_plain(inner) for inner in value)
    return value


def read_task() -> ChildTask:
    """The task of this child, from its standard input.

    Raises:
        ConfigError: the parent is of a version whose settings this one does not understand.
    """
    values = pickle.load(sys.stdin.buffer)  # noqa: S301 - written by our own parent, nobody else
    if not isinstance(values, dict):
        raise TypeError("the standard input of a child process holds no task")
    known = {field.name for field in fields(ChildTask)}
    try:
        values["settings"] = Settings.model_validate(values["settings"])
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise ConfigError(
            f"the running version has settings that this one does not take ({first['msg']})",
            where=where,
            hint="restart instead of upgrading",
        ) from None
    return ChildTask(**{name: value for name, value in values.items() if name in known})


def announce_ready(task: ChildTask, *, goes_on: bool = False) -> None:
    """Tells the parent that this child serves.

    Args:
        task: that of the child.
        goes_on: whether it has more to tell there, see `lukhas.gateway.pulse`.
    """
    if task.ready_descriptor >= 0:
        os.write(task.ready_descriptor, READY)
        if not goes_on:
            os.close(task.ready_descriptor)


def end_with_parent() -> threading.Event:
    """Makes this process end like at SIGTERM as soon as its parent is gone.

    Returns:
        What is set when the parent says that a child that waits is to begin.
    """
    begin = threading.Event()

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            begin.set()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
    return begin


def deaf_to_terminal() -> None:
    """Ignores the signals that are meant for the parent, but may reach the whole process group."""
    for meant_for_parent in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR2):
        signal.signal(meant_for_parent, signal.SIG_IGN)
