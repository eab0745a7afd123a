"""Decoders of content codings, a bounded step at a time: gzip, deflate, br, zstd."""

import zlib
from typing import Protocol

import brotli
import zstandard

from lukhas.errors import LukhasError

__all__ = ("STEP_BYTES", "BrokenCodingError", "Decoder", "decoder_of")

STEP_BYTES = 64 * 1024
"""About the most that a step gives; only zstd may give more, up to 4 MiB."""

_GZIP_WINDOW = 16 + zlib.MAX_WBITS
# No larger window need be understood (RFC 9659).
_ZSTD_WINDOW_BYTES = 8 * 1024 * 1024
# A block is 128 KiB at most and takes four bytes at least, and the library stops for nothing.
_ZSTD_FEED_BYTES = 128
_ENDS_EARLY = "it ends before its end is marked"


class BrokenCodingError(LukhasError):
    """A body is not what its content coding says."""


class Decoder(Protocol):
    """Decodes one body.

    Attributes:
        rest: what was fed and not taken yet.
        goes_on: whether another step gives more, or has to be tried, without anything new.
    """

    rest: bytes
    goes_on: bool

    def step(self, data: bytes) -> bytes:
        """Takes `data`, which starts with what was left in `rest`, and gives what is ready.

        Raises:
            BrokenCodingError: it is not in the coding.
        """
        ...

    def finish(self) -> None:
        """Nothing more comes.

        Raises:
            BrokenCodingError: but something is missing.
        """
        ...


def decoder_of(coding: bytes) -> Decoder:
    """A fresh decoder.

    Args:
        coding: `gzip`, `deflate` (RFC 1950), `br` or `zstd`.

    Raises:
        ValueError: there is no decoder for this coding.
    """
    match coding:
        case b"gzip":
            return _Zlib(_GZIP_WINDOW)
        case b"deflate":
            return _Zlib(zlib.MAX_WBITS)
        case b"br":
            return _Brotli()
        case b"zstd":
            return _Zstd()
        case _:
            raise ValueError(f"no decoder for {coding!r}")


class _Zlib:
    """Gzip may have several members, one behind the other (RFC 1952 section 2.2)."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._decoder = zlib.decompressobj(window)
        self.rest = b""
        self.goes_on = False

    def step(self, data: bytes) -> bytes:
        if self._decoder.eof:
            if self._window == zlib.MAX_WBITS:
                raise BrokenCodingError("something follows its end")
            self._decoder = zlib.decompressobj(self._window)
        decoder = self._decoder
        try:
            ready = decoder.decompress(data, STEP_BYTES)
        except zlib.error:
            raise BrokenCodingError("it cannot be decoded") from None
        self.rest = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
        self.goes_on = bool(self.rest) or (len(ready) >= STEP_BYTES and not decoder.eof)
        return ready

    def finish(self) -> None:
        if not self._decoder.eof:
            raise BrokenCodingError(_ENDS_EARLY)


class _Brotli:
    def __init__(self) -> None:
        self._decoder = brotli.Decompressor()
        self.rest = b""
        self.goes_on = False

    def step(self, data: bytes) -> bytes:
        try:
            ready: bytes = self._decoder.process(data, output_buffer_limit=STEP_BYTES)
        except brotli.error:
            raise BrokenCodingError("it cannot be decoded") from None
        # It may accept more data and have more to give all the same.
        held = len(ready) >= STEP_BYTES and not self._decoder.is_finished()
        self.goes_on = held or not self._decoder.can_accept_more_data()
        return ready

    def finish(self) -> None:
        if not self._decoder.is_finished():
            raise BrokenCodingError(_ENDS_EARLY)


class _Zstd:
    """Several frames may follow each other (RFC 8878 section 3)."""

    def __init__(self) -> None:
        self._context = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
        self._decoder = self._context.decompressobj(write_size=STEP_BYTES // 4)
        self.rest = b""
        self.goes_on = False

    def step(self, data: bytes) -> bytes:
        if self._decoder.eof:
            self._decoder = self._context.decompressobj(write_size=STEP_BYTES // 4)
        fed = data[:_ZSTD_FEED_BYTES]
        try:
            ready = self._decoder.decompress(fed)
        except zstandard.ZstdError:
            raise BrokenCodingError("it cannot be decoded") from None
        unused = self._decoder.unused_data if self._decoder.eof else b""
        self.rest = unused + data[_ZSTD_FEED_BYTES:]
        self.goes_on = bool(self.rest)
        return ready

    def finish(self) -> None:
        if not self._decoder.eof:
            raise BrokenCodingError(_ENDS_EARLY)
