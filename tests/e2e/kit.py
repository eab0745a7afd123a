"""Processes, ports and deadlines of the end-to-end tests."""

import contextlib
import dataclasses
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

LUKHAS = (sys.executable, "-m", "lukhas")
ROOT = Path(__file__).parents[2]

_ANNOUNCED = re.compile(
    r"lukhas: serving .+ on (https?://\S+), admin on (http://\S+) \(token: see (.+)\)"
)


def wait_for(look: Callable[[], T | None], what: str, *, deadline_s: float = 15.0) -> T:
    """What `look` finds, as soon as it finds something; fails at the deadline."""
    end_s = time.monotonic() + deadline_s
    while True:
        found = look()
        if found is not None and found is not False:
            return found
        if time.monotonic() > end_s:
            raise AssertionError(f"within {deadline_s} s there was no {what}")
        time.sleep(0.01)


def unused_port() -> int:
    """A loopback port where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


class Service:
    """A process with its output in files.

    Args:
        command: what to run.
        folder: where the output goes.
        env: variables beside those of this process.
    """

    def __init__(
        self, command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._out, self._err = folder / "stdout", folder / "stderr"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=ROOT,
                env={**os.environ, **(env or {})},
                # A process group of its own, as a shell gives each command.
                start_new_session=True,
            )

    @property
    def stdout(self) -> str:
        """What it has written to standard output."""
        return self._out.read_text(encoding="utf-8", errors="replace")

    @property
    def stderr(self) -> str:
        """What it has written to standard error."""
        return self._err.read_text(encoding="utf-8", errors="replace")

    def wait_for_output(self, pattern: str | re.Pattern[str]) -> re.Match[str]:
        """The first match in its output."""

        def look() -> re.Match[str] | None:
            found = re.search(pattern, self.stdout + self.stderr)
            if found is None and self.process.poll() is not None:
                raise AssertionError(
                    f"ended with {self.process.returncode}: {self.stdout}{self.stderr}"
                )
            return found

        return wait_for(look, f"output like {pattern!r}", deadline_s=30.0)

    def end(self, caught: signal.Signals = signal.SIGTERM, *, deadline_s: float = 20.0) -> int:
        """Sends a signal to its process group, as a terminal does for Ctrl-C, and waits.

        SIGTERM goes to the process alone, as service managers of containers do.
        """
        if self.process.poll() is None:
            if caught is signal.SIGINT:
                os.killpg(self.process.pid, caught)
            else:
                self.process.send_signal(caught)
        return self.process.wait(deadline_s)

    def kill(self) -> None:
        """Ends it by force, if it runs."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@dataclasses.dataclass(frozen=True)
class Gateway:
    """A `lukhas serve` that serves.

    Attributes:
        service: its process.
        url: where the data plane answers.
        admin_url: where the admin plane answers.
        state_dir: its state directory.
    """

    service: Service
    url: str
    admin_url: str
    state_dir: Path

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the data plane."""
        host, _, port = self.url.partition("://")[2].rpartition(":")
        return host, int(port)

    @property
    def token(self) -> str:
        """The admin token that it made."""
        return (self.state_dir / "admin.token").read_text(encoding="ascii").strip()

    @property
    def worker_pid(self) -> int:
        """The process that carries the traffic."""
        (pid,) = self.worker_pids
        return pid

    @property
    def worker_pids(self) -> list[int]:
        """The processes that carry the traffic, the oldest first."""
        family = descendants(self.service.process.pid)
        return sorted(pid for pid in family if "lukhas.gateway" in command(pid))


@contextlib.contextmanager
def run_gateway(
    folder: Path,
    *arguments: str,
    env: Mapping[str, str] | None = None,
    ended_by_test: bool = False,
) -> Iterator[Gateway]:
    """Serves with these arguments; the end must be clean, where it is not up to the test."""
    state_dir = folder / "state"
    given = [*LUKHAS, "serve", *arguments]
    for flag, value in (
        ("--listen", "127.0.0.1:0"),
        ("--admin", "127.0.0.1:0"),
        ("--state-dir", str(state_dir)),
    ):
        # With a file or variables, it is up to them.
        if flag not in arguments and "--config" not in arguments and env is None:
            given += [flag, value]
    service = Service(given, folder, env)
    try:
        ready = service.wait_for_output(_ANNOUNCED)
        yield Gateway(service, ready[1], ready[2], Path(ready[3]).parent)
        if ended_by_test:
            return
        assert service.process.poll() is None, f"the gateway ended unasked: {service.stderr}"
        family = descendants(service.process.pid)
        code = service.end()
        said = service.stdout + service.stderr
        assert code == 0, said
        assert "Traceback" not in said, said
        assert not [pid for pid in family if is_running(pid)], "processes are left"
    finally:
        service.kill()


def run_cli(
    *arguments: str, env: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Runs `lukhas` to its end."""
    return subprocess.run(
        [*LUKHAS, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **(env or {})},
    )


def ask_raw(address: tuple[str, int], request: bytes, *, timeout_s: float = 10.0) -> bytes:
    """Everything that comes back for these bytes until the other side ends the connection."""
    received = b""
    with socket.create_connection(address, timeout_s) as client:
        # The other side may refuse and close before it has read everything.
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            client.sendall(request)
        with contextlib.suppress(ConnectionResetError):
            while piece := client.recv(65536):
                received += piece
    return received


def descendants(pid: int) -> list[int]:
    """All processes below this one."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (stat := _read(entry / "stat")):
            # The name before the last bracket may hold anything.
            parent = int(stat.rpartition(")")[2].split()[1])
            parents.setdefault(parent, []).append(int(entry.name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found += children
        waiting += children
    return found


def is_running(pid: int) -> bool:
    """Whether there is such a process, which is not just a leftover that nobody has waited for."""
    return state_of(pid) not in {"", "Z"}


def state_of(pid: int) -> str:
    """The state of a process as one letter (proc_pid_stat(5)); empty if there is none."""
    stat = _read(Path(f"/proc/{pid}/stat"))
    return stat.rpartition(")")[2].split()[0] if stat else ""


def command(pid: int) -> str:
    """The command line of a process."""
    return _read(Path(f"/proc/{pid}/cmdline")).replace("\0", " ")


def memory_bytes(pid: int, field: str) -> int:
    """A memory figure of a process, such as `VmRSS` or `VmHWM`."""
    found = re.search(rf"{field}:\s+(\d+) kB", _read(Path(f"/proc/{pid}/status")))
    assert found is not None
    return int(found[1]) * 1024


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
