"""Request heads that were read before, by their bytes."""

from lukhas.http.messages import RequestHead

__all__ = ("KnownHeads",)

_MOST = 1024
_LONGEST_BYTES = 2048


class KnownHeads:
    """Remembers what whole, bodiless requests were read as.

    Reading is a pure function of the bytes, and a client that asks again for the same thing sends
    the same bytes: then nothing needs to be parsed. Bounded; when full it starts afresh.
    """

    __slots__ = ("_heads", "get")

    def __init__(self) -> None:
        self._heads: dict[bytes, RequestHead] = {}
        # The dict's own method, because this is asked for every piece that comes in.
        self.get = self._heads.get

    def remember(self, data: bytes, head: RequestHead) -> None:
        """Notes that `data`, an HTTP/1.1 request that keeps its connection, reads as `head`."""
        if len(data) > _LONGEST_BYTES:
            return
        if len(self._heads) >= _MOST:
            self._heads.clear()
        self._heads[data] = head

    def __len__(self) -> int:
        return len(self._heads)
