"""Whole lines to a file that may be moved away, or to a stream that may be slow."""

import contextlib
import os
import select
import stat
from collections.abc import Iterable
from pathlib import Path

__all__ = ("LineFile",)

_PIPE_BYTES = 4096
_FILE_BYTES = 256 * 1024
_MODE = 0o640


class LineFile:
    """Appends to a file, or writes to standard output or error. For one thread; it may block.

    Several processes may append to one file, or write to one pipe: lines stay whole. A file that
    was moved away or removed, as logrotate does, is made anew.

    Args:
        target: the path of the file; or a descriptor, which is left open.
    """

    def __init__(self, target: Path | int) -> None:
        self._path = target if isinstance(target, Path) else None
        self._descriptor = target if isinstance(target, int) else -1
        self._most_bytes = _FILE_BYTES
        self._is_torn = False
        if self._descriptor >= 0 and not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            self._most_bytes = _PIPE_BYTES

    def open(self) -> None:
        """Opens the file now, to see whether it can be written.

        Raises:
            OSError: it cannot.
        """
        if self._path is not None:
            self._reopen(self._path)

    def write(self, lines: Iterable[bytes]) -> None:
        """Writes lines, each with its line feed.

        Raises:
            OSError: it cannot be written; lines may be missing, but none is joined to another.
        """
        self.open()
        batch: list[bytes] = []
        size = 0
        for line in lines:
            if batch and size + len(line) > self._most_bytes:
                self._put(b"".join(batch))
                batch, size = [], 0
            batch.append(line)
            size += len(line)
        if batch:
            self._put(b"".join(batch))

    def close(self) -> None:
        """Closes the file, if it is one."""
        if self._path is not None and self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _reopen(self, path: Path) -> None:
        """Opens the file if it is not open, or is not the one at this path any more."""
        if self._descriptor >= 0:
            with contextlib.suppress(FileNotFoundError):
                found = path.stat()
                own = os.fstat(self._descriptor)
                if (found.st_dev, found.st_ino) == (own.st_dev, own.st_ino):
                    return
            self.close()
            self._is_torn = False
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY
        self._descriptor = os.open(path, flags, _MODE)
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            self._most_bytes = _PIPE_BYTES

    def _put(self, data: bytes) -> None:
        if self._is_torn:
            data = b"\n" + data
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._written(rest) :]
        finally:
            self._is_torn = 0 < len(rest) < len(data) or (self._is_torn and len(rest) == len(data))

    def _written(self, data: memoryview) -> int:
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            # Somebody else has made the stream that we share one that does not block.
            select.select((), (self._descriptor,), ())
            return 0
