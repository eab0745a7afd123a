"""Bodies that are too large for memory, one file each; every piece of a file has a checksum.

A file is written beside the others under a name of its own, locked for as long as its writer lives,
and gets the serial of its entry as name in the same transaction that stores the entry. A reader
keeps the file open, so that an entry may go while its body is on the way to a client.
"""

import asyncio
import fcntl
import os
import struct
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from itertools import count
from pathlib import Path
from zlib import crc32

from lukhas.errors import StoreError

__all__ = ("BodyFiles", "BodyPart", "BodyReader")

_FRAME_BYTES = 65_536
_CHECK = struct.Struct("<I")
_PIECE_BYTES = _FRAME_BYTES - _CHECK.size
_PART = "part-"
# Linux alone can say that it would have to wait; elsewhere one waits for the disk.
_NOWAIT = getattr(os, "RWF_NOWAIT", 0)
# One body may take this part of the room, so that one cannot sweep out all others.
_SHARE = 4


class BodyPart:
    """A body on its way into a file.

    Args:
        path: the file, made anew and locked.
        descriptor: the open file; closed with the part.

    Attributes:
        size_bytes: what was written so far.
    """

    __slots__ = ("_descriptor", "_digest", "_index", "_path", "_rest", "size_bytes")

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self._digest = sha256()
        self._rest = bytearray()
        self._index = 0
        self.size_bytes = 0

    def write(self, piece: bytes) -> None:
        """Appends to the body.

        Raises:
            OSError: the disk is full, or fails.
        """
        self.size_bytes += len(piece)
        self._digest.update(piece)
        rest = self._rest
        rest += piece
        while len(rest) >= _PIECE_BYTES:
            self._write_frame(bytes(rest[:_PIECE_BYTES]))
            del rest[:_PIECE_BYTES]

    def finish(self) -> bytes:
        """Writes what is left.

        Returns:
            The SHA-256 digest of the body.

        Raises:
            OSError: the disk is full, or fails.
        """
        if self._rest:
            self._write_frame(bytes(self._rest))
            self._rest.clear()
        return self._digest.digest()

    def keep(self, path: Path) -> bool:
        """Gives the file its name; False if it is gone."""
        try:
            self._path.rename(path)
        except OSError:
            return False
        self._close()
        return True

    def drop(self) -> None:
        """Throws the file away, if it was not kept; may be called twice."""
        if self._descriptor >= 0:
            self._path.unlink(missing_ok=True)
            self._close()

    def _write_frame(self, piece: bytes) -> None:
        frame = _CHECK.pack(crc32(piece, self._index)) + piece
        view = memoryview(frame)
        while view:
            view = view[os.write(self._descriptor, view) :]
        self._index += 1

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)

    def __del__(self) -> None:
        # Whoever captures a body may be cancelled where nothing tells it so.
        self.drop()


class BodyReader:
    """An open body; the file is closed with the last reference.

    Args:
        descriptor: the open file.
        size_bytes: of the body.
        on_damage: told when a piece is not what was written.
    """

    __slots__ = ("_descriptor", "_on_damage", "size_bytes")

    def __init__(
        self, descriptor: int, size_bytes: int, on_damage: Callable[[], object] | None = None
    ) -> None:
        self._descriptor = descriptor
        self._on_damage = on_damage
        self.size_bytes = size_bytes

    async def pieces(self, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes from `start` to before `end`, in pieces of up to 64 KiB.

        What lies in the memory of the system is read at once, the rest by a thread, so that a slow
        disk holds up nobody else.

        Raises:
            StoreError: the file is damaged. Nothing that was damaged is given.
        """
        at = start
        while at < end:
            index = at // _PIECE_BYTES
            frame = _read_cached(self._descriptor, index)
            if len(frame) < self._frame_bytes(index):
                frame = await asyncio.to_thread(_read, self._descriptor, index)
            if not self._is_whole(frame, index):
                if self._on_damage is not None:
                    self._on_damage()
                raise StoreError("a stored body is damaged; it is not served again")
            first = index * _PIECE_BYTES - _CHECK.size
            piece = frame[at - first : end - first]
            yield piece
            at += len(piece)

    def _frame_bytes(self, index: int) -> int:
        return _CHECK.size + min(_PIECE_BYTES, self.size_bytes - index * _PIECE_BYTES)

    def _is_whole(self, frame: bytes, index: int) -> bool:
        if len(frame) != self._frame_bytes(index):
            return False
        return bool(_CHECK.unpack_from(frame)[0] == crc32(frame[_CHECK.size :], index))

    def __del__(self) -> None:
        os.close(self._descriptor)


class BodyFiles:
    """The bodies of a node that lie in files.

    Args:
        folder: where; made if it is not there. Nothing else may be in it.
        limit_bytes: what all of them may take; 0 for none at all.

    Attributes:
        limit_bytes: as given.
        largest_bytes: how large one may be.

    Raises:
        OSError: the folder cannot be made.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self._folder = folder
        self._numbers = count()
        self.limit_bytes = limit_bytes
        self.largest_bytes = limit_bytes // _SHARE

    def begin(self) -> BodyPart:
        """A file for a new body.

        Raises:
            OSError: it cannot be made.
        """
        path = self._folder / f"{_PART}{os.getpid()}-{next(self._numbers)}"
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return BodyPart(path, descriptor)

    def keep(self, part: BodyPart, serial: int) -> bool:
        """Gives a body to an entry; False if it is gone."""
        return part.keep(self._path(serial))

    def share(self, old: int, serial: int) -> bool:
        """Gives an entry the body of another one, which keeps it; False if that is gone."""
        path = self._path(serial)
        try:
            path.unlink(missing_ok=True)
            path.hardlink_to(self._path(old))
        except OSError:
            return False
        return True

    def open(
        self, serial: int, size_bytes: int, on_damage: Callable[[], object] | None = None
    ) -> BodyReader | None:
        """The body of an entry; None if it is gone, or was cut.

        Args:
            serial: of the entry.
            size_bytes: what the body has to have.
            on_damage: see `BodyReader`.
        """
        try:
            descriptor = os.open(self._path(serial), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        reader = BodyReader(descriptor, size_bytes, on_damage)
        pieces = -(-size_bytes // _PIECE_BYTES)
        return reader if os.fstat(descriptor).st_size == size_bytes + pieces * 4 else None

    def drop(self, serial: int) -> None:
        """Throws the body of an entry away; those who read it read on."""
        self._path(serial).unlink(missing_ok=True)

    def clear(self) -> None:
        """Throws all bodies of entries away."""
        self.sweep(lambda _serial: False)

    def sweep(self, is_kept: Callable[[int], bool]) -> None:
        """Throws away what no entry has, and what dead writers left.

        Args:
            is_kept: whether there is an entry with this serial. Nobody may store while this runs.
        """
        for path in self._folder.iterdir():
            if path.name.startswith(_PART):
                _drop_part(path)
            elif not is_kept(_serial(path)):
                path.unlink(missing_ok=True)

    def _path(self, serial: int) -> Path:
        return self._folder / f"{serial:016x}"


def _serial(path: Path) -> int:
    try:
        return int(path.name, 16)
    except ValueError:
        return 0


def _read_cached(descriptor: int, index: int) -> bytes:
    """A frame, if it need not be waited for; less of it, or nothing, if it must."""
    frame = bytearray(_FRAME_BYTES)
    try:
        size_bytes = os.preadv(descriptor, [frame], index * _FRAME_BYTES, _NOWAIT)
    except OSError:  # Not in memory, or not possible on this file system.
        return b""
    return bytes(memoryview(frame)[:size_bytes])


def _read(descriptor: int, index: int) -> bytes:
    return os.pread(descriptor, _FRAME_BYTES, index * _FRAME_BYTES)


def _drop_part(path: Path) -> None:
    """Throws a part away whose writer is dead: the kernel has freed its lock then."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except BlockingIOError:
        pass
    finally:
        os.close(descriptor)
