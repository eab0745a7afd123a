"""Encoders of content codings: gzip (RFC 1952), br (RFC 7932), zstd (RFC 8878)."""

import zlib
from typing import Protocol

import brotli
import zstandard

__all__ = ("Encoder", "encode", "encoder_of")

# 16 and above: with the head and the checksum of gzip.
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_TEXT_WINDOW = 19
_PIECE_BYTES = 64 * 1024


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
    """Encodes a whole body, to the same bytes as if it came in pieces."""
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
    """Takes pieces of one size, whatever the sizes of those that come.

    What it makes may depend on where a body was cut. The same body must become the same bytes: the
    leak guard compares them.
    """

    def __init__(self, effort: int) -> None:
        self._effort = effort
        self._held = bytearray()
        self._encoder: brotli.Compressor | None = None

    def feed(self, chunk: bytes, *, flush: bool) -> bytes:
        held = self._held
        held += chunk
        if not flush and len(held) < _PIECE_BYTES:
            return b""
        encoder = self._encoder
        if encoder is None:
            encoder = brotli.Compressor(quality=self._effort, lgwin=_TEXT_WINDOW)
            self._encoder = encoder
        whole = len(held) - len(held) % _PIECE_BYTES
        ready = [
            encoder.process(bytes(held[start : start + _PIECE_BYTES]))
            for start in range(0, whole, _PIECE_BYTES)
        ]
        del held[:whole]
        if flush:
            ready += (encoder.process(bytes(held)), encoder.flush())
            held.clear()
        return b"".join(ready)

    def finish(self) -> bytes:
        rest = bytes(self._held)
        encoder = self._encoder
        if encoder is None:
            # Knowing the size from the start, it chooses a smaller window and does less.
            made: bytes = brotli.compress(rest, quality=self._effort, lgwin=_TEXT_WINDOW)
        else:
            made = encoder.process(rest) + encoder.finish()
        return made


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
