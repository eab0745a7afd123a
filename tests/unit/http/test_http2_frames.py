"""Frames of HTTP/2 as bytes."""

import pytest

from lukhas.http.http2_frames import (
    ErrorCode,
    StreamError,
    data_frames,
    goaway,
    header_frames,
    request_fields,
    rst_stream,
    settings_frame,
    window_update,
)

REQUEST = [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a")]


def test_control_frames() -> None:
    """Length, type, flags, stream, payload (RFC 9113 section 4.1)."""
    assert rst_stream(5, ErrorCode.CANCEL).hex() == "000004030000000005" + "00000008"
    assert goaway(7, ErrorCode.NO_ERROR).hex() == "000008070000000000" + "0000000700000000"
    assert window_update(0, 9).hex() == "000004080000000000" + "00000009"
    assert settings_frame({3: 128}).hex() == "000006040000000000" + "000300000080"


def test_large_blocks_and_bodies_take_several_frames() -> None:
    """16 KiB each; only the last one ends."""
    block = header_frames(1, bytes(40_000), end_stream=True)
    heads = [block[at : at + 9].hex() for at in (0, 9 + 16_384, 2 * (9 + 16_384))]
    assert heads == ["004000010100000001", "004000090000000001", "001c40090400000001"]
    data = data_frames(1, bytes(20_000), end_stream=True)
    assert data[:9].hex() == "004000000000000001"
    assert data[9 + 16_384 :][:9].hex() == "000e20000100000001"
    assert data_frames(1, b"", end_stream=True).hex() == "000000000100000001"
    assert data_frames(1, b"x", end_stream=False).hex() == "00000100000000000178"


def test_a_request() -> None:
    """The authority becomes Host in front; cookies are joined."""
    more = [(b"cookie", b"a=1"), (b"x-a", b"1"), (b"cookie", b"b=2"), (b"te", b"trailers")]
    request = request_fields([*REQUEST, *more])
    assert (request.method, request.scheme, request.path) == (b"GET", b"http", b"/")
    assert request.fields == [
        (b"host", b"a"),
        (b"x-a", b"1"),
        (b"te", b"trailers"),
        (b"cookie", b"a=1; b=2"),
    ]
    request.check_scheme(b"http")
    with pytest.raises(StreamError):
        request.check_scheme(b"https")


@pytest.mark.parametrize(
    "fields",
    [
        [*REQUEST, (b":path", b"/")],
        [*REQUEST, (b"x", b"a\0")],
        [*REQUEST, (b"X", b"a")],
        [*REQUEST, (b"connection", b"a")],
        [*REQUEST, (b"host", b"a"), (b"host", b"a")],
        [*REQUEST, (b"host", b"b")],
        [*REQUEST[:2], (b":path", b"x"), REQUEST[3]],
        REQUEST[:3],
        REQUEST[1:],
    ],
)
def test_malformed_requests(fields: list[tuple[bytes, bytes]]) -> None:
    """See the tests over real connections for all of them."""
    with pytest.raises(StreamError) as caught:
        request_fields(fields)
    assert caught.value.code is ErrorCode.PROTOCOL_ERROR
