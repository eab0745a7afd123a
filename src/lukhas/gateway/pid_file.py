"""How a running gateway is found: a file in the state directory that it keeps locked."""

import fcntl
import os
from pathlib import Path

__all__ = ("PidFile", "running_gateway")

_NAME = "gateway.pid"
_NUMBER_BYTES = 32


class PidFile:
    """The process id of the gateway that owns a state directory, for as long as it is open.

    The lock counts, not the file: the kernel frees it when its holder dies, so a file that was
    left behind misleads nobody. The file itself is never removed, or two might each lock their own.

    Args:
        state_dir: the state directory, which is there.

    Raises:
        OSError: the file cannot be made or locked.
    """

    def __init__(self, state_dir: Path) -> None:
        self._descriptor = os.open(state_dir / _NAME, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.is_ours = True
        except BlockingIOError:
            self.is_ours = False
        if self.is_ours:
            self._write(str(os.getpid()).encode())

    def close(self) -> None:
        """Gives the state directory back."""
        if self._descriptor >= 0:
            if self.is_ours:
                self._write(b"")
            os.close(self._descriptor)
            self._descriptor = -1

    def _write(self, content: bytes) -> None:
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, content, 0)


def running_gateway(state_dir: Path) -> int | None:
    """The process id of the gateway that runs on a state directory; None if there is none.

    Raises:
        OSError: the file is there and cannot be read.
    """
    try:
        descriptor = os.open(state_dir / _NAME, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        number = os.pread(descriptor, _NUMBER_BYTES, 0)
        return int(number) if number.isdigit() else None
    else:
        return None
    finally:
        os.close(descriptor)
