"""The end of a connection whose client may still be sending."""

from asyncio import Transport

__all__ = ("LINGER_S", "Lingering")

LINGER_S = 2.0
"""For so long what still comes is read."""

_MOST_BYTES = 1024 * 1024


class Lingering:
    """Ends our side, and reads what still comes, lest a reset overtakes the last response.

    See RFC 9112 section 9.6.

    Args:
        transport: the connection; it can end one side alone.
    """

    __slots__ = ("_taken_bytes", "_transport")

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._taken_bytes = 0
        transport.write_eof()

    def take(self, length: int) -> None:
        """So many bytes came; after too many the connection is cut."""
        self._taken_bytes += length
        if self._taken_bytes > _MOST_BYTES:
            self._transport.abort()
