"""Request heads that were read before, by their bytes."""

from lukhas.http.messages import RequestHead

__all__ = ("KnownHeads",)

_MOST = 1024
_MOST_BYTES = 512 * 1024
_LONGEST_BYTES = 2048


class KnownHeads:
    """Remembers what whole, bodiless requests were read as.

    Reading is a pure function of the bytes, and a client that asks again for the same thing sends
    the same bytes: then nothing needs to be parsed. Bounded in number and in bytes, as sent; what a
    head was read as takes about eight times as much. When full it starts afresh.
    """

    __slots__ = ("_bytes", "_heads", "get")

    def __init__(self) -> None:
        self._heads: dict[bytes, RequestHead] = {}
        self._bytes = 0
        # The dict's own method, because this is asked for every piece that comes in.
        self.get = self._heads.get

    def remember(self, data: bytes, head: RequestHead) -> None:
        """Notes that `data`, an HTTP/1.1 request that keeps its connection, reads as `head`."""
        if len(data) > _LONGEST_BYTES:
            return
        self._bytes += len(data)
        if len(self._heads) >= _MOST or self._bytes > _MOST_BYTES:
            self._heads.clear()
            self._bytes = len(data)
        self._heads[data] = head

    def __len__(self) -> int:
        return len(self._heads)
