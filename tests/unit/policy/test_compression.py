"""lukhas.policy.compression: which responses are compressed, and their fields."""

import pytest

from lukhas.http.headers import HeaderPairs, Headers
from lukhas.policy.compression import (
    Compression,
    CompressionPolicy,
    compression_of,
    confirmed_headers,
    encoded_headers,
    is_live,
    negotiated,
    weakened,
    with_vary,
)
from lukhas.policy.modes import Mode

ON = CompressionPolicy(mode=Mode.ENFORCE)
JSON = (b"content-type", b"application/json")


@pytest.mark.parametrize(
    ("asked", "coding"),
    [
        (None, b"identity"),
        (b"", b"identity"),
        (b"gzip, deflate, br, zstd", b"br"),
        (b"gzip, br;q=0.9", b"gzip"),
        (b"x-gzip", b"gzip"),
        (b"*", b"br"),
        (b"deflate", b"identity"),
        (b"identity;q=0, deflate", b"identity"),
    ],
)
def test_a_client_gets_the_one_coding_it_likes_best(asked: bytes | None, coding: bytes) -> None:
    """Identity where nothing else is acceptable (RFC 9110 section 12.5.3)."""
    assert negotiated(ON, asked) == coding


def decided(
    *pairs: tuple[bytes, bytes],
    policy: CompressionPolicy = ON,
    coding: bytes = b"gzip",
    status: int = 200,
    size: int | None = 5000,
) -> Compression:
    return compression_of(policy, coding, status=status, headers=Headers([*pairs]), size=size)


def test_what_is_off_stays_as_it_is() -> None:
    """Off is the default."""
    assert decided(JSON, policy=CompressionPolicy()) is Compression.OFF


@pytest.mark.parametrize("status", [101, 204, 206, 304])
def test_what_has_no_content_or_is_a_part_is_not_encoded(status: int) -> None:
    """A part of the bytes must stay a part of those bytes."""
    assert decided(JSON, status=status) is Compression.STATUS


@pytest.mark.parametrize("coding", [b"gzip", b"br", b"identity"])
def test_what_is_encoded_is_not_encoded_again(coding: bytes) -> None:
    """Whatever the API chose."""
    assert decided(JSON, (b"content-encoding", coding)) is Compression.CODED


def test_no_transform_is_kept() -> None:
    """RFC 9111 section 5.2.2.6; other directives do not matter."""
    assert decided(JSON, (b"cache-control", b"public, No-Transform")) is Compression.NO_TRANSFORM
    assert decided(JSON, (b"cache-control", b"public")) is Compression.DONE


@pytest.mark.parametrize(
    ("content_type", "result"),
    [
        (b"Application/JSON; charset=utf-8", Compression.DONE),
        (b"text/anything", Compression.DONE),
        (b"image/png", Compression.TYPE),
        (b"", Compression.TYPE),
        (b"text", Compression.DONE),
    ],
)
def test_only_media_types_that_are_worth_it(content_type: bytes, result: Compression) -> None:
    """By name, or by the range of all its subtypes; parameters and case do not matter."""
    assert decided((b"content-type", content_type)) is result


def test_a_response_without_a_media_type_is_left_alone() -> None:
    """Nobody knows what it is."""
    assert decided() is Compression.TYPE


@pytest.mark.parametrize(
    ("size", "result"),
    [(1023, Compression.SMALL), (1024, Compression.DONE), (None, Compression.DONE)],
)
def test_small_bodies_stay_as_they_are(size: int | None, result: Compression) -> None:
    """Where the size is known."""
    assert decided(JSON, size=size) is result


def test_a_client_that_takes_no_coding() -> None:
    """It is told apart from what is never compressed: another client gets something else."""
    assert decided(JSON, coding=b"identity") is Compression.IDENTITY
    assert decided(JSON, coding=b"identity", size=1) is Compression.SMALL


def test_the_fields_of_the_encoded_response() -> None:
    """What speaks about the bytes before is left out, the tag is weak, the rest is in order."""
    pairs: HeaderPairs = [
        JSON,
        (b"etag", b'"a"'),
        (b"content-length", b"5000"),
        (b"accept-ranges", b"bytes"),
        (b"content-md5", b"x"),
        (b"content-digest", b"x"),
        (b"x", b"1"),
    ]
    kept = [JSON, (b"etag", b'W/"a"'), (b"x", b"1"), (b"content-encoding", b"br")]
    vary = (b"vary", b"accept-encoding")
    assert encoded_headers(Headers(pairs), b"br", length=None).raw == [*kept, vary]
    sized = encoded_headers(Headers(pairs), b"br", length=7).raw
    assert sized == [*kept, (b"content-length", b"7"), vary]


@pytest.mark.parametrize(
    ("lines", "added"),
    [
        ((), True),
        ((b"origin",), True),
        ((b"origin", b"cookie , Accept-Encoding"), False),
        ((b"*",), False),
        ((b"x-accept-encoding",), True),
    ],
)
def test_vary_is_said_once(lines: tuple[bytes, ...], *, added: bool) -> None:
    """On a line of its own, unless some line says it, or says everything."""
    pairs = [(b"vary", line) for line in lines]
    more = [(b"vary", b"accept-encoding")] if added else []
    assert with_vary(Headers(pairs)).raw == [*pairs, *more]


def test_a_weak_tag_stays_as_it_is() -> None:
    """And a strong one becomes weak."""
    assert (weakened(b'W/"a"'), weakened(b'"a"')) == (b'W/"a"', b'W/"a"')


ANSWERED: HeaderPairs = [(b"etag", b'"a"'), (b"content-digest", b"x"), (b"date", b"now")]


def test_a_304_has_the_tag_that_was_asked_with() -> None:
    """Whoever holds the encoded answer takes over its fields (RFC 9111 section 3.2)."""
    confirmed = confirmed_headers(Headers(ANSWERED), b'"b", W/"a"')
    assert confirmed.raw == [(b"date", b"now"), (b"etag", b'W/"a"'), (b"vary", b"accept-encoding")]


@pytest.mark.parametrize("asked", [None, b"*", b'"a"', b'W/"b"'])
def test_other_304s_stay_as_they_are(asked: bytes | None) -> None:
    """Nothing encoded was asked about."""
    assert confirmed_headers(Headers(ANSWERED), asked).raw == ANSWERED


@pytest.mark.parametrize("pairs", [[], [(b"etag", b'W/"a"')]])
def test_a_304_without_a_strong_tag_stays_as_it_is(pairs: HeaderPairs) -> None:
    """There is nothing to make weak."""
    assert confirmed_headers(Headers(pairs), b'W/"a"').raw == pairs


def test_a_304_does_not_undo_vary() -> None:
    """Its Vary takes the place of the stored one."""
    confirmed = confirmed_headers(Headers([(b"vary", b"origin")]), None)
    assert confirmed.raw == [(b"vary", b"origin"), (b"vary", b"accept-encoding")]


@pytest.mark.parametrize(
    ("content_type", "live"),
    [(b"text/event-stream; charset=utf-8", True), (b"application/x-ndjson", True), (b"a/b", False)],
)
def test_streams_of_events_and_lines_are_live(content_type: bytes, *, live: bool) -> None:
    """Each piece of them goes out at once."""
    assert is_live(Headers([(b"content-type", content_type)])) is live
