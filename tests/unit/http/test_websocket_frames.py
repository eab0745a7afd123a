"""Heads of WebSocket frames, keys and close frames."""

import pytest

from lukhas.http.websocket_frames import FrameScanner, accept_of, close_frame, is_handshake_key


def test_the_key_of_the_rfc() -> None:
    """RFC 6455 section 1.3."""
    assert accept_of(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert is_handshake_key(b"dGhlIHNhbXBsZSBub25jZQ==")
    assert not is_handshake_key(b"dGhlIHNhbXBsZQ==")
    assert not is_handshake_key(b"not base64 at all!!")


def test_close_frames() -> None:
    """Masked for servers; the reason is cut to what a frame holds, between characters."""
    assert close_frame(1001, "bye", masked=False) == b"\x88\x05\x03\xe9bye"
    assert close_frame(1001, "", masked=True) == b"\x88\x82\0\0\0\0\x03\xe9"
    assert len(close_frame(1008, "ü" * 100, masked=False)) == 2 + 2 + 122


def scanned(data: bytes, **options: object) -> tuple[FrameScanner, int, list[int]]:
    values: dict[str, object] = {"masked": False, "extended": False, "message_bytes": 0}
    scanner = FrameScanner(**(values | options))  # type: ignore[arg-type]
    begun: list[int] = []
    return scanner, scanner.scan(data, begun), begun


def test_where_messages_begin() -> None:
    """Continuations and pings begin none."""
    scanner, length, begun = scanned(b"\x01\x01a\x89\x00\x80\x01b\x82\x00")
    assert (length, begun, scanner.messages) == (10, [0, 8], 2)


def test_a_head_that_is_not_whole_is_kept_back() -> None:
    """What has come of it is not passed on yet."""
    scanner, length, begun = scanned(b"\x82\x01a\x82\x7e\x01")
    assert (length, begun, scanner.between_frames) == (3, [0], True)
    scanner, length, _ = scanned(b"\x82\x05ab")
    assert (length, scanner.between_frames) == (4, False)
    assert scanned(b"\x82")[1] == 0


VIOLATIONS = {
    "reserved bit": (b"\xc2\x00", 1002),
    "opcode": (b"\x83\x00", 1002),
    "masked": (b"\x82\x80\0\0\0\0", 1002),
    "negative length": (b"\x82\x7f\x80\0\0\0\0\0\0\0", 1002),
    "long ping": (b"\x89\x7e\x00\x7e", 1002),
    "ping in parts": (b"\x09\x00", 1002),
    "continuation of nothing": (b"\x80\x00", 1002),
    "message within a message": (b"\x02\x00\x82\x00", 1002),
    "data behind a close": (b"\x88\x00\x82\x00", 1002),
}


@pytest.mark.parametrize(("data", "code"), VIOLATIONS.values(), ids=VIOLATIONS)
def test_violations(data: bytes, code: int) -> None:
    """Nothing from there on is passed on."""
    scanner, length, _ = scanned(data)
    assert scanner.violation is not None
    assert scanner.violation[0] == code
    assert length <= len(data) - 2


def test_unmasked_frames_of_a_client() -> None:
    """RFC 6455 section 5.1."""
    assert scanned(b"\x82\x00", masked=True)[0].violation is not None


def test_extensions_may_set_their_bit_on_data_only() -> None:
    """RFC 7692 section 6: not on continuations, not on control frames."""
    assert scanned(b"\xc2\x00", extended=True)[0].violation is None
    assert scanned(b"\x42\x00\xc0\x00", extended=True)[0].violation is not None
    assert scanned(b"\xc9\x00", extended=True)[0].violation is not None


def test_long_messages() -> None:
    """All parts of one count together; the next one starts anew."""
    data = b"\x02\x03abc\x80\x02de" + b"\x82\x05abcde"
    assert scanned(data, message_bytes=5)[0].violation is None
    scanner, _, _ = scanned(data, message_bytes=4)
    assert scanner.violation is not None
    assert scanner.violation[0] == 1009
