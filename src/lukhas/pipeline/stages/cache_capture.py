"""Keeping a copy of a body that passes by, to store it when it is whole."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from lukhas.storage.large_bodies import BodyWriter, LargeBody

__all__ = ("BodyCapture", "CaptureBudget", "OnCaptured", "Spill")

_log = logging.getLogger(__name__)

OnCaptured = Callable[[bytes | LargeBody | None, bool], None]
"""Takes the whole body, or None; and whether the sender or receiver went away."""


class CaptureBudget:
    """What all bodies that are passing by may take together.

    Args:
        limit_bytes: the bound.
    """

    __slots__ = ("_limit_bytes", "_used_bytes")

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._used_bytes = 0

    def take(self, size_bytes: int) -> bool:
        """Takes room for a piece, if there is any."""
        if self._used_bytes + size_bytes > self._limit_bytes:
            return False
        self._used_bytes += size_bytes
        return True

    def give_back(self, size_bytes: int) -> None:
        """Gives room back."""
        self._used_bytes -= size_bytes


@dataclass(frozen=True, slots=True)
class Spill:
    """Where a body goes that is too large for memory.

    Attributes:
        begin: gives what takes it; None if that is not possible now.
        largest_bytes: how large it may be.
    """

    begin: Callable[[], BodyWriter | None]
    largest_bytes: int


class BodyCapture:
    """A body tap that changes nothing. Calls `on_captured` exactly once.

    Args:
        limit_bytes: a larger body passes, but is not kept in memory.
        budget: what all captures share in memory.
        on_captured: see `OnCaptured`; what it raises is logged, for the body must go on.
        spill: where a larger body goes; None if it is not kept at all.
    """

    __slots__ = (
        "_budget",
        "_chunks",
        "_limit_bytes",
        "_on_captured",
        "_size_bytes",
        "_spill",
        "_writer",
    )

    def __init__(
        self,
        limit_bytes: int,
        budget: CaptureBudget,
        on_captured: OnCaptured,
        *,
        spill: Spill | None = None,
    ) -> None:
        self._limit_bytes = limit_bytes
        self._budget = budget
        self._on_captured: OnCaptured | None = on_captured
        self._spill = spill
        self._writer: BodyWriter | None = None
        self._chunks: list[bytes] = []
        self._size_bytes = 0

    def feed(self, chunk: bytes, *, last: bool) -> bytes:
        """Keeps a copy of the piece; gives the piece."""
        if self._on_captured is None:
            return chunk
        try:
            if not self._kept(chunk):
                self._finish(None, gone=False)
            elif last:
                self._finish(self._whole(), gone=False)
        except OSError as error:
            _log.warning("a response could not be written: %s", error)
            self._finish(None, gone=False)
        return chunk

    def abort(self) -> None:
        """The body will never be whole."""
        self._finish(None, gone=True)

    def _kept(self, chunk: bytes) -> bool:
        size_bytes = len(chunk)
        if self._writer is None:
            if self._size_bytes + size_bytes <= self._limit_bytes and self._budget.take(size_bytes):
                self._size_bytes += size_bytes
                self._chunks.append(chunk)
                return True
            if not self._spilled():
                return False
        return self._written(chunk)

    def _spilled(self) -> bool:
        """Moves what is in memory to where there is more room."""
        self._writer = None if self._spill is None else self._spill.begin()
        if self._writer is None:
            return False
        chunks, self._chunks = self._chunks, []
        self._budget.give_back(self._size_bytes)
        self._size_bytes = 0
        return all(self._written(chunk) for chunk in chunks)

    def _written(self, chunk: bytes) -> bool:
        spill, writer = self._spill, self._writer
        if spill is None or writer is None or self._size_bytes + len(chunk) > spill.largest_bytes:
            return False
        writer.write(chunk)
        self._size_bytes += len(chunk)
        return True

    def _whole(self) -> bytes | LargeBody:
        if self._writer is None:
            return b"".join(self._chunks)
        return LargeBody(self._size_bytes, self._writer.finish(), self._writer)

    def _finish(self, body: bytes | LargeBody | None, *, gone: bool) -> None:
        on_captured, self._on_captured = self._on_captured, None
        if on_captured is None:
            return
        writer, self._writer = self._writer, None
        if writer is None:
            self._budget.give_back(self._size_bytes)
        self._chunks = []
        try:
            on_captured(body, gone)
        except Exception:  # noqa: BLE001 - a failing store must not break the body that a client receives
            _log.exception("a response could not be stored")
        finally:
            if writer is not None:
                # What was stored has another name by now.
                writer.drop()
