"""One shell session for a page: its commands run in order, its servers in the background."""

import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.docs.pages import ROOT

__all__ = ("CommandFailedError", "Session", "is_server")

_SERVERS = re.compile(r"(lukhas (serve|demo)\b|uvicorn |python3 -m http\.server )(?!.*--help)")
_PORTS = ("8000", "8001", "9000", "9001")
_PORT = re.compile(rf"(?<!\d)({'|'.join(_PORTS)})(?!\d)")
_READY_S = 20.0
_COMMAND_S = 20.0
_STOP_S = 10.0
_END = "--end-of-command--"


class CommandFailedError(AssertionError):
    """A command of the documentation does not do what the page says."""


def is_server(command: str) -> bool:
    """Whether a command runs until it is stopped."""
    return _SERVERS.match(command) is not None


class Session:
    """A bash with a home, a state directory and ports of its own.

    The ports of the documentation are replaced by free ones in everything that is run, and put
    back in everything that comes out.

    Args:
        folder: an empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = dict(zip(_PORTS, _free_ports(len(_PORTS)), strict=True))
        self.status = 0
        self._servers: dict[str, subprocess.Popen[bytes]] = {}
        self._starting: list[tuple[str, subprocess.Popen[bytes], str]] = []
        self._log = (folder.parent / "servers.log").open("wb")
        shutil.copytree(ROOT / "examples", folder / "examples")
        for example in (folder / "examples").iterdir():
            if example.is_file():
                example.write_text(self.ours(example.read_text(encoding="utf-8")))
        self.environment = self._environment()
        self._shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def ours(self, text: str) -> str:
        """The text with the ports of this session."""
        return _PORT.sub(lambda match: self.ports[match[1]], text)

    def theirs(self, text: str) -> str:
        """The text with the ports of the documentation."""
        for documented, used in self.ports.items():
            text = text.replace(used, documented)
        return text

    def run(self, command: str) -> str:
        """Runs a command to its end, or starts a server; gives what was written.

        Servers that are started one after the other start at the same time: only what is run after
        them waits until all of them answer.
        """
        if is_server(command):
            self._start(command)
            return ""
        self.ready()
        pipe = self._shell.stdin
        assert pipe is not None
        pipe.write(f"{{ {self.ours(command)}\n}} </dev/null; echo {_END} $?\n".encode())
        pipe.flush()
        return self.theirs(self._read(command))

    def ready(self) -> None:
        """Waits until every server that was started answers."""
        starting, self._starting = self._starting, []
        for command, process, port in starting:
            self._wait_for(command, process, port=port)

    def close(self) -> None:
        """Stops the shell and every server; the product's own must end well."""
        try:
            self.ready()
        finally:
            self._end()

    def _end(self) -> None:
        for process in self._servers.values():
            process.send_signal(signal.SIGTERM)
        codes = {name: self._stopped(name) for name in list(self._servers)}
        for pipe in (self._shell.stdin, self._shell.stdout):
            assert pipe is not None
        self._shell.kill()
        self._shell.communicate()
        self._log.close()
        failed = {name: code for name, code in codes.items() if name == "lukhas" and code != 0}
        if failed:
            raise CommandFailedError(f"not a graceful end: {failed}")

    def _environment(self) -> dict[str, str]:
        paths = [str(Path(sys.executable).parent), os.environ["PATH"]]
        home = self.folder.parent / "home"
        home.mkdir()
        if shutil.which("curl") is None:
            paths.append(str(_curl_of_ours(home)))
        # As at a terminal: no progress meter.
        (home / ".curlrc").write_text("silent\nshow-error\n", encoding="ascii")
        return {
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "LUKHAS_ADMIN__LISTEN": f"127.0.0.1:{self.ports['8001']}",
            "LUKHAS_LISTEN": f"127.0.0.1:{self.ports['8000']}",
            "PATH": os.pathsep.join(paths),
            "PYTHONPATH": str(self.folder),
        }

    def _start(self, command: str) -> None:
        words = command.split()
        kind = "origin" if "http.server" in command or "9000" in words else "lukhas"
        kind = "second origin" if "9001" in words else kind
        name = "app" if command.startswith("uvicorn") and kind == "lukhas" else kind
        # What answers on one port has to go before the next can.
        for other in (name,) if name.endswith("origin") else ("lukhas", "app"):
            if other in self._servers:
                self.ready()
                self._servers[other].send_signal(signal.SIGTERM)
                self._stopped(other)
        process = subprocess.Popen(
            ["bash", "-c", f"exec {self.ours(command)}"],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        self._servers[name] = process
        waited_for = {
            "origin": ("9000",),
            "second origin": ("9001",),
            "app": ("8000",),
            "lukhas": ("8000", "8001"),
        }[name]
        self._starting += [(command, process, port) for port in waited_for]

    def _wait_for(self, command: str, process: subprocess.Popen[bytes], *, port: str) -> None:
        end_s = time.monotonic() + _READY_S
        while time.monotonic() < end_s:
            if process.poll() is not None:
                break
            try:
                # A listening socket is not enough, and a whole request would count for limits.
                with socket.create_connection(
                    ("127.0.0.1", int(self.ports[port])), _READY_S
                ) as probe:
                    probe.sendall(b"GET / HTTP/1.1\r\n\r\n")
                    # With TLS the answer to what is no handshake is the end of the connection.
                    if probe.recv(1) or self._speaks_tls(command):
                        return
            except OSError:
                pass
            time.sleep(0.05)
        self._log.flush()
        written = Path(self._log.name).read_text(encoding="utf-8", errors="replace")
        raise CommandFailedError(f"{command}: does not serve\n{written[-2000:]}")

    def _speaks_tls(self, command: str) -> bool:
        config = re.search(r"--config (\S+)", command)
        settings = (self.folder / config[1]).read_text("utf-8") if config is not None else ""
        return "--tls-cert" in command or "[tls]" in settings

    def _stopped(self, name: str) -> int:
        process = self._servers.pop(name)
        try:
            return process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def _read(self, command: str) -> str:
        pipe = self._shell.stdout
        assert pipe is not None
        written = b""
        end_s = time.monotonic() + _COMMAND_S
        while (left_s := end_s - time.monotonic()) > 0:
            if not select.select([pipe], [], [], left_s)[0]:
                break
            piece = os.read(pipe.fileno(), 65536)
            if not piece:
                break
            written += piece
            text = written.decode(errors="replace")
            match = re.search(rf"(.*){_END} (\d+)\n\Z", text, re.DOTALL)
            if match is not None:
                self.status = int(match[2])
                return match[1]
        raise CommandFailedError(f"{command}: does not end: {written.decode(errors='replace')}")


def _free_ports(number: int) -> list[str]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [str(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _curl_of_ours(folder: Path) -> Path:
    """A folder with a command `curl`, for machines that have none."""
    script = folder / "bin" / "curl"
    script.parent.mkdir()
    stand_in = ROOT / "tests" / "docs" / "curl_stand_in.py"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{stand_in}" "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    return script.parent
