"""What clients send on an HTTP/2 connection, frame by frame, as strict as the RFC allows."""

import struct
from typing import Protocol

from lukhas.http.http2_frames import PREFACE, ErrorCode, FrameType, Http2Error

__all__ = ("FrameReader", "FrameSink", "setting_pairs", "unpadded")

_HEAD_BYTES = 9
_MOST_FRAME_BYTES = 16_384
_STREAM_BITS = 0x7FFFFFFF
_MOST_CONTINUATIONS = 16
_SETTING = struct.Struct("!HI")
_ACK = _END_STREAM = 0x1
_END_HEADERS = 0x4
_PADDED = 0x8
_PRIORITY = 0x20
# The one length that a frame of this type may have.
_LENGTHS = {
    FrameType.PRIORITY: 5,
    FrameType.RST_STREAM: 4,
    FrameType.PING: 8,
    FrameType.WINDOW_UPDATE: 4,
}
_OF_STREAMS = frozenset(
    (
        FrameType.DATA,
        FrameType.HEADERS,
        FrameType.PRIORITY,
        FrameType.RST_STREAM,
        FrameType.CONTINUATION,
    )
)
_OF_CONNECTIONS = frozenset((FrameType.SETTINGS, FrameType.PING, FrameType.GOAWAY))


class FrameSink(Protocol):
    """What is told about frames. Each may raise `Http2Error`."""

    def on_headers(self, stream: int, block: bytes, *, end_stream: bool) -> None:
        """A whole header block."""
        ...

    def on_data(self, stream: int, data: bytes, size: int, *, end_stream: bool) -> None:
        """Data, and the size that it counts for with its padding."""
        ...

    def on_reset(self, stream: int) -> None:
        """The client gives a stream up."""
        ...

    def on_window(self, stream: int, increment: int) -> None:
        """Room for more data; of the connection where the stream is 0."""
        ...

    def on_settings(self, pairs: list[tuple[int, int]]) -> None:
        """Settings, to be acknowledged."""
        ...

    def on_ping(self, payload: bytes) -> None:
        """A ping, to be answered."""
        ...

    def on_goaway(self) -> None:
        """The client opens no more streams."""
        ...

    def on_trifle(self) -> None:
        """A frame that brings nothing."""
        ...


class FrameReader:
    """Cuts what comes into frames.

    Args:
        sink: what is told about them.
        block_bytes: the largest header block.
    """

    def __init__(self, sink: FrameSink, block_bytes: int) -> None:
        self._sink = sink
        self._block_bytes = block_bytes
        self._rest = b""
        self._preface = False
        self._settled = False
        # The header block that CONTINUATION has to go on with.
        self._block: list[bytes] = []
        self._block_stream = 0
        self._block_ends = False

    @property
    def in_head(self) -> bool:
        """Whether something has begun that has to be whole soon."""
        return bool(self._rest or self._block_stream or not self._settled)

    def feed(self, data: bytes) -> None:
        """Takes the next bytes.

        Raises:
            Http2Error: the connection cannot go on.
        """
        data = self._rest + data
        at = 0
        if not self._preface:
            if not data.startswith(PREFACE[: len(data)]):
                raise Http2Error(ErrorCode.PROTOCOL_ERROR, "no connection preface")
            if len(data) < len(PREFACE):
                self._rest = data
                return
            self._preface = True
            at = len(PREFACE)
        end = len(data)
        while end - at >= _HEAD_BYTES:
            length = data[at] << 16 | data[at + 1] << 8 | data[at + 2]
            if length > _MOST_FRAME_BYTES:
                raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, "a frame larger than 16 KiB")
            begin = at + _HEAD_BYTES
            if end - begin < length:
                break
            stream = int.from_bytes(data[at + 5 : begin], "big") & _STREAM_BITS
            self._frame(data[at + 3], data[at + 4], stream, data[begin : begin + length])
            at = begin + length
        self._rest = data[at:]

    def _frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if self._block_stream and (kind != FrameType.CONTINUATION or stream != self._block_stream):
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "a header block that is interrupted")
        if not self._settled and (kind != FrameType.SETTINGS or flags & _ACK):
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "a first frame other than SETTINGS")
        try:
            known = FrameType(kind)
        except ValueError:
            self._sink.on_trifle()
            return
        if (known in _OF_STREAMS and not stream) or (known in _OF_CONNECTIONS and stream):
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "a frame on the wrong stream")
        if _LENGTHS.get(known, len(payload)) != len(payload):
            raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, "a frame of a wrong length")
        if known in _OF_CONNECTIONS:
            self._of_connection(known, flags, payload)
        else:
            self._of_stream(known, flags, stream, payload)

    def _of_connection(self, kind: FrameType, flags: int, payload: bytes) -> None:
        if kind is FrameType.SETTINGS:
            self._settled = True
            if flags & _ACK:
                if payload:
                    raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, "an ACK with a payload")
                self._sink.on_trifle()
            else:
                self._sink.on_settings(setting_pairs(payload))
        elif kind is FrameType.PING:
            if flags & _ACK:
                self._sink.on_trifle()
            else:
                self._sink.on_ping(payload)
        else:
            self._sink.on_goaway()

    def _of_stream(self, kind: FrameType, flags: int, stream: int, payload: bytes) -> None:
        if kind is FrameType.DATA:
            data = unpadded(flags, payload)
            self._sink.on_data(stream, data, len(payload), end_stream=bool(flags & _END_STREAM))
        elif kind is FrameType.HEADERS:
            self._headers(flags, stream, payload)
        elif kind is FrameType.CONTINUATION:
            self._continuation(flags, stream, payload)
        elif kind is FrameType.RST_STREAM:
            self._sink.on_reset(stream)
        elif kind is FrameType.WINDOW_UPDATE:
            self._sink.on_window(stream, int.from_bytes(payload, "big") & _STREAM_BITS)
        elif kind is FrameType.PRIORITY:
            _check_dependency(stream, payload)
            self._sink.on_trifle()
        else:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "a push of a client")

    def _headers(self, flags: int, stream: int, payload: bytes) -> None:
        block = unpadded(flags, payload)
        if flags & _PRIORITY:
            if len(block) < 5:
                raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, "a priority that is cut off")
            _check_dependency(stream, block)
            block = block[5:]
        end_stream = bool(flags & _END_STREAM)
        if flags & _END_HEADERS:
            self._sink.on_headers(stream, block, end_stream=end_stream)
        else:
            self._block, self._block_stream, self._block_ends = [block], stream, end_stream

    def _continuation(self, flags: int, stream: int, payload: bytes) -> None:
        if not self._block_stream:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "a continuation of nothing")
        self._block.append(payload)
        too_large = sum(map(len, self._block)) > self._block_bytes
        if too_large or len(self._block) > _MOST_CONTINUATIONS:
            raise Http2Error(ErrorCode.ENHANCE_YOUR_CALM, "a header block without an end")
        if flags & _END_HEADERS:
            block, ends = b"".join(self._block), self._block_ends
            self._block, self._block_stream = [], 0
            self._sink.on_headers(stream, block, end_stream=ends)


def unpadded(flags: int, payload: bytes) -> bytes:
    """The payload without its padding.

    Raises:
        Http2Error: the padding is longer than the payload.
    """
    if not flags & _PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise Http2Error(ErrorCode.PROTOCOL_ERROR, "more padding than payload")
    return payload[1 : len(payload) - payload[0]]


def setting_pairs(payload: bytes) -> list[tuple[int, int]]:
    """Settings by their numbers.

    Raises:
        Http2Error: they are cut off.
    """
    if len(payload) % _SETTING.size:
        raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, "settings that are cut off")
    return list(_SETTING.iter_unpack(payload))


def _check_dependency(stream: int, payload: bytes) -> None:
    if int.from_bytes(payload[:4], "big") & _STREAM_BITS == stream:
        raise Http2Error(ErrorCode.PROTOCOL_ERROR, "a stream that depends on itself")
