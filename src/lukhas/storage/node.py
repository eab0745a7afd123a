"""Node-scope storage: LMDB environments that all workers of one machine share.

One environment per concern. An environment belongs to the process that opened it: it is opened
after fork, once, and passed to whoever needs it (LMDB's locks are per process and file).
"""

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import lmdb

from lukhas.errors import StateDirError, StoreError
from lukhas.units import MIB

__all__ = ("NodeEnvironment", "prepare_state_dir")

_MAX_READERS = 1024
# The size that LMDB gives a lock file for so many readers.
_LOCK_FILE_BYTES = 64 * _MAX_READERS + 128
_ROOM_BYTES = 16 * MIB
_NO_ROOM = frozenset((errno.ENOSPC, errno.EDQUOT))


class _Held:
    """An environment that several parts of this process have open."""

    __slots__ = ("env", "pid", "users")

    def __init__(self, env: lmdb.Environment, pid: int) -> None:
        self.env = env
        self.pid = pid
        self.users = 0


# LMDB takes a file once in a process, so it is the process where this is known. Several apps of one
# process may use one state directory, each with a hub of its own.
_held: Final[dict[str, _Held]] = {}
_held_lock: Final = threading.Lock()


class NodeEnvironment:
    """An open LMDB environment.

    Args:
        path: the data file; a lock file `<path>-lock` is kept beside it. Both get mode 0600.
        map_size_bytes: the most that the data file may grow to. It takes address space, not
            memory or disk. Where another process has a larger map, that one is taken over.
        durable: whether a write has reached the disk when it returns. Without, a crash of the
            machine may lose the last writes or damage the file; a crash of the process does not.
        writable_map: whether to write through the memory map, which is faster; only for what may
            be lost, since a stray write of this process could damage the file. Who writes calls
            `make_room` now and then.
        named_databases: how many named databases it may have.
        shared: whether others in this process may have the file open too, with the same options.
            They must be on their guard against each other: who begins a write ends it before
            anybody else in its thread begins one.

    Raises:
        StateDirError: the file cannot be made, read or written.
        StoreError: the file is no LMDB file, is damaged, or is open in this process already and not
            shared.
    """

    __slots__ = ("_env", "_is_open", "_pid", "_room_bytes", "_shared_as", "map_size_bytes", "path")

    def __init__(
        self,
        path: Path,
        *,
        map_size_bytes: int,
        durable: bool = True,
        writable_map: bool = False,
        named_databases: int = 0,
        shared: bool = False,
    ) -> None:
        self.path = path
        self.map_size_bytes = map_size_bytes
        self._pid = os.getpid()
        self._room_bytes = 0
        self._is_open = True
        self._shared_as = os.path.realpath(path) if shared else None

        def opened() -> lmdb.Environment:
            _keep_lock_file(path)
            return lmdb.open(
                str(path),
                map_size=map_size_bytes,
                subdir=False,
                mode=0o600,
                sync=durable,
                metasync=durable,
                writemap=writable_map,
                # Random access by key: reading ahead would only push other pages out.
                readahead=False,
                max_readers=_MAX_READERS,
                max_dbs=named_databases,
            )

        try:
            self._env = opened() if self._shared_as is None else _held_env(self._shared_as, opened)
        except lmdb.Error as error:
            raise _open_error(path, error) from error
        # Slots of readers that died would keep old pages alive for ever.
        self._env.reader_check()

    @property
    def environment(self) -> lmdb.Environment:
        """The environment itself, for hot paths; the caller maps errors with `store_error`.

        Raises:
            StoreError: this process is a fork of the one that opened it.
        """
        if os.getpid() != self._pid:
            raise StoreError(
                f"{self.path} was opened before this process was forked: "
                "open it after the fork, in the process that uses it"
            )
        return self._env

    def get(self, key: bytes) -> bytes | None:
        """The value kept under `key`, in a read transaction of its own.

        Raises:
            StoreError: the environment cannot be read.
        """
        env = self.environment
        try:
            with env.begin() as transaction:
                return transaction.get(key)
        except lmdb.MapResizedError:
            with self.reading() as transaction:
                return transaction.get(key)
        except lmdb.Error as error:
            raise self.store_error(error) from error

    @contextmanager
    def reading(self) -> Iterator["lmdb.Transaction[bytes]"]:
        """One consistent view; LMDB errors inside become `StoreError`."""
        try:
            with self._begin(write=False) as transaction:
                yield transaction
        except lmdb.Error as error:
            raise self.store_error(error) from error

    @contextmanager
    def writing(self) -> Iterator["lmdb.Transaction[bytes]"]:
        """A write that is committed at the end, or undone whole when the block raises.

        It waits for the write lock, which the kernel frees when its holder dies.
        """
        try:
            with self._begin(write=True) as transaction:
                yield transaction
        except lmdb.Error as error:
            raise self.store_error(error) from error

    def _begin(self, *, write: bool) -> "lmdb.Transaction[bytes]":
        env = self.environment
        try:
            return env.begin(write=write)
        except lmdb.MapResizedError:
            # Another process has a larger map: zero means "take over the size in the file".
            env.set_mapsize(0)
            self.map_size_bytes = env.info()["map_size"]
            return env.begin(write=write)

    def make_room(self) -> None:
        """Has disk space taken ahead of what is written through a writable map.

        The file is full of holes at first. Where the file system has no block for a hole that is
        written through the map, the kernel ends the process (SIGBUS); asked before, it says so.
        Call it within a write transaction, once every few hundred writes.

        Raises:
            StoreError: there is hardly any space left for the file.
        """
        env = self.environment
        used_bytes = (env.info()["last_pgno"] + 1) * env.stat()["psize"]
        wanted_bytes = min(used_bytes + _ROOM_BYTES, self.map_size_bytes)
        if min(used_bytes + _ROOM_BYTES // 2, wanted_bytes) <= self._room_bytes:
            return
        try:
            _allocate(self.path, self._room_bytes, wanted_bytes)
        except OSError as error:
            raise StoreError(
                f"{self.path} cannot grow ({error.strerror}): make room on its file system"
            ) from error
        self._room_bytes = wanted_bytes

    def store_error(self, error: lmdb.Error) -> StoreError:
        """The same failure in the product's words: what, where, what to do."""
        if isinstance(error, lmdb.MapFullError):
            return StoreError(
                f"{self.path} is full at {self.map_size_bytes // MIB} MiB: "
                "remove entries that are no longer used, or give it a larger map"
            )
        if isinstance(error, lmdb.ReadersFullError):
            return StoreError(
                f"{self.path} has {_MAX_READERS} readers already: stop processes that use it"
            )
        if isinstance(error, (lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.PanicError)):
            return StoreError(f"{self.path} is damaged ({error}): stop all workers and delete it")
        return StoreError(f"{self.path}: {error}")

    def close(self) -> None:
        """Closes it; may be called twice. Does nothing in a forked child, whose it is not."""
        if os.getpid() != self._pid or not self._is_open:
            return
        self._is_open = False
        if self._shared_as is None:
            self._env.close()
        else:
            _let_go(self._shared_as)


def _held_env(name: str, opened: Callable[[], lmdb.Environment]) -> lmdb.Environment:
    """The environment of a file for one more user, opened for the first one."""
    with _held_lock:
        held = _held.get(name)
        if held is None or held.pid != os.getpid():
            # That of a parent is not ours, and LMDB will say so.
            held = _held[name] = _Held(opened(), os.getpid())
        held.users += 1
        return held.env


def _let_go(name: str) -> None:
    """Takes one user away, and closes the environment after the last one."""
    with _held_lock:
        held = _held[name]
        held.users -= 1
        if not held.users:
            del _held[name]
            held.env.close()


def prepare_state_dir(path: Path) -> Path:
    """Makes the state directory (mode 0700) if it is missing.

    Raises:
        StateDirError: it cannot be made or written, or is no directory.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StateDirError(
            f"the state directory {path} cannot be made ({error.strerror}): "
            "choose another one, or give this user the right to write there"
        ) from error
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise StateDirError(
            f"the state directory {path} cannot be written: choose another one, "
            "or give this user the right to write there"
        )
    return path


def _allocate(path: Path, begin: int, end: int) -> None:
    """Has the file system keep blocks for a part of a file; what is in it stays."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, begin, end - begin)
    except OSError as error:
        # A file system that cannot do this is used as it is.
        if error.errno in _NO_ROOM:
            raise
    finally:
        os.close(descriptor)


def _keep_lock_file(path: Path) -> None:
    """Gives a new lock file its blocks: LMDB writes it through a map, whatever is asked for."""
    lock_path = Path(f"{path}-lock")
    try:
        state = lock_path.stat()
    except OSError:
        pass
    else:
        # It may be open in this process, and closing it here would give its locks away.
        if state.st_size:
            return
    try:
        _allocate(lock_path, 0, _LOCK_FILE_BYTES)
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise StateDirError(
                f"{path} cannot be opened ({error.strerror}): make room on its file system"
            ) from error


def _open_error(path: Path, error: lmdb.Error) -> Exception:
    # Positive codes are errno values, negative ones are LMDB's own.
    code = error.code
    if code > 0:
        return StateDirError(
            f"{path} cannot be opened ({os.strerror(code)}): check the state directory, "
            "its owner and its free space"
        )
    if isinstance(error, (lmdb.InvalidError, lmdb.VersionMismatchError, lmdb.CorruptedError)):
        return StoreError(f"{path} is not a usable LMDB file ({error}): move it away")
    return StoreError(f"{path} cannot be opened: {error}")
