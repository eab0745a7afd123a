"""Encoders of content codings: gzip (RFC 1952), br (RFC 7932), zstd (RFC 8878)."""

import zlib
from typing import Protocol

import brotli
import zstandard

__all__ = ("Encoder", "encode", "encoder_of")

# 16 and above: with the head and the checksum of gzip.
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_TEXT_WINDOW = 19


class Encoder(Protocol):
    """Encodes one body, piece by piece."""

    def feed(self, chunk: bytes, *, flush: bool) -> bytes:
        """Takes a piece; gives what is ready, with `flush` all that was taken so far."""
        ...

    def finish(self) -> bytes:
        """Gives the rest."""
        ...


def encoder_of(coding: bytes, effort: int) -> Encoder:
    """A fresh encoder.

    Args:
        coding: `br`, `zstd` or `gzip`.
        effort: 1, quick and large, to 9, slow and small.

    Raises:
        ValueError: there is no encoder for this coding.
    """
    match coding:
        case b"br":
            return _Brotli(effort)
        case b"zstd":
            return _Zstd(effort)
        case b"gzip":
            return _Gzip(effort)
        case _:
            raise ValueError(f"no encoder for {coding!r}")


def encode(body: bytes, coding: bytes, effort: int) -> bytes:
    """Encodes a whole body."""
    if coding == b"br":
        # Knowing the size from the start, it chooses a smaller window and does less.
        return brotli.compress(body, quality=effort, lgwin=_TEXT_WINDOW)  # type: ignore[no-any-return]
    encoder = encoder_of(coding, effort)
    return encoder.feed(body, flush=False) + encoder.finish()


class _Gzip:
    def __init__(self, effort: int) -> None:
        self._encoder = zlib.compressobj(effort, zlib.DEFLATED, _GZIP_WINDOW)

    def feed(self, chunk: bytes, *, flush: bool) -> bytes:
        ready = self._encoder.compress(chunk)
        return ready + self._encoder.flush(zlib.Z_SYNC_FLUSH) if flush else ready

    def finish(self) -> bytes:
        return self._encoder.flush()


class _Brotli:
    def __init__(self, effort: int) -> None:
        self._encoder = brotli.Compressor(quality=effort, lgwin=_TEXT_WINDOW)

    def feed(self, chunk: bytes, *, flush: bool) -> bytes:
        ready: bytes = self._encoder.process(chunk)
        if flush:
            ready += self._encoder.flush()
        return ready

    def finish(self) -> bytes:
        rest: bytes = self._encoder.finish()
        return rest


class _Zstd:
    def __init__(self, effort: int) -> None:
        # Larger windows than 8 MiB need not be understood (RFC 9659); these levels stay below.
        self._encoder = zstandard.ZstdCompressor(level=effort).compressobj()

    def feed(self, chunk: bytes, *, flush: bool) -> bytes:
        ready = self._encoder.compress(chunk)
        if flush:
            ready += self._encoder.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        return ready

    def finish(self) -> bytes:
        return self._encoder.flush(zstandard.COMPRESSOBJ_FLUSH_FINISH)
