"""Which worker of a node fetches what, told by the kernel's record locks.

Each fetch locks one byte of an empty file, at a place that follows from what is fetched. The kernel
frees the locks of a process that ends, however it ends, so that nobody waits for the dead; and to
take one costs about a microsecond. Two fetches at one place are a collision of 62 bits: one of them
would wait in vain, for the time that waiting is bounded to.
"""

import fcntl
import os
from pathlib import Path

from lukhas.errors import StateDirError
from lukhas.storage.node import prepare_state_dir

__all__ = ("LOCKS_FILE", "FetchLocks", "open_fetch_locks")

LOCKS_FILE = "cache-fetches.lock"
_PLACES = 1 << 62


class FetchLocks:
    """The locks of this process; they are its own whichever part of it takes them.

    Args:
        descriptor: the open file. The process must not open and close it elsewhere: that would
            free all its locks.
    """

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def take(self, name: bytes) -> bool:
        """Takes a lock if no other process has it.

        Args:
            name: eight random-looking bytes or more.
        """
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(name))
        except OSError:
            # Also where the kernel has no room for more locks: then one waits a little, and asks.
            return False
        return True

    def give_back(self, name: bytes) -> None:
        """Gives a lock back."""
        if self._descriptor >= 0:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, _place(name))

    def close(self) -> None:
        """Gives all back; may be called twice."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def open_fetch_locks(state_dir: Path) -> FetchLocks:
    """The locks of the node with this state directory.

    Raises:
        StateDirError: the state directory cannot be used.
    """
    path = prepare_state_dir(state_dir) / LOCKS_FILE
    try:
        return FetchLocks(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StateDirError(
            f"{path} cannot be opened ({error.strerror}): check the state directory and its owner"
        ) from error


def _place(name: bytes) -> int:
    return int.from_bytes(name[:8], "big") % _PLACES
