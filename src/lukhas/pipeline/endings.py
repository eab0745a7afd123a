"""Being told when a response has ended, however it ends."""

from collections.abc import Callable

from lukhas.http.messages import Response

__all__ = ("OnEnd", "follow")

OnEnd = Callable[[int], None]
"""Told how many bytes of the body went out."""


def follow(
    response: Response, on_end: OnEnd, *, on_abort: Callable[[], None] | None = None
) -> None:
    """Calls `on_end` once: when the last byte is out, or the response was given up.

    A body that is there as a whole counts as sent.

    Args:
        response: the response.
        on_end: see there.
        on_abort: told before that if the response was given up.
    """
    body = response.body
    if isinstance(body, bytes):
        on_end(len(body))
        return
    end = _End(on_end, on_abort, response.on_close)
    if response.taps is None:
        response.taps = [end]
    else:
        response.taps.append(end)
    response.on_close = end.close


class _End:
    """A tap that counts, and what is called at the close."""

    __slots__ = ("_body_bytes", "_closing", "_on_abort", "_on_end", "_open")

    def __init__(
        self,
        on_end: OnEnd,
        on_abort: Callable[[], None] | None,
        closing: Callable[[], None] | None,
    ) -> None:
        self._on_end = on_end
        self._on_abort = on_abort
        self._closing = closing
        self._body_bytes = 0
        self._open = True

    def feed(self, chunk: bytes, *, last: bool) -> bytes:
        """Counts, and passes everything on."""
        self._body_bytes += len(chunk)
        if last:
            self._end()
        return chunk

    def abort(self) -> None:
        """The response was given up."""
        if self._open and self._on_abort is not None:
            self._on_abort()
        self._end()

    def close(self) -> None:
        """The response was sent, or will never be."""
        try:
            self._end()
        finally:
            if self._closing is not None:
                self._closing()

    def _end(self) -> None:
        if self._open:
            self._open = False
            self._on_end(self._body_bytes)
