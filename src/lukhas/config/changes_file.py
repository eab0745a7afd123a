"""The file in the state directory that keeps what the admin API has changed."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lukhas.config.changes import Changes
from lukhas.config.state_files import read_state_file, replace_state_file
from lukhas.errors import ConfigError, StateDirError

__all__ = ("CHANGES_FILE", "MOST_BYTES", "only_writer", "read_changes", "write_changes")

CHANGES_FILE = "changes.json"
"""Its name."""

MOST_BYTES = 4 * 1024 * 1024
"""How large it may be."""

_LOCK_FILE = "changes.lock"


def read_changes(state_dir: Path) -> Changes:
    """What the file of a state directory holds; nothing is changed where there is none.

    Raises:
        StateDirError: it cannot be read.
        ConfigError: it holds something else.
    """
    path = state_dir / CHANGES_FILE
    data = read_state_file(path, most_bytes=MOST_BYTES)
    if data is None:
        return Changes()
    try:
        return _read(data)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"this is no file of changes that the admin API has written ({error})",
            where=str(path),
            hint="remove it to go back to the settings",
        ) from None


def _read(data: bytes) -> Changes:
    if len(data) > MOST_BYTES:
        raise ValueError("it is too large")
    content = json.loads(data)
    version = content.get("version") if isinstance(content, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ValueError("no version")
    return Changes.read(content, version)


def write_changes(state_dir: Path, changes: Changes) -> None:
    """Replaces the file, whole or not at all; for version 0 there is none.

    Raises:
        ConfigError: it would be too large.
        StateDirError: it cannot be written.
    """
    path = state_dir / CHANGES_FILE
    text = json.dumps({"version": changes.version, **changes.document()}, indent=1) + "\n"
    if len(text) > MOST_BYTES:
        raise ConfigError(
            f"the changes would take more than {MOST_BYTES} bytes", hint="put some into the file"
        )
    replace_state_file(path, text if changes.version else None)


@contextmanager
def only_writer(state_dir: Path) -> Iterator[None]:
    """Keeps other processes from changing the file, for as long as the block runs.

    Raises:
        StateDirError: another process is changing it now, or the lock cannot be made.
    """
    path = state_dir / _LOCK_FILE
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateDirError(
            f"{path} cannot be made ({error.strerror}): check the state directory and its owner"
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StateDirError(
                f"{path}: another process is changing the settings: try again"
            ) from None
        yield
    finally:
        os.close(descriptor)
