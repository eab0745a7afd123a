"""Which request bodies are decoded, and how large they may become."""

import pytest

from lukhas.http.headers import Headers
from lukhas.policy.decompression import (
    DecodedLimit,
    DecompressionPolicy,
    decoded_headers,
    named_codings,
    room_bytes,
)

KIB = 1024


@pytest.mark.parametrize(
    ("values", "codings"),
    [
        ((), ()),
        ((b"",), ()),
        ((b"GZip",), (b"gzip",)),
        ((b"x-gzip",), (b"gzip",)),
        ((b"identity",), ()),
        ((b"gzip, identity , br",), (b"gzip", b"br")),
        ((b"gzip", b"gzip"), (b"gzip", b"gzip")),
    ],
)
def test_codings_are_read_from_all_lines(
    values: tuple[bytes, ...], codings: tuple[bytes, ...]
) -> None:
    """In the order applied; names in any case, `identity` is none (RFC 9110, 8.4)."""
    assert named_codings(Headers([(b"content-encoding", each) for each in values])) == codings


def test_the_ratio_counts_beyond_64_kib() -> None:
    """A small body of much repetition is honest."""
    policy = DecompressionPolicy(body_bytes=10_000 * KIB, ratio=10)
    assert room_bytes(policy, received=1, decoded=0) == (64 * KIB, DecodedLimit.RATIO)
    assert room_bytes(policy, received=10 * KIB, decoded=64 * KIB) == (36 * KIB, DecodedLimit.RATIO)
    assert room_bytes(policy, received=1000 * KIB, decoded=1) == (
        10_000 * KIB - 1,
        DecodedLimit.SIZE,
    )


def test_fields_about_the_encoded_body_go() -> None:
    """Its length, coding and digests are those of another body."""
    headers = Headers(
        [
            (b"content-encoding", b"gzip"),
            (b"content-length", b"9"),
            (b"content-digest", b"sha-256=:x:"),
            (b"content-md5", b"x"),
            (b"content-type", b"text/plain"),
        ]
    )
    kept = (b"content-type", b"text/plain")
    assert decoded_headers(headers, None).raw == [kept]
    assert decoded_headers(headers, 12).raw == [kept, (b"content-length", b"12")]
