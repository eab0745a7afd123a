"""A request body whose beginning was read already."""

from collections.abc import AsyncIterator, Sequence

__all__ = ("ReplayedBody", "beginning")


class ReplayedBody:
    """The pieces that were read, and then the rest; an asynchronous iterator for one reader.

    Args:
        pieces: what was read.
        rest: where more comes from.

    Attributes:
        length: of all of it; None where it is not known.
    """

    def __init__(self, pieces: Sequence[bytes], rest: AsyncIterator[bytes]) -> None:
        self._pieces = list(reversed(pieces))
        self._rest = rest
        self.length: int | None = getattr(rest, "length", None)

    def __aiter__(self) -> "ReplayedBody":
        return self

    async def __anext__(self) -> bytes:
        return self._pieces.pop() if self._pieces else await anext(self._rest)


async def beginning(body: AsyncIterator[bytes], most_bytes: int) -> "bytes | ReplayedBody":
    """All of a body if it is not larger; else the body as if nothing had been read."""
    pieces: list[bytes] = []
    size = 0
    async for piece in body:
        pieces.append(piece)
        size += len(piece)
        if size > most_bytes:
            return ReplayedBody(pieces, body)
    return b"".join(pieces)
