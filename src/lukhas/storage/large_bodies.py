"""Bodies that are too large for memory: how they are written, kept and read."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

__all__ = ("BodySource", "BodyWriter", "LargeBody")


class BodyWriter(Protocol):
    """A large body on its way into a store."""

    def write(self, piece: bytes) -> None:
        """Appends to the body.

        Raises:
            OSError: the disk is full, or fails.
        """
        ...

    def finish(self) -> bytes:
        """Writes what is left.

        Returns:
            The SHA-256 digest of the body.

        Raises:
            OSError: the disk is full, or fails.
        """
        ...

    def drop(self) -> None:
        """Throws it away, if it was not stored; may be called twice."""
        ...


class BodySource(Protocol):
    """A large body that can be read, whatever happens to its entry."""

    def pieces(self, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes from `start` to before `end`.

        Raises:
            StoreError: they are damaged.
        """
        ...


@dataclass(slots=True)
class LargeBody:
    """A body that is not held in memory.

    Attributes:
        size_bytes: how long it is.
        digest: its SHA-256.
        writer: what it was written with, until it is stored.
        serial: of the entry that it is shared with, where it was stored before.
    """

    size_bytes: int
    digest: bytes
    writer: BodyWriter | None = None
    serial: int = 0
