"""Paths into the settings tree."""

__all__ = ("KeyPath", "Lines", "dotted")

KeyPath = tuple[str | int, ...]
"""Keys from the root down; list positions are numbers."""

Lines = dict[KeyPath, int]
"""On which line of a file, from 1, the value at a path stands."""


def dotted(path: KeyPath) -> str:
    """A path as people write it: `routes[0].name`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text
