"""Decoders of content codings, which also tell whether the end was there."""

import zlib

import brotli
import zstandard

__all__ = ("decoded",)


def decoded(data: bytes, coding: bytes) -> tuple[bytes, bool]:
    """What can be decoded, and whether the encoded stream has a valid end."""
    if coding == b"gzip":
        inflater = zlib.decompressobj(31)
        return inflater.decompress(data), inflater.eof
    if coding == b"zstd":
        unzstd = zstandard.ZstdDecompressor().decompressobj()
        return unzstd.decompress(data), unzstd.eof
    assert coding == b"br"
    unbrotli = brotli.Decompressor()
    text = piece = unbrotli.process(data)
    # It gives no more at a time than its window holds.
    while piece and not unbrotli.is_finished():
        piece = unbrotli.process(b"")
        text += piece
    return text, unbrotli.is_finished()
