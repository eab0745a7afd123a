"""`lukhas serve` as a process of its own, with everything it says."""

import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ("WAIT_S", "Served", "children", "command", "get", "serving", "until")

WAIT_S = 40.0


def until(condition: Callable[[], object]) -> None:
    """Waits until the condition holds; fails after a generous time."""
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def get(port: int, path: str = "/", method: str = "GET", **fields: str) -> tuple[int, bytes]:
    """A request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    try:
        connection.request(method, path, headers=fields)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def children(pid: int, module: str = "lukhas.gateway") -> set[int]:
    """The child processes that run a module."""
    found = set()
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        try:
            words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):  # It has just ended.
            continue
        if words[-2:-1] == [module.encode()]:
            found.add(int(child))
    return found


def command(*flags: str) -> list[str]:
    """The command line of a gateway."""
    return [sys.executable, "-m", "lukhas", "serve", *flags]


@dataclass
class Served:
    """A running gateway.

    Attributes:
        process: its parent process.
        port: of the data plane.
        admin_port: of the admin plane.
        state_dir: its state directory.
        lines: what it has said on standard error.
    """

    process: subprocess.Popen[str]
    state_dir: Path
    port: int = 0
    admin_port: int = 0
    lines: list[str] = field(default_factory=list)

    def workers(self) -> set[int]:
        """The process ids of the workers."""
        return children(self.process.pid)

    def said(self, text: str) -> int:
        """How many lines hold a text."""
        return sum(text in line for line in self.lines)

    def tell(self, sent: signal.Signals, answer: str) -> None:
        """Sends a signal and waits for one more line that holds the answer."""
        before = self.said(answer)
        self.process.send_signal(sent)
        until(lambda: self.said(answer) > before or self.process.poll() is not None)
        assert self.said(answer) > before, "".join(self.lines)

    def ask_admin(self, path: str, *, method: str = "GET") -> tuple[int, bytes]:
        """A request to the admin plane, with its token."""
        token = (self.state_dir / "admin.token").read_text().strip()
        return get(self.admin_port, path, method, Authorization=f"Bearer {token}")

    def read(self) -> None:
        """Collects what it says, to the end."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)


@contextmanager
def serving(
    *flags: str,
    state_dir: Path,
    start: Sequence[str] | None = None,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> Iterator[Served]:
    """A gateway on ports of its own choice, ended by SIGTERM.

    Args:
        flags: of `lukhas serve`.
        state_dir: its state directory.
        start: what to run instead, which ends up in the gateway.
        env: added to the environment.
        pass_fds: descriptors to hand over.
    """
    given = [*flags, "--state-dir", str(state_dir)]
    for plane in ("--listen", "--admin"):
        if plane not in given:
            given += [plane, "127.0.0.1:0"]
    process = subprocess.Popen(
        [*(start or ()), *command(*given)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
        pass_fds=pass_fds,
    )
    served = Served(process, state_dir)
    reading = threading.Thread(target=served.read, daemon=True)
    reading.start()
    try:
        until(lambda: served.said("serving") or process.poll() is not None)
        if process.poll() is not None:
            # All that it has said, and not only what was read by chance.
            reading.join(WAIT_S)
        assert served.said("serving"), "".join(served.lines)
        served.port, served.admin_port = _ports(next(s for s in served.lines if "serving" in s))
        yield served
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(WAIT_S)
        reading.join(WAIT_S)
        assert process.stderr is not None
        process.stderr.close()


def _ports(line: str) -> tuple[int, int]:
    words = line.replace(",", " ").split()
    gateway, admin = [word for word in words if word.startswith("http://127.0.0.1:")][-2:]
    return int(gateway.rpartition(":")[2]), int(admin.rpartition(":")[2])
