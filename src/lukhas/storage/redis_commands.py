"""Commands as bytes (RESP arrays of bulk strings)."""

import hiredis

__all__ = ("Word", "pack")

Word = bytes | str | int | float
"""A word of a command."""


def pack(*command: Word) -> bytes:
    """A command as bytes to be sent.

    Raises:
        TypeError: a word is of another type.
    """
    # Its type information knows tuples of one word only.
    packed: bytes = hiredis.pack_command(command)  # type: ignore[arg-type]
    return packed
