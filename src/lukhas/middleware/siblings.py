"""Whether other processes serve the same app, so that what one of them counts is not all."""

from pathlib import Path

__all__ = ("siblings",)

# What a child of `multiprocessing` is started with; the rest of its command line is its own.
_SPAWNED = b"from multiprocessing.spawn import spawn_main"


def siblings(root: Path, pid: int, parent: int) -> tuple[int, ...]:
    """The other children of the parent of a process that run the same command.

    Servers that have workers start all of them in one way, and under one parent. The child of a
    reloader is alone. Where the system does not tell, as without `/proc`, none are seen.

    Args:
        root: the root of the file system.
        pid: the process.
        parent: that of it.
    """
    ours = _command(root, pid)
    if not ours:
        return ()
    try:
        listed = (root / f"proc/{parent}/task/{parent}/children").read_bytes()
    except OSError:
        return ()
    others = (int(child) for child in listed.split() if int(child) != pid)
    return tuple(other for other in others if _command(root, other) == ours)


def _command(root: Path, pid: int) -> bytes:
    try:
        line = (root / f"proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
    return _SPAWNED if _SPAWNED in line else line
