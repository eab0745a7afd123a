"""Small files in the state directory that the admin API writes and every process reads."""

import os
from pathlib import Path

from lukhas.errors import StateDirError

__all__ = ("read_state_file", "replace_state_file")


def read_state_file(path: Path, *, most_bytes: int) -> bytes | None:
    """What a file holds; None if there is none.

    Args:
        path: the file.
        most_bytes: how large it may be; of a larger one, one byte more than that is given.

    Raises:
        StateDirError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(most_bytes + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateDirError(
            f"{path} cannot be read ({error.strerror}): give this user the right to read it"
        ) from error


def replace_state_file(path: Path, text: str | None) -> None:
    """Replaces a file, whole or not at all.

    Args:
        path: the file.
        text: what it is to hold; None takes it away.

    Raises:
        StateDirError: it cannot be written.
    """
    fresh = path.with_suffix(f".{os.getpid()}.new")
    try:
        if text is None:
            path.unlink(missing_ok=True)
            return
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise StateDirError(
            f"{path} cannot be written ({error.strerror}): check the state directory, its owner "
            "and its free space"
        ) from error
