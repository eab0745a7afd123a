"""Large bodies of stored responses: opened before they are needed, read without being held."""

from collections.abc import AsyncIterator
from hashlib import sha256
from typing import cast

from lukhas.http.messages import Response
from lukhas.pipeline.pipeline import close, discard
from lukhas.pipeline.stages.cache_question import Fetch
from lukhas.storage.entries import EntryStore
from lukhas.storage.large_bodies import LargeBody

__all__ = ("open_body", "read_out")


def open_body(fetch: Fetch, store: EntryStore) -> None:
    """Opens the body of the stored response, where that is large.

    From then on it can be served, whatever becomes of the entry. An entry whose body is gone is
    removed, and the question is put as if it had not been there.
    """
    entry = fetch.entry
    if entry is None or entry.large is None:
        return
    fetch.source = store.open_body(entry)
    if fetch.source is None:
        store.remove(entry)
        fetch.entry = None


async def read_out(
    response: Response, limit_bytes: int, *, held_bytes: int = 0
) -> bytes | LargeBody | None:
    """The whole body, which its taps have seen.

    Args:
        response: is sent to nobody.
        limit_bytes: how long it may be.
        held_bytes: up to which length it is given itself, and not only its digest.

    Returns:
        None if it is too long.
    """
    chunks: list[bytes] = []
    digest = sha256()
    size_bytes = 0
    # A handler that pushes its body parks first, and then nothing comes here.
    body = cast("bytes | AsyncIterator[bytes]", response.body)
    try:
        async for piece, last in _pieces(body):
            seen = _tapped(response, piece, last=last)
            size_bytes += len(seen)
            if size_bytes > limit_bytes:
                discard(response)
                return None
            digest.update(seen)
            if size_bytes <= held_bytes:
                chunks.append(seen)
    except BaseException:
        discard(response)
        raise
    close(response)
    if size_bytes <= held_bytes:
        return b"".join(chunks)
    return LargeBody(size_bytes, digest.digest())


def _tapped(response: Response, piece: bytes, *, last: bool) -> bytes:
    for tap in response.taps or ():
        piece = tap.feed(piece, last=last)
    return piece


async def _pieces(body: bytes | AsyncIterator[bytes]) -> AsyncIterator[tuple[bytes, bool]]:
    if isinstance(body, bytes):
        yield body, False
    else:
        async for piece in body:
            yield piece, False
    yield b"", True
