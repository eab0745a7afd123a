"""WebSocket frames on their way through: where they begin, and whether they are in order.

Payloads are never looked at or unmasked. Source: RFC 6455 section 5.
"""

import base64
import binascii
import hashlib

__all__ = ("FrameScanner", "accept_of", "close_frame", "is_handshake_key")

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_KNOWN = frozenset((_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG))
_PROTOCOL_ERROR = 1002
_TOO_BIG = 1009
_MOST_CONTROL_BYTES = 125
_MOST_REASON_BYTES = 123
_KEY_BYTES = 16


def is_handshake_key(key: bytes) -> bool:
    """Whether this is a valid Sec-WebSocket-Key (RFC 6455 section 4.1)."""
    try:
        return len(base64.b64decode(key, validate=True)) == _KEY_BYTES
    except (binascii.Error, ValueError):
        return False


def accept_of(key: bytes) -> bytes:
    """The Sec-WebSocket-Accept that answers a Sec-WebSocket-Key (RFC 6455 section 4.2.2)."""
    # SHA-1 is what the RFC says; nothing is kept secret by it.
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def close_frame(code: int, reason: str, *, masked: bool) -> bytes:
    """A close frame; masked, with a mask of zeros, where it is for a server."""
    text = reason.encode()[:_MOST_REASON_BYTES].decode("utf-8", "ignore").encode()
    payload = code.to_bytes(2, "big") + text
    if masked:
        return bytes((0x80 | _CLOSE, 0x80 | len(payload))) + bytes(4) + payload
    return bytes((0x80 | _CLOSE, len(payload))) + payload


class FrameScanner:
    """Follows the frames of one direction.

    Args:
        masked: whether its frames are masked: those of clients are, those of servers are not.
        extended: whether an extension was negotiated, so that the reserved bits may be set.
        message_bytes: the longest message, as it is on the wire; 0 for no limit.

    Attributes:
        messages: how many messages have begun.
        closing: whether a close frame has come.
        violation: the close code and the reason of what breaks a rule; None while nothing does.
    """

    __slots__ = (
        "_allowed_bits",
        "_in_message",
        "_left",
        "_limit",
        "_mask",
        "_size",
        "closing",
        "messages",
        "violation",
    )

    def __init__(self, *, masked: bool, extended: bool, message_bytes: int) -> None:
        self._mask = 0x80 if masked else 0
        # Only the bit that extensions in use may set on the first frame of a message (RFC 7692).
        self._allowed_bits = 0x40 if extended else 0
        self._limit = message_bytes
        self._left = 0
        self._in_message = False
        self._size = 0
        self.messages = 0
        self.closing = False
        self.violation: tuple[int, str] | None = None

    @property
    def between_frames(self) -> bool:
        """Whether all of the last frame has been passed."""
        return not self._left

    def scan(self, data: bytes, begun: list[int]) -> int:
        """Goes through the next bytes.

        Args:
            data: with what was left the last time in front.
            begun: gets the offset of each message that begins in them.

        Returns:
            How many bytes may be passed on; what follows is the beginning of a frame head that has
            not come whole, or what breaks a rule.
        """
        at, end = 0, len(data)
        while at < end:
            if self._left:
                step = min(self._left, end - at)
                self._left -= step
                at += step
                continue
            if self.closing:
                self.violation = (_PROTOCOL_ERROR, "a frame after the close frame")
                break
            size = _head_size(data, at)
            if at + size > end:
                break
            if not self._head(data, at, begun):
                break
            at += size
        return at

    def _head(self, data: bytes, at: int, begun: list[int]) -> bool:
        first, second = data[at], data[at + 1]
        opcode = first & 0x0F
        length = second & 0x7F
        if length == 126:
            length = int.from_bytes(data[at + 2 : at + 4], "big")
        elif length == 127:
            length = int.from_bytes(data[at + 2 : at + 10], "big")
        wrong = self._wrong(first, second, length)
        if wrong:
            self.violation = (_PROTOCOL_ERROR, wrong)
            return False
        if opcode < _CLOSE:
            if opcode != _CONTINUATION:
                self._size = 0
            self._size += length
            if self._limit and self._size > self._limit:
                self.violation = (_TOO_BIG, f"a message here has at most {self._limit} bytes")
                return False
            if opcode != _CONTINUATION:
                self.messages += 1
                begun.append(at)
            self._in_message = not first & 0x80
        elif opcode == _CLOSE:
            self.closing = True
        self._left = length
        return True

    def _wrong(self, first: int, second: int, length: int) -> str:
        opcode = first & 0x0F
        allowed = self._allowed_bits if opcode in {_TEXT, _BINARY} else 0
        if first & 0x70 & ~allowed:
            return "a reserved bit is set"
        if opcode not in _KNOWN:
            return "an unknown opcode"
        if second & 0x80 != self._mask:
            return "a frame of a client is not masked" if self._mask else "a masked frame"
        if length >> 63:
            return "a frame without an end"
        if opcode >= _CLOSE:
            if not first & 0x80 or length > _MOST_CONTROL_BYTES:
                return "a control frame that is long or in parts"
        elif (opcode == _CONTINUATION) != self._in_message:
            return "a message within a message, or a continuation of none"
        return ""


def _head_size(data: bytes, at: int) -> int:
    if at + 1 >= len(data):
        return 2
    second = data[at + 1]
    extended = {126: 2, 127: 8}.get(second & 0x7F, 0)
    return 2 + extended + (4 if second & 0x80 else 0)
