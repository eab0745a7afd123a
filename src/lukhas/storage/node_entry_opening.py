"""Opening the file of stored responses; a file that may be damaged is thrown away first."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lmdb

from lukhas.errors import ConfigError, StateDirError, StoreError
from lukhas.storage.body_files import BodyFiles
from lukhas.storage.node import NodeEnvironment, prepare_state_dir
from lukhas.storage.node_entry_file import NAMED_DATABASES, NodeEntryFile
from lukhas.units import MIB

__all__ = ("BODIES_FOLDER", "ENTRIES_FILE", "LEAST_DISK_BYTES", "open_node_entry_file")

ENTRIES_FILE = "cache.lmdb"
BODIES_FOLDER = "cache-bodies"
LEAST_DISK_BYTES = 8 * MIB
"""Below, there is no room for the file's own pages."""

_DAMAGE = (lmdb.InvalidError, lmdb.VersionMismatchError, lmdb.CorruptedError)
# The rest is for pages that are not full, and for those of a change under way.
_ENTRIES_SHARE = 0.7
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def open_node_entry_file(
    state_dir: Path,
    disk_bytes: int,
    *,
    limit_bytes: int | None = None,
    body_files_bytes: int = 0,
) -> NodeEntryFile:
    """The stored responses of a node; made anew if they are damaged or may be.

    Nothing is synced to the disk, so after a crash of the machine the file may be torn: one that
    was last used before the machine started is not read again.

    Args:
        state_dir: where it lies.
        disk_bytes: what the file may grow to.
        limit_bytes: what the entries may take; a share of `disk_bytes` if None.
        body_files_bytes: what large bodies may take beside the file.

    Raises:
        ConfigError: there is too little room.
        StateDirError: the state directory cannot be used.
        StoreError: the file is open in this process already.
    """
    if disk_bytes < LEAST_DISK_BYTES:
        raise ConfigError(
            f"a cache of {disk_bytes} bytes on disk holds nothing",
            where="cache.disk_bytes",
            hint=f"give it {LEAST_DISK_BYTES // MIB} MiB or more, or 0 for none",
        )
    path = prepare_state_dir(state_dir) / ENTRIES_FILE
    with _alone(path.with_name(ENTRIES_FILE + "-boot")) as last_boot:
        boot = _boot_id()
        if last_boot.boot not in {b"", boot}:
            _throw_away(path)
        last_boot.boot = boot
        try:
            node = _environment(path, disk_bytes)
        except StoreError as error:
            # Anything else, such as a file that is open in this process already, is no damage.
            if not isinstance(error.__cause__, _DAMAGE):
                raise
            _throw_away(path)
            node = _environment(path, disk_bytes)
        limit = round(disk_bytes * _ENTRIES_SHARE) if limit_bytes is None else limit_bytes
        return _with_bodies(node, limit, path.with_name(BODIES_FOLDER), body_files_bytes)


def _with_bodies(
    node: NodeEnvironment, limit_bytes: int, folder: Path, body_files_bytes: int
) -> NodeEntryFile:
    try:
        file = NodeEntryFile(node, limit_bytes, BodyFiles(folder, body_files_bytes))
        file.sweep()
    except OSError as error:
        node.close()
        raise StateDirError(
            f"{folder} cannot be used ({error.strerror}): check the state directory and its owner"
        ) from error
    return file


class _Boot:
    """Which start of the machine last used the file."""

    def __init__(self, boot: bytes) -> None:
        self.boot = boot


@contextmanager
def _alone(path: Path) -> Iterator[_Boot]:
    """Keeps other processes from opening the file at the same time."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateDirError(
            f"{path} cannot be opened ({error.strerror}): check the state directory and its owner"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        found = os.pread(descriptor, 100, 0)
        last = _Boot(found)
        yield last
        if last.boot != found:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, last.boot, 0)
    finally:
        os.close(descriptor)


def _boot_id() -> bytes:
    try:
        return _BOOT_ID.read_bytes().strip()
    except OSError:
        return b""


def _environment(path: Path, disk_bytes: int) -> NodeEnvironment:
    # Not through the map: on a full disk that would kill the process, and this way it only fails.
    return NodeEnvironment(
        path, map_size_bytes=disk_bytes, durable=False, named_databases=NAMED_DATABASES
    )


def _throw_away(path: Path) -> None:
    for name in (path, path.with_name(path.name + "-lock")):
        name.unlink(missing_ok=True)
    shutil.rmtree(path.with_name(BODIES_FOLDER), ignore_errors=True)
