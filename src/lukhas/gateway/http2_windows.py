"""How much may be sent on an HTTP/2 connection, and whose turn it is (RFC 9113 section 5.2)."""

from collections.abc import Callable, Iterable

from lukhas.gateway.http2_stream import Http2Stream
from lukhas.http.http2_frames import ErrorCode, Http2Error, data_frames, window_update

__all__ = ("STREAM_WINDOW", "ReceiveWindows", "SendWindows")

STREAM_WINDOW = 65_535
"""What a client may send on one stream before it gets more room."""

_DEFAULT_WINDOW = 65_535
_MOST_WINDOW = 2**31 - 1
_ENABLE_PUSH, _INITIAL_WINDOW_SIZE, _MAX_FRAME_SIZE = 0x2, 0x4, 0x5
_LEAST_FRAME_SIZE, _MOST_FRAME_SIZE = 16_384, 2**24 - 1
# A stream sends so much before others get their turn.
_TURN_BYTES = 64 * 1024
# What all streams together may have sent that nobody has read yet.
_CONNECTION_WINDOW = 1024 * 1024


class ReceiveWindows:
    """The room that the client has, on the connection and on each stream.

    Room is given back when what came was read, or dropped, and not for every little.

    Args:
        send: sends frames.
    """

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._window = _CONNECTION_WINDOW
        self._owed = 0

    def opening(self) -> bytes:
        """What makes the connection's room larger than that of a stream."""
        return window_update(0, _CONNECTION_WINDOW - STREAM_WINDOW)

    def received(self, size: int) -> None:
        """Data came, padding included.

        Raises:
            Http2Error: it was more than there was room for.
        """
        self._window -= size
        if self._window < 0:
            raise Http2Error(ErrorCode.FLOW_CONTROL_ERROR, "more data than there was room for")

    def credit(self, stream: Http2Stream, *, is_open: bool) -> None:
        """What came on a stream was read."""
        waits = is_open and not stream.remote_closed
        if waits and stream.owed < STREAM_WINDOW // 2:
            return
        if waits:
            self._send(window_update(stream.number, stream.owed))
        self.forget(stream)

    def forget(self, stream: Http2Stream) -> None:
        """What came on a stream will not be read, or has been."""
        owed, stream.owed = stream.owed, 0
        self.owe(owed)

    def owe(self, size: int) -> None:
        """Gives room on the connection back."""
        self._owed += size
        if self._owed >= _CONNECTION_WINDOW // 2:
            self._window += self._owed
            self._send(window_update(0, self._owed))
            self._owed = 0


class SendWindows:
    """The windows of one connection and its streams.

    Args:
        send: sends frames.
        ended: told when all of a response has been sent.

    Attributes:
        initial: what new streams may send at first.
        paused: whether the transport takes nothing.
    """

    def __init__(self, send: Callable[[bytes], None], ended: Callable[[Http2Stream], None]) -> None:
        self._send = send
        self._ended = ended
        self._window = _DEFAULT_WINDOW
        self._blocked: dict[int, Http2Stream] = {}
        self.initial = _DEFAULT_WINDOW
        self.paused = False

    def flush(self, stream: Http2Stream, now_s: float) -> None:
        """Sends what there is room for; the rest follows when there is more."""
        head, stream.head = stream.head, b""
        if not stream.out:
            self._done(stream, head)
            return
        while stream.out and not self.paused:
            room = min(self._window, stream.send_window, _TURN_BYTES)
            if room <= 0:
                break
            part = stream.out[:room]
            stream.out = stream.out[room:]
            self._window -= len(part)
            stream.send_window -= len(part)
            stream.blocked_s = 0.0
            last = stream.ending and not stream.out
            # With the head in one piece, as long as there is room for some of the body.
            self._send(head + data_frames(stream.number, part, end_stream=last))
            head = b""
            if stream.out and self._blocked:
                break
        if head:
            self._send(head)
        if stream.out:
            stream.blocked_s = stream.blocked_s or now_s
            self._blocked[stream.number] = stream
            return
        self.forget(stream)
        if stream.ending:
            self._ended(stream)
        else:
            stream.sent()

    def _done(self, stream: Http2Stream, head: bytes) -> None:
        """There is nothing more to send: the head said so, or the last data did not."""
        self.forget(stream)
        if head:
            self._send(head)
        if not stream.ending:
            return
        if stream.streamed:
            self._send(data_frames(stream.number, b"", end_stream=True))
        self._ended(stream)

    def flush_all(self, now_s: float) -> None:
        """There may be more room: every stream that waits has its turn, until none gets on."""
        moved = True
        while moved and not self.paused and self._window > 0:
            moved = False
            for stream in tuple(self._blocked.values()):
                del self._blocked[stream.number]
                before = len(stream.out)
                self.flush(stream, now_s)
                moved = moved or len(stream.out) < before

    def forget(self, stream: Http2Stream) -> None:
        """The stream waits for no room any more."""
        stream.blocked_s = 0.0
        self._blocked.pop(stream.number, None)

    def widen(self, stream: Http2Stream | None, increment: int, now_s: float) -> bool:
        """The client makes room, for the connection where there is no stream.

        Returns:
            Whether the window is one that may be.
        """
        if stream is None:
            self._window += increment
            if not increment or self._window > _MOST_WINDOW:
                return False
            self.flush_all(now_s)
            return True
        stream.send_window += increment
        if stream.send_window > _MOST_WINDOW:
            return False
        if self._blocked.pop(stream.number, None) is not None:
            self.flush(stream, now_s)
        return True

    def settings(self, pairs: list[tuple[int, int]], streams: Iterable[Http2Stream]) -> None:
        """Takes up what the client has set; what concerns compression and pushes is not used.

        Raises:
            Http2Error: a value may not be.
        """
        for key, value in pairs:
            if key == _ENABLE_PUSH and value > 1:
                raise Http2Error(ErrorCode.PROTOCOL_ERROR, "a push setting that is none")
            if key == _MAX_FRAME_SIZE and not _LEAST_FRAME_SIZE <= value <= _MOST_FRAME_SIZE:
                raise Http2Error(ErrorCode.PROTOCOL_ERROR, "a frame size that may not be")
            if key == _INITIAL_WINDOW_SIZE:
                if value > _MOST_WINDOW:
                    raise Http2Error(ErrorCode.FLOW_CONTROL_ERROR, "a window that is too large")
                change, self.initial = value - self.initial, value
                for stream in streams:
                    stream.send_window += change
                    if stream.send_window > _MOST_WINDOW:
                        what = "a window that is too large"
                        raise Http2Error(ErrorCode.FLOW_CONTROL_ERROR, what)
