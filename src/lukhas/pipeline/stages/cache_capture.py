"""Keeping a copy of a body that passes by, to store it when it is whole."""

import logging
from collections.abc import Callable

__all__ = ("BodyCapture", "CaptureBudget", "OnCaptured")

_log = logging.getLogger(__name__)

OnCaptured = Callable[[bytes | None, bool], None]
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


class BodyCapture:
    """A body tap that changes nothing. Calls `on_captured` exactly once.

    Args:
        limit_bytes: a larger body passes, but is not kept.
        budget: what all captures share.
        on_captured: see `OnCaptured`; what it raises is logged, for the body must go on.
    """

    __slots__ = ("_budget", "_chunks", "_limit_bytes", "_on_captured", "_size_bytes")

    def __init__(self, limit_bytes: int, budget: CaptureBudget, on_captured: OnCaptured) -> None:
        self._limit_bytes = limit_bytes
        self._budget = budget
        self._on_captured: OnCaptured | None = on_captured
        self._chunks: list[bytes] = []
        self._size_bytes = 0

    def feed(self, chunk: bytes, *, last: bool) -> bytes:
        """Keeps a copy of the piece; gives the piece."""
        if self._on_captured is None:
            return chunk
        size_bytes = len(chunk)
        if self._size_bytes + size_bytes > self._limit_bytes or not self._budget.take(size_bytes):
            self._finish(None, gone=False)
            return chunk
        self._size_bytes += size_bytes
        self._chunks.append(chunk)
        if last:
            self._finish(b"".join(self._chunks), gone=False)
        return chunk

    def abort(self) -> None:
        """The body will never be whole."""
        self._finish(None, gone=True)

    def _finish(self, body: bytes | None, *, gone: bool) -> None:
        on_captured, self._on_captured = self._on_captured, None
        if on_captured is None:
            return
        self._budget.give_back(self._size_bytes)
        self._chunks = []
        try:
            on_captured(body, gone)
        except Exception:  # noqa: BLE001 - a failing store must not break the body that a client receives
            _log.exception("a response could not be stored")
