"""Decoders of content codings."""

import gzip
import zlib
from collections.abc import Iterator
from functools import cache

import brotli
import pytest
import zstandard

from lukhas.pipeline.decoders import STEP_BYTES, BrokenCodingError, Decoder, decoder_of
from lukhas.policy.decompression import DECODABLE

TEXT = b"".join(b"line %d of a text\n" % number for number in range(20_000))


@cache
def encoded(body: bytes, coding: bytes) -> bytes:
    match coding:
        case b"gzip":
            return gzip.compress(body)
        case b"deflate":
            return zlib.compress(body)
        case b"br":
            made: bytes = brotli.compress(body)
            return made
        case _:
            return zstandard.compress(body)


def steps(decoder: Decoder, pieces: list[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield decoder.step(piece)
        while decoder.goes_on:
            yield decoder.step(decoder.rest)
    decoder.finish()


@pytest.mark.parametrize("coding", DECODABLE)
@pytest.mark.parametrize("size", [1, 100, 5000, 1_000_000])
def test_a_body_is_the_same_however_it_was_cut(coding: bytes, size: int) -> None:
    """What comes out is what went in."""
    body = encoded(TEXT, coding)
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    assert b"".join(steps(decoder_of(coding), pieces)) == TEXT


@pytest.mark.parametrize("coding", DECODABLE)
def test_a_step_gives_a_bounded_amount(coding: bytes) -> None:
    """Ten megabytes of zeros do not come at once."""
    most = 0
    total = 0
    for ready in steps(decoder_of(coding), [encoded(bytes(10 * 1024 * 1024), coding)]):
        most = max(most, len(ready))
        total += len(ready)
    assert total == 10 * 1024 * 1024
    assert most <= (64 * STEP_BYTES if coding == b"zstd" else 2 * STEP_BYTES)


@pytest.mark.parametrize("coding", DECODABLE)
def test_what_is_cut_is_broken(coding: bytes) -> None:
    """A body that ends before its mark is never taken for whole."""
    with pytest.raises(BrokenCodingError):
        list(steps(decoder_of(coding), [encoded(TEXT, coding)[:-1]]))


@pytest.mark.parametrize("coding", DECODABLE)
def test_garbage_is_broken(coding: bytes) -> None:
    """Whatever is not in the coding, at the start or behind the end."""
    for body in (b"no such coding at all", encoded(TEXT, coding) + b"more of it"):
        with pytest.raises(BrokenCodingError):
            list(steps(decoder_of(coding), [body]))


@pytest.mark.parametrize("coding", [b"gzip", b"zstd"])
def test_several_members_are_one_body(coding: bytes) -> None:
    """Gzip members and zstd frames follow each other (RFC 1952, 2.2; RFC 8878, 3)."""
    body = encoded(b"one", coding) + encoded(b"two", coding)
    assert b"".join(steps(decoder_of(coding), [body])) == b"onetwo"


def test_other_codings_have_no_decoder() -> None:
    """It is not guessed."""
    with pytest.raises(ValueError, match="compress"):
        decoder_of(b"compress")
